package files

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"labsim/sim/guest/applet"
)

// finder walks and evaluates an expression, which is compiled to closures.
type finder struct {
	call     *applet.Call
	out      io.Writer
	args     []string
	maxDepth int
	minDepth int
	depth    bool // contents before the directory
	oneFS    bool
	follow   bool
	acts     bool // an action other than the default -print is there
	prune    bool
	quit     bool
	batches  []*batch
	status   int
}

type found struct {
	path  string
	info  fs.FileInfo
	depth int
}

type predicate func(found) bool

// batch collects the names of -exec ... +.
type batch struct{ words, names []string }

func find(c *applet.Call) int {
	f := &finder{call: c, maxDepth: 1 << 30, args: c.Args}
	var roots []string
	for len(f.args) > 0 && f.args[0] != "" && f.args[0][0] != '-' && f.args[0] != "(" && f.args[0] != "!" {
		roots = append(roots, f.take())
	}
	for len(roots) == 0 && len(f.args) > 0 && (f.args[0] == "-L" || f.args[0] == "-H" || f.args[0] == "-P") {
		f.follow = f.follow || f.take() == "-L"
		for len(f.args) > 0 && f.args[0] != "" && f.args[0][0] != '-' && f.args[0] != "(" && f.args[0] != "!" {
			roots = append(roots, f.take())
		}
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	match, err := f.parseOr()
	if err == nil && len(f.args) > 0 {
		err = fmt.Errorf("unexpected '%s'", f.args[0])
	}
	if err != nil {
		return c.Fail("%v", err)
	}
	w := c.Buffer()
	defer w.Flush()
	f.out = w
	if !f.acts {
		inner := match
		match = func(e found) bool {
			if inner(e) {
				fmt.Fprintln(w, e.path)
			}
			return true
		}
	}
	for _, r := range roots {
		f.walk(r, 0, 0, match)
	}
	w.Flush()
	for _, b := range f.batches {
		if len(b.names) > 0 && !f.run(append(b.words, b.names...)) {
			f.status = 1
		}
	}
	return f.status
}

func (f *finder) take() string {
	a := f.args[0]
	f.args = f.args[1:]
	return a
}

func (f *finder) walk(name string, depth int, dev uint64, match predicate) {
	look := os.Lstat
	if f.follow {
		look = os.Stat
	}
	info, err := look(name)
	if err != nil && f.follow {
		info, err = os.Lstat(name)
	}
	if err != nil {
		f.status = f.call.FailOn(name, err)
		return
	}
	if depth == 0 {
		dev = sys(info).Dev
	}
	e := found{name, info, depth}
	f.prune = false
	if !f.depth && depth >= f.minDepth {
		match(e)
	}
	if info.IsDir() && !f.prune && !f.quit && depth < f.maxDepth && (!f.oneFS || sys(info).Dev == dev) {
		list, err := os.ReadDir(name)
		if err != nil {
			f.status = f.call.FailOn(name, err)
		}
		for _, child := range list {
			if f.quit {
				return
			}
			f.walk(strings.TrimSuffix(name, "/")+"/"+child.Name(), depth+1, dev, match)
		}
	}
	if f.depth && depth >= f.minDepth && !f.quit {
		match(e)
	}
}

func (f *finder) parseOr() (predicate, error) {
	left, err := f.parseAnd()
	for err == nil && len(f.args) > 0 && (f.args[0] == "-o" || f.args[0] == "-or") {
		f.take()
		l := left
		var right predicate
		right, err = f.parseAnd()
		left = func(e found) bool { return l(e) || right(e) }
	}
	return left, err
}

func (f *finder) parseAnd() (predicate, error) {
	match := func(found) bool { return true }
	for len(f.args) > 0 && f.args[0] != "-o" && f.args[0] != "-or" && f.args[0] != ")" {
		if f.args[0] == "-a" || f.args[0] == "-and" {
			f.take()
			continue
		}
		p, err := f.parsePrimary()
		if err != nil {
			return nil, err
		}
		l := match
		match = func(e found) bool { return l(e) && p(e) }
	}
	return match, nil
}

func (f *finder) parsePrimary() (predicate, error) {
	name := f.take()
	switch name {
	case "!", "-not":
		if len(f.args) == 0 {
			return nil, fmt.Errorf("'%s' requires an argument", name)
		}
		p, err := f.parsePrimary()
		return func(e found) bool { return !p(e) }, err
	case "(":
		p, err := f.parseOr()
		if err == nil && (len(f.args) == 0 || f.take() != ")") {
			err = fmt.Errorf("missing )")
		}
		return p, err
	case "-print", "-print0":
		f.acts = true
		end := map[string]string{"-print": "\n", "-print0": "\x00"}[name]
		return func(e found) bool { io.WriteString(f.out, e.path+end); return true }, nil
	case "-prune":
		return func(found) bool { f.prune = true; return true }, nil
	case "-quit":
		f.acts = true
		return func(found) bool { f.quit = true; return true }, nil
	case "-delete":
		f.acts, f.depth = true, true
		return func(e found) bool {
			if err := os.Remove(e.path); err != nil {
				f.status = f.call.FailOn(e.path, err)
				return false
			}
			return true
		}, nil
	case "-depth":
		f.depth = true
		return func(found) bool { return true }, nil
	case "-xdev", "-mount":
		f.oneFS = true
		return func(found) bool { return true }, nil
	case "-true":
		return func(found) bool { return true }, nil
	case "-false":
		return func(found) bool { return false }, nil
	case "-empty":
		return func(e found) bool {
			if e.info.IsDir() {
				list, err := os.ReadDir(e.path)
				return err == nil && len(list) == 0
			}
			return e.info.Mode().IsRegular() && e.info.Size() == 0
		}, nil
	case "-exec", "-ok":
		return f.parseExec()
	}
	if len(f.args) == 0 {
		return nil, fmt.Errorf("'%s' is unknown or requires an argument", name)
	}
	return f.parseTest(name, f.take())
}

func (f *finder) parseTest(name, arg string) (predicate, error) {
	switch name {
	case "-name", "-iname", "-path", "-wholename", "-ipath":
		fold := strings.HasPrefix(name, "-i")
		whole := strings.HasSuffix(name, "path") || name == "-wholename"
		if fold {
			arg = strings.ToLower(arg)
		}
		if _, err := path.Match(arg, ""); err != nil {
			return nil, fmt.Errorf("bad pattern '%s'", arg)
		}
		if whole { // there, * matches a slash, too
			arg = strings.ReplaceAll(arg, "/", "\x01")
		}
		return func(e found) bool {
			s := filepath.Base(e.path)
			if whole {
				s = strings.ReplaceAll(e.path, "/", "\x01")
			}
			if fold {
				s = strings.ToLower(s)
			}
			ok, _ := path.Match(arg, s)
			return ok
		}, nil
	case "-type":
		return func(e found) bool { return strings.IndexByte(arg, typeLetter(e.info.Mode())) >= 0 }, nil
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(arg)
		if name == "-maxdepth" {
			f.maxDepth = n
		} else {
			f.minDepth = n
		}
		return func(found) bool { return true }, err
	case "-newer":
		ref, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		return func(e found) bool { return e.info.ModTime().After(ref.ModTime()) }, nil
	case "-mtime", "-mmin", "-atime", "-ctime":
		unit := 24 * time.Hour
		if name == "-mmin" {
			unit = time.Minute
		}
		return number(arg, func(e found) int64 { return int64(time.Since(e.info.ModTime()) / unit) })
	case "-size":
		unit := int64(512)
		if i := strings.IndexByte("cwbkMG", arg[len(arg)-1]); i >= 0 {
			unit = []int64{1, 2, 512, 1 << 10, 1 << 20, 1 << 30}[i]
			arg = arg[:len(arg)-1]
		}
		return number(arg, func(e found) int64 { return (e.info.Size() + unit - 1) / unit })
	case "-user":
		return func(e found) bool {
			u := sys(e.info).Uid
			return userName(u) == arg || strconv.FormatUint(uint64(u), 10) == arg
		}, nil
	case "-group":
		return func(e found) bool {
			g := sys(e.info).Gid
			return groupName(g) == arg || strconv.FormatUint(uint64(g), 10) == arg
		}, nil
	case "-perm":
		return permTest(arg)
	case "-links":
		return number(arg, func(e found) int64 { return int64(sys(e.info).Nlink) })
	case "-inum":
		return number(arg, func(e found) int64 { return int64(sys(e.info).Ino) })
	}
	return nil, fmt.Errorf("unknown predicate '%s'", name)
}

func typeLetter(m fs.FileMode) byte {
	l := ModeString(m)[0]
	if l == '-' {
		l = 'f'
	}
	return l
}

// number is +N, -N or N.
func number(arg string, value func(found) int64) (predicate, error) {
	sign := byte(0)
	if arg != "" && (arg[0] == '+' || arg[0] == '-') {
		sign, arg = arg[0], arg[1:]
	}
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("bad number '%s'", arg)
	}
	return func(e found) bool {
		v := value(e)
		switch sign {
		case '+':
			return v > n
		case '-':
			return v < n
		}
		return v == n
	}, nil
}

