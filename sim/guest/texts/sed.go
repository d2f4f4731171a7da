package texts

import (
	"bufio"
	"io"
	"os"
	"regexp"
	"strings"

	"labsim/sim/guest/applet"
)

// sedAddress selects a line: a number, $, a pattern, or +N behind another.
type sedAddress struct {
	line int // 0: not a number
	step int
	last bool
	plus bool
	re   *regexp.Regexp
}

type sedCommand struct {
	from, to *sedAddress
	not      bool
	active   bool // inside a range
	until    int
	name     byte
	text     string // a i c: text; b t: label; r w: file; y: pairs
	re       *regexp.Regexp
	with     string
	global   bool
	print    bool
	nth      int
	jump     int // { and b, t: index of the target
	pairs    *strings.Replacer
}

type sedScript struct {
	commands []sedCommand
	labels   map[string]int
	extended bool
	src      string
}

// sed has the commands of POSIX: s p d q = a i c y n N g G h H x b t : { } D P r w, and -i, -n, -E, -s.
func sed(c *applet.Call) int {
	// The value of -i is optional and stands in the same word.
	suffix := ""
	for i, a := range c.Args {
		if len(a) > 2 && a[:2] == "-i" {
			suffix = a[2:]
			c.Args = append([]string{}, c.Args...)
			c.Args[i] = "-i"
			break
		}
	}
	f, ok := c.Parse("nrEsif:e:uz", "quiet=n", "silent=n", "regexp-extended=E", "expression=e", "file=f", "separate=s", "in-place=i")
	if !ok {
		return 1
	}
	if f.Has('i') {
		f['i'] = []string{suffix}
	}
	return runSed(c, f)
}

func runSed(c *applet.Call, f applet.Flags) int {
	var sources []string
	sources = append(sources, f['e']...)
	for _, name := range f['f'] {
		data, err := os.ReadFile(name)
		if err != nil {
			return c.FailOn(name, err)
		}
		sources = append(sources, strings.TrimSuffix(string(data), "\n"))
	}
	if !f.Has('e', 'f') {
		if len(c.Args) == 0 {
			return c.Usage("[-nE] [-i[SUFFIX]] SCRIPT [FILE...]")
		}
		sources, c.Args = c.Args[:1], c.Args[1:]
	}
	script, err := parseSed(strings.Join(sources, "\n"), f.Has('E', 'r'))
	if err != nil {
		return c.Fail("%v", err)
	}
	if f.Has('i') {
		return sedInPlace(c, script, f)
	}
	w := c.Buffer()
	defer w.Flush()
	var readers []io.Reader
	status := 0
	for _, name := range c.Args {
		r, err := c.Open(name)
		if err != nil {
			status = c.FailOn(name, err)
			continue
		}
		defer r.Close()
		readers = append(readers, r, &newlineBetween{})
	}
	var in io.Reader = c.In
	if len(c.Args) > 0 {
		in = &joined{list: readers}
	}
	code, err := script.run(in, w, f.Has('n'))
	if err != nil {
		return c.Fail("%v", err)
	}
	return max(status, code)
}

// joined reads files one after the other and ends each with a newline.
type joined struct {
	list []io.Reader
	last byte
}

type newlineBetween struct{}

func (*newlineBetween) Read([]byte) (int, error) { return 0, io.EOF }

func (j *joined) Read(p []byte) (int, error) {
	for len(j.list) > 0 {
		if _, gap := j.list[0].(*newlineBetween); gap {
			j.list = j.list[1:]
			if len(j.list) > 0 && j.last != '\n' && j.last != 0 {
				p[0] = '\n'
				j.last = '\n'
				return 1, nil
			}
			continue
		}
		n, err := j.list[0].Read(p)
		if n > 0 {
			j.last = p[n-1]
			return n, nil
		}
		if err != io.EOF && err != nil {
			return 0, err
		}
		j.list = j.list[1:]
	}
	return 0, io.EOF
}

func sedInPlace(c *applet.Call, script *sedScript, f applet.Flags) int {
	status := 0
	for _, name := range c.Args {
		info, err := os.Stat(name)
		var data []byte
		if err == nil {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			status = c.FailOn(name, err)
			continue
		}
		if suffix := f.Get('i', ""); suffix != "" {
			os.WriteFile(name+suffix, data, info.Mode().Perm())
		}
		var out strings.Builder
		w := bufio.NewWriter(&out)
		for i := range script.commands {
			script.commands[i].active = false
		}
		if _, err := script.run(strings.NewReader(string(data)), w, f.Has('n')); err != nil {
			return c.Fail("%v", err)
		}
		w.Flush()
		if err := os.WriteFile(name, []byte(out.String()), info.Mode().Perm()); err != nil {
			status = c.FailOn(name, err)
		}
	}
	return status
}
