package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"labsim/sim/guest/applet"
)

// Applets are the names of the shell. Scripts that ask for bash get what the
// interpreter knows of it, which is most.
var Applets = map[string]applet.Func{"sh": Main, "ash": Main, "bash": Main, "dash": Main}

// shell is one running sh.
type shell struct {
	call   *applet.Call
	runner *interp.Runner
	name   string // $0
	prompt bool   // interactive

	mu    sync.Mutex
	jobs  map[int]*job
	traps map[os.Signal]string
	got   chan os.Signal
}

// invocation is a command line of sh.
type invocation struct {
	opts        []string // for the interpreter: -e, -u, ...
	command     string
	isCommand   bool
	jobFD       int // the script comes from this descriptor: a background job
	login       bool
	interactive bool
	stdin       bool
	args        []string
}

// Main is `sh [-ceuxlis] [SCRIPT | -c COMMAND [NAME]] [ARG...]`.
func Main(c *applet.Call) int {
	inv, err := parseArgs(c.Args)
	if err != nil {
		c.Fail("%v", err)
		return 2
	}
	s := &shell{call: c, name: c.Name, jobs: map[int]*job{}, traps: map[os.Signal]string{}}
	if len(inv.args) > 0 && !inv.stdin {
		s.name = inv.args[0] // a script's name, or what -c puts there
		if inv.isCommand || inv.jobFD > 0 {
			inv.args = inv.args[1:]
		}
	}
	script, isFile, err := s.script(&inv)
	if err != nil {
		return c.Fail("%v", err) + 126
	}
	if err := s.setup(inv); err != nil {
		return c.Fail("%v", err)
	}
	if inv.login {
		s.source("/etc/profile")
		s.source(filepath.Join(os.Getenv("HOME"), ".profile"))
	}
	switch {
	case isFile:
		return s.runText(script)
	}
	s.name0()
	switch {
	case inv.interactive || isTerminal(c.In) && isTerminal(c.Err):
		return s.interact()
	}
	return s.runStream(c.In)
}

func parseArgs(args []string) (invocation, error) {
	inv := invocation{}
	for len(args) > 0 {
		a := args[0]
		if a == "-" || a == "--" {
			args = args[1:]
			break
		}
		if len(a) < 2 || a[0] != '-' && a[0] != '+' {
			break
		}
		args = args[1:]
		switch {
		case strings.HasPrefix(a, "--labsim-job="):
			fmt.Sscanf(a, "--labsim-job=%d", &inv.jobFD)
			continue
		case a == "--login":
			inv.login = true
			continue
		case a == "--norc", a == "--noprofile", a == "--posix":
			continue
		case a[1] == '-':
			return inv, fmt.Errorf("unknown option %s", a)
		}
		for _, l := range a[1:] {
			switch l {
			case 'c':
				inv.isCommand = true
			case 'l':
				inv.login = true
			case 'i':
				inv.interactive = true
			case 's':
				inv.stdin = true
			case 'o':
				if len(args) == 0 {
					return inv, errors.New("-o requires an argument")
				}
				inv.opts = append(inv.opts, a[:1]+"o", args[0])
				args = args[1:]
			case 'e', 'u', 'x', 'f', 'n', 'a', 'v':
				inv.opts = append(inv.opts, a[:1]+string(l))
			default:
				return inv, fmt.Errorf("unknown option -%c", l)
			}
		}
	}
	if inv.isCommand {
		if len(args) == 0 {
			return inv, errors.New("-c requires an argument")
		}
		inv.command, args = args[0], args[1:]
	}
	inv.args = args
	return inv, nil
}

// script returns the text to run, unless it comes from the standard input.
func (s *shell) script(inv *invocation) (string, bool, error) {
	switch {
	case inv.jobFD > 0:
		f := os.NewFile(uintptr(inv.jobFD), "job")
		defer f.Close()
		data, err := io.ReadAll(f)
		return string(data), true, err
	case inv.isCommand:
		return inv.command, true, nil
	case len(inv.args) == 0 || inv.stdin:
		return "", false, nil
	}
	path := inv.args[0]
	inv.args = inv.args[1:]
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false, fmt.Errorf("%s: %w", path, applet.Cause(err))
	}
	return string(data), true, nil
}

func (s *shell) setup(inv invocation) error {
	params := append(append([]string{}, inv.opts...), "--")
	r, err := interp.New(
		interp.Env(expand.ListEnviron(os.Environ()...)),
		interp.StdIO(s.call.In, s.call.Out, s.call.Err),
		interp.Params(append(params, inv.args...)...),
		interp.CallHandler(s.onCall),
		interp.ExecHandlers(s.onExec),
	)
	s.runner = r
	return err
}

// runText runs a whole script.
func (s *shell) runText(text string) int {
	f, err := newParser().Parse(strings.NewReader(text), s.name)
	if err != nil {
		fmt.Fprintln(s.call.Err, err)
		return 2
	}
	rewrite(f)
	return s.finish(s.runner.Run(context.Background(), f))
}

// runStream runs statements as they come, and reads no further than the line
// that it needs: a command may read the next.
func (s *shell) runStream(in io.Reader) int {
	var last error
	for stmt, err := range newParser().StmtsSeq(&lineReader{r: in}) {
		if err != nil {
			fmt.Fprintln(s.call.Err, err)
			return 2
		}
		walkStream(stmt, true, true)
		if last = s.runner.Run(context.Background(), stmt); s.runner.Exited() {
			break
		}
	}
	if !s.runner.Exited() { // for the trap on EXIT
		var status interp.ExitStatus
		if errors.As(last, &status) {
			f, _ := newParser().Parse(strings.NewReader(fmt.Sprintf("exit %d", status)), s.name)
			last = s.runner.Run(context.Background(), f)
		} else if last == nil {
			last = s.runner.Run(context.Background(), &syntax.File{Name: s.name})
		}
	}
	return s.finish(last)
}

func (s *shell) finish(err error) int {
	var status interp.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	return s.call.Fail("%v", err)
}

// name0 sets what stands for $0 when statements are run one by one.
func (s *shell) name0() {
	if f, err := newParser().Parse(strings.NewReader(varName+"="+quote(s.name)), s.name); err == nil {
		s.runner.Run(context.Background(), f.Stmts[0])
	}
}

func (s *shell) source(path string) {
	if _, err := os.Stat(path); err != nil {
		return
	}
	f, err := newParser().Parse(strings.NewReader(". "+quote(path)), s.name)
	if err == nil {
		s.runner.Run(context.Background(), f.Stmts[0])
	}
}

func newParser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }

func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// lineReader reads single bytes up to the end of a line.
type lineReader struct{ r io.Reader }

func (l *lineReader) Read(p []byte) (int, error) {
	for i := range p {
		n, err := l.r.Read(p[i : i+1])
		if n == 0 || err != nil {
			return i + n, err
		}
		if p[i] == '\n' {
			return i + 1, nil
		}
	}
	return len(p), nil
}
