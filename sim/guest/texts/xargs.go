package texts

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"labsim/sim/guest/applet"
)

// xargs is `xargs [-0rt] [-n N] [-I STR] [-d C] [-P N] [COMMAND [ARG...]]`.
func xargs(c *applet.Call) int {
	f, ok := c.Parse("+0rtn:I:d:P:L:i", "null=0", "no-run-if-empty=r", "max-args=n", "replace=I", "delimiter=d", "verbose=t", "max-procs=P")
	if !ok {
		return 1
	}
	n, ok := c.Int(f, 'n', 5000)
	if f.Has('L') {
		n, ok = c.Int(f, 'L', 1)
	}
	if !ok || n < 1 {
		return 1
	}
	data, err := io.ReadAll(c.In)
	if err != nil {
		return c.Fail("%v", err)
	}
	mark := f.Get('I', "")
	if f.Has('i') {
		mark = "{}"
	}
	var words []string
	switch {
	case f.Has('0'):
		words = splitEnd(string(data), "\x00")
	case f.Has('d'):
		words = splitEnd(string(data), strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00").Replace(f.Get('d', "")))
	case mark != "":
		for _, l := range splitEnd(string(data), "\n") {
			words = append(words, strings.TrimLeft(l, " \t"))
		}
	default:
		if words, err = shellWords(string(data)); err != nil {
			return c.Fail("%v", err)
		}
	}
	command := c.Args
	if len(command) == 0 {
		command = []string{"echo"}
	}
	x := &xargsRun{call: c, verbose: f.Has('t')}
	if mark != "" {
		for _, w := range words {
			args := make([]string, len(command))
			for i, a := range command {
				args[i] = strings.ReplaceAll(a, mark, w)
			}
			x.run(args)
		}
		return x.status
	}
	if len(words) == 0 && !f.Has('r') {
		x.run(command)
	}
	for len(words) > 0 && !x.stop {
		k, size := 0, 0
		for k < len(words) && k < n && size < 100<<10 {
			size += len(words[k]) + 1
			k++
		}
		x.run(append(append([]string{}, command...), words[:k]...))
		words = words[k:]
	}
	return x.status
}

type xargsRun struct {
	call    *applet.Call
	verbose bool
	stop    bool
	status  int
}

func (x *xargsRun) run(args []string) {
	if x.verbose {
		fmt.Fprintln(x.call.Err, strings.Join(args, " "))
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = x.call.Out, x.call.Err
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 255:
		x.status, x.stop = 124, true
	case errors.As(err, &exit):
		x.status = 123
	case err != nil:
		x.call.Fail("%s: %v", args[0], err)
		x.status, x.stop = 127, true
	}
}

func splitEnd(s, sep string) []string {
	if s == "" || sep == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, sep), sep)
}

// shellWords splits at blanks, with quotes and backslashes.
func shellWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(s); i++ {
		ch := s[i]
		switch {
		case quote != 0:
			if ch == quote {
				quote = 0
			} else {
				b.WriteByte(ch)
			}
		case ch == '\'' || ch == '"':
			quote, in = ch, true
		case ch == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			in = true
		case ch == ' ' || ch == '\t' || ch == '\n':
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(ch)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("unmatched %c", quote)
	}
	if in {
		words = append(words, b.String())
	}
	return words, nil
}