func permTest(arg string) (predicate, error) {
	how := byte(0)
	if arg != "" && (arg[0] == '-' || arg[0] == '/') {
		how, arg = arg[0], arg[1:]
	}
	m, err := parseMode(arg, 0, 0)
	want := unixMode(m)
	return func(e found) bool {
		have := unixMode(e.info.Mode())
		switch how {
		case '-':
			return have&want == want
		case '/':
			return want == 0 || have&want != 0
		}
		return have == want
	}, err
}

func (f *finder) parseExec() (predicate, error) {
	f.acts = true
	var words []string
	for {
		if len(f.args) == 0 {
			return nil, fmt.Errorf("-exec needs ; or + at its end")
		}
		w := f.take()
		if w == ";" {
			break
		}
		if w == "+" && len(words) > 1 && words[len(words)-1] == "{}" {
			b := &batch{words: words[:len(words)-1]}
			f.batches = append(f.batches, b)
			return func(e found) bool { b.names = append(b.names, e.path); return true }, nil
		}
		words = append(words, w)
	}
	return func(e found) bool {
		args := make([]string, len(words))
		for i, w := range words {
			args[i] = strings.ReplaceAll(w, "{}", e.path)
		}
		return f.run(args)
	}, nil
}

func (f *finder) run(args []string) bool {
	if w, ok := f.out.(interface{ Flush() error }); ok {
		w.Flush()
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f.call.In, f.call.Out, f.call.Err
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		f.call.Fail("%s: %v", args[0], err)
	}
	return err == nil
}
