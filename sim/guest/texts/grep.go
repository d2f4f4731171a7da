package texts

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"labsim/sim/guest/applet"
)

type grepper struct {
	call          *applet.Call
	flags         applet.Flags
	patterns      []*regexp.Regexp
	w             *bufio.Writer
	names         bool
	before, after int
	max           int
	matched       bool
	status        int
}

func grep(c *applet.Call) int {
	f, ok := c.Parse("EFGPivnclLhHoqrRswxe:f:A:B:C:m:aIzb", "extended-regexp=E", "fixed-strings=F", "ignore-case=i", "invert-match=v", "line-number=n",
		"count=c", "files-with-matches=l", "files-without-match=L", "no-filename=h", "only-matching=o", "quiet=q", "silent=q", "recursive=r",
		"no-messages=s", "word-regexp=w", "line-regexp=x", "regexp=e", "file=f", "after-context=A", "before-context=B", "context=C", "max-count=m", "color=a", "colour=a")
	if !ok {
		return 2
	}
	g := &grepper{call: c, flags: f}
	if err := g.compile(); err != nil {
		c.Fail("%v", err)
		return 2
	}
	var ok1, ok2, ok3, ok4 bool
	var around int
	around, ok1 = c.Int(f, 'C', 0)
	g.before, ok2 = c.Int(f, 'B', around)
	g.after, ok3 = c.Int(f, 'A', around)
	g.max, ok4 = c.Int(f, 'm', 1<<62)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return 2
	}
	recursive := f.Has('r', 'R')
	names := c.Args
	if recursive && len(names) == 0 {
		names = []string{"."}
	}
	g.names = (len(names) > 1 || recursive || f.Has('H')) && !f.Has('h')
	g.w = c.Buffer()
	defer g.w.Flush()
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, n := range names {
		g.path(n, recursive)
	}
	switch {
	case f.Has('q') && g.matched:
		return 0
	case g.status != 0:
		return 2
	case g.matched:
		return 0
	}
	return 1
}

func (g *grepper) compile() error {
	f := g.flags
	texts := f['e']
	for _, name := range f['f'] {
		lines, status := readLines(g.call, []string{name})
		if status != 0 {
			return fmt.Errorf("can't read patterns")
		}
		texts = append(texts, lines...)
	}
	if !f.Has('e', 'f') {
		if len(g.call.Args) == 0 {
			return fmt.Errorf("usage: grep [-EFivnclqrowx] PATTERN [FILE...]")
		}
		texts, g.call.Args = g.call.Args[:1], g.call.Args[1:]
	}
	for _, t := range texts {
		for _, p := range strings.Split(t, "\n") {
			re, err := g.pattern(p)
			if err != nil {
				return err
			}
			g.patterns = append(g.patterns, re)
		}
	}
	return nil
}

func (g *grepper) pattern(p string) (*regexp.Regexp, error) {
	f := g.flags
	var text string
	var err error
	switch {
	case f.Has('F') || g.call.Name == "fgrep":
		text = regexp.QuoteMeta(p)
	case f.Has('P'):
		text = p
	default:
		text, err = translate(p, f.Has('E') || g.call.Name == "egrep")
	}
	if err != nil {
		return nil, err
	}
	if f.Has('w') {
		text = `(?:^|\b)(?:` + text + `)(?:\b|$)`
	}
	if f.Has('x') {
		text = `^(?:` + text + `)$`
	}
	if f.Has('i') {
		text = "(?i)" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("bad regex '%s'", p)
	}
	return re, nil
}

func (g *grepper) path(name string, recursive bool) {
	if info, err := os.Stat(name); recursive && err == nil && info.IsDir() {
		filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				g.file(p)
			}
			return nil
		})
		return
	}
	g.file(name)
}

func (g *grepper) file(name string) {
	r, err := g.call.Open(name)
	if err == nil {
		err = g.read(name, r)
		r.Close()
	}
	if err != nil && !g.flags.Has('s') {
		g.status = g.call.FailOn(name, err)
	}
}

func (g *grepper) matches(line []byte) bool {
	for _, p := range g.patterns {
		if p.Match(line) {
			return true
		}
	}
	return false
}

func (g *grepper) read(name string, r io.Reader) error {
	if name == "-" {
		name = "(standard input)"
	}
	f := g.flags
	count, n, printed, after := 0, 0, 0, 0
	var held [][]byte
	err := eachLine(r, func(line []byte, _ bool) bool {
		n++
		if g.matches(line) == f.Has('v') {
			switch {
			case after > 0:
				g.line(name, n, '-', line)
				after--
				printed = n
			case g.before > 0:
				held = append(held, bytes.Clone(line))
				if len(held) > g.before {
					held = held[1:]
				}
			}
			return true
		}
		count++
		g.matched = true
		if f.Has('q', 'l', 'L') {
			return false
		}
		if f.Has('c') {
			return count < g.max
		}
		if (g.before > 0 || g.after > 0) && printed > 0 && n-len(held) > printed+1 {
			fmt.Fprintln(g.w, "--")
		}
		for i, h := range held {
			g.line(name, n-len(held)+i, '-', h)
		}
		held = nil
		if f.Has('o') {
			g.parts(name, n, line)
		} else {
			g.line(name, n, ':', line)
		}
		printed, after = n, g.after
		return count < g.max
	})
	switch {
	case f.Has('q'):
	case f.Has('l') && count > 0, f.Has('L') && count == 0:
		fmt.Fprintln(g.w, name)
	case f.Has('c'):
		if g.names {
			fmt.Fprintf(g.w, "%s:", name)
		}
		fmt.Fprintln(g.w, count)
	}
	return err
}

func (g *grepper) line(name string, n int, mark byte, line []byte) {
	if g.names {
		fmt.Fprintf(g.w, "%s%c", name, mark)
	}
	if g.flags.Has('n') {
		fmt.Fprintf(g.w, "%d%c", n, mark)
	}
	g.w.Write(line)
	g.w.WriteByte('\n')
}

func (g *grepper) parts(name string, n int, line []byte) {
	for _, p := range g.patterns {
		for _, m := range p.FindAll(line, -1) {
			if len(m) > 0 {
				g.line(name, n, ':', m)
			}
		}
	}
}
