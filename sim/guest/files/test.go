package files

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"labsim/sim/guest/applet"
)

// test is `test EXPR` and `[ EXPR ]`, by POSIX, with -a, -o and parentheses.
func test(c *applet.Call) int {
	args := c.Args
	if c.Name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			c.Fail("missing ]")
			return 2
		}
		args = args[:len(args)-1]
	}
	t := &tester{args: args}
	ok := t.or()
	if t.err == nil && len(t.args) > 0 {
		t.err = errors.New("unknown operand " + t.args[0])
	}
	if t.err != nil {
		c.Fail("%v", t.err)
		return 2
	}
	if ok {
		return 0
	}
	return 1
}

type tester struct {
	args []string
	err  error
}

func (t *tester) take() string {
	a := t.args[0]
	t.args = t.args[1:]
	return a
}

func (t *tester) or() bool {
	ok := t.and()
	for len(t.args) > 1 && t.args[0] == "-o" {
		t.take()
		right := t.and()
		ok = ok || right
	}
	return ok
}

func (t *tester) and() bool {
	ok := t.not()
	for len(t.args) > 1 && t.args[0] == "-a" {
		t.take()
		right := t.not()
		ok = ok && right
	}
	return ok
}

func (t *tester) not() bool {
	if len(t.args) > 1 && t.args[0] == "!" && !(len(t.args) == 3 && binary[t.args[1]] != nil) {
		t.take()
		return !t.not()
	}
	return t.primary()
}

func (t *tester) primary() bool {
	switch n := len(t.args); {
	case n == 0:
		return false
	case n >= 3 && binary[t.args[1]] != nil:
		left, op, right := t.take(), t.take(), t.take()
		ok, err := binary[op](left, right)
		t.err = errors.Join(t.err, err)
		return ok
	case n >= 3 && t.args[0] == "(":
		t.take()
		ok := t.or()
		if len(t.args) == 0 || t.take() != ")" {
			t.err = errors.New("missing )")
		}
		return ok
	case n >= 2 && unary[t.args[0]] != nil:
		op, arg := t.take(), t.take()
		return unary[op](arg)
	}
	return t.take() != ""
}

func compare(f func(a, b int64) bool) func(a, b string) (bool, error) {
	return func(a, b string) (bool, error) {
		x, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return false, errors.New("bad number '" + a + "'")
		}
		y, err := strconv.ParseInt(b, 10, 64)
		if err != nil {
			return false, errors.New("bad number '" + b + "'")
		}
		return f(x, y), nil
	}
}

func ages(f func(a, b fs.FileInfo) bool) func(a, b string) (bool, error) {
	return func(a, b string) (bool, error) {
		x, err1 := os.Stat(a)
		y, err2 := os.Stat(b)
		return err1 == nil && err2 == nil && f(x, y), nil
	}
}

var binary = map[string]func(a, b string) (bool, error){
	"=":   func(a, b string) (bool, error) { return a == b, nil },
	"==":  func(a, b string) (bool, error) { return a == b, nil },
	"!=":  func(a, b string) (bool, error) { return a != b, nil },
	"<":   func(a, b string) (bool, error) { return a < b, nil },
	">":   func(a, b string) (bool, error) { return a > b, nil },
	"-eq": compare(func(a, b int64) bool { return a == b }),
	"-ne": compare(func(a, b int64) bool { return a != b }),
	"-lt": compare(func(a, b int64) bool { return a < b }),
	"-le": compare(func(a, b int64) bool { return a <= b }),
	"-gt": compare(func(a, b int64) bool { return a > b }),
	"-ge": compare(func(a, b int64) bool { return a >= b }),
	"-nt": ages(func(a, b fs.FileInfo) bool { return a.ModTime().After(b.ModTime()) }),
	"-ot": ages(func(a, b fs.FileInfo) bool { return a.ModTime().Before(b.ModTime()) }),
	"-ef": ages(os.SameFile),
}

func mode(f func(m fs.FileMode) bool) func(string) bool {
	return func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && f(info.Mode())
	}
}

func access(how uint32) func(string) bool {
	return func(name string) bool { return unix.Access(name, how) == nil }
}

var unary = map[string]func(string) bool{
	"-n": func(s string) bool { return s != "" },
	"-z": func(s string) bool { return s == "" },
	"-e": mode(func(fs.FileMode) bool { return true }),
	"-f": mode(fs.FileMode.IsRegular),
	"-d": mode(fs.FileMode.IsDir),
	"-p": mode(func(m fs.FileMode) bool { return m&fs.ModeNamedPipe != 0 }),
	"-S": mode(func(m fs.FileMode) bool { return m&fs.ModeSocket != 0 }),
	"-b": mode(func(m fs.FileMode) bool { return m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 }),
	"-c": mode(func(m fs.FileMode) bool { return m&fs.ModeCharDevice != 0 }),
	"-u": mode(func(m fs.FileMode) bool { return m&fs.ModeSetuid != 0 }),
	"-g": mode(func(m fs.FileMode) bool { return m&fs.ModeSetgid != 0 }),
	"-k": mode(func(m fs.FileMode) bool { return m&fs.ModeSticky != 0 }),
	"-r": access(unix.R_OK),
	"-w": access(unix.W_OK),
	"-x": access(unix.X_OK),
	"-s": func(name string) bool { info, err := os.Stat(name); return err == nil && info.Size() > 0 },
	"-h": isLink,
	"-L": isLink,
	"-t": func(s string) bool { n, err := strconv.Atoi(s); return err == nil && term.IsTerminal(n) },
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
