package applet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// Func is an applet; it returns its exit status.
type Func func(c *Call) int

// Call is one invocation of an applet.
type Call struct {
	Name string   // the name it was called by
	Args []string // without the name
	In   io.Reader
	Out  io.Writer
	Err  io.Writer
}

// Main calls f with the process' own streams.
func Main(f Func, name string, args []string) int {
	return f(&Call{Name: name, Args: args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

// Buffer returns Out with a buffer; the caller flushes it.
func (c *Call) Buffer() *bufio.Writer { return bufio.NewWriterSize(c.Out, 32<<10) }

// Fail reports a failure on Err and returns exit status 1.
func (c *Call) Fail(format string, args ...any) int {
	fmt.Fprintf(c.Err, c.Name+": "+format+"\n", args...)
	return 1
}

// FailOn reports err, without the path and operation twice, and returns 1.
func (c *Call) FailOn(name string, err error) int {
	return c.Fail("%s: %v", name, Cause(err))
}

// Usage reports how the applet is called and returns exit status 2.
func (c *Call) Usage(text string) int {
	fmt.Fprintf(c.Err, "usage: %s %s\n", c.Name, text)
	return 2
}

// Cause is err without the operation and path that the os package adds.
func Cause(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	var s *os.SyscallError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	case errors.As(err, &s):
		return s.Err
	}
	return err
}

// Open opens name for reading, or In for "-".
func (c *Call) Open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(c.In), nil
	}
	return os.Open(name)
}

// EachFile calls f for every named file, or for In without names, and returns
// 1 if one of them failed.
func (c *Call) EachFile(names []string, f func(name string, r io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		r, err := c.Open(name)
		if err == nil {
			err = f(name, r)
			r.Close()
		}
		if err != nil {
			status = c.FailOn(name, err)
		}
	}
	return status
}

// Flags are the options of a call, by their letter, with their values in the
// order in which they were given ("" for an option without one).
type Flags map[byte][]string

// Has says whether one of the options was given.
func (f Flags) Has(letters ...byte) bool {
	for _, l := range letters {
		if _, ok := f[l]; ok {
			return true
		}
	}
	return false
}

// Get returns the last value of an option, or otherwise.
func (f Flags) Get(letter byte, otherwise string) string {
	if v := f[letter]; len(v) > 0 {
		return v[len(v)-1]
	}
	return otherwise
}

// Parse reads options as getopt_long does. spec has the letters, with ':'
// behind one that takes a value; a leading '+' ends the options at the first
// operand. long has "name=x" for a long name of the letter x. The operands are
// left in c.Args. On a mistake it reports it and returns false: the applet
// returns 2 then.
func (c *Call) Parse(spec string, long ...string) (Flags, bool) {
	p := parser{call: c, letters: map[byte]bool{}, long: map[string]byte{}, flags: Flags{}}
	if spec != "" && spec[0] == '+' {
		p.strict, spec = true, spec[1:]
	}
	for i := 0; i < len(spec); i++ {
		takes := i+1 < len(spec) && spec[i+1] == ':'
		p.letters[spec[i]] = takes
		if takes {
			i++
		}
	}
	for _, l := range long {
		p.long[l[:len(l)-2]] = l[len(l)-1]
	}
	return p.flags, p.run()
}

type parser struct {
	call    *Call
	letters map[byte]bool
	long    map[string]byte
	strict  bool
	flags   Flags
}

func (p *parser) run() bool {
	args, rest := p.call.Args, []string(nil)
	for len(args) > 0 {
		a := args[0]
		args = args[1:]
		switch {
		case a == "--":
			p.call.Args = append(rest, args...)
			return true
		case len(a) < 2 || a[0] != '-':
			if p.strict {
				p.call.Args = append([]string{a}, args...)
				return true
			}
			rest = append(rest, a)
			continue
		}
		var err error
		if a[1] == '-' {
			args, err = p.longOption(a[2:], args)
		} else {
			args, err = p.cluster(a[1:], args)
		}
		if err != nil {
			p.call.Fail("%v", err)
			return false
		}
	}
	p.call.Args = rest
	return true
}

func (p *parser) longOption(a string, args []string) ([]string, error) {
	name, value, given := a, "", false
	for i := range a {
		if a[i] == '=' {
			name, value, given = a[:i], a[i+1:], true
			break
		}
	}
	letter, ok := p.long[name]
	if !ok {
		return nil, fmt.Errorf("unrecognized option '--%s'", name)
	}
	takes := p.letters[letter]
	switch {
	case !takes && given:
		return nil, fmt.Errorf("option '--%s' takes no value", name)
	case takes && !given && len(args) == 0:
		return nil, fmt.Errorf("option '--%s' requires an argument", name)
	case takes && !given:
		value, args = args[0], args[1:]
	}
	p.flags[letter] = append(p.flags[letter], value)
	return args, nil
}

func (p *parser) cluster(a string, args []string) ([]string, error) {
	for i := 0; i < len(a); i++ {
		takes, ok := p.letters[a[i]]
		switch {
		case !ok:
			return nil, fmt.Errorf("invalid option -- '%c'", a[i])
		case !takes:
			p.flags[a[i]] = append(p.flags[a[i]], "")
			continue
		case i+1 < len(a):
			p.flags[a[i]] = append(p.flags[a[i]], a[i+1:])
		case len(args) == 0:
			return nil, fmt.Errorf("option requires an argument -- '%c'", a[i])
		default:
			p.flags[a[i]] = append(p.flags[a[i]], args[0])
			args = args[1:]
		}
		return args, nil
	}
	return args, nil
}

// Int returns the last value of an option as a number, or otherwise; it reports
// a value that is none and returns false.
func (c *Call) Int(f Flags, letter byte, otherwise int) (int, bool) {
	if !f.Has(letter) {
		return otherwise, true
	}
	n, err := strconv.Atoi(f.Get(letter, ""))
	if err != nil {
		c.Fail("invalid number '%s'", f.Get(letter, ""))
	}
	return n, err == nil
}

// Size is n bytes as ls -h and df -h show it.
func Size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	v := float64(n)
	for _, unit := range "KMGTPE" {
		v /= 1024
		if v < 9.95 {
			return fmt.Sprintf("%.1f%c", v, unit)
		}
		if v < 1023.5 {
			return fmt.Sprintf("%.0f%c", v, unit)
		}
	}
	return strconv.FormatInt(n, 10)
}
