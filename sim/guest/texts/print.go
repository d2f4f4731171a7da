package texts

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"

	"labsim/sim/guest/applet"
)

func echo(c *applet.Call) int {
	newline, escapes := true, false
	for len(c.Args) > 0 && len(c.Args[0]) > 1 && c.Args[0][0] == '-' && strings.Trim(c.Args[0][1:], "neE") == "" {
		newline = newline && !strings.Contains(c.Args[0], "n")
		escapes = strings.Contains(c.Args[0], "e") || escapes && !strings.Contains(c.Args[0], "E")
		c.Args = c.Args[1:]
	}
	text := strings.Join(c.Args, " ")
	if escapes {
		text, _, _ = expand.Format(nil, strings.ReplaceAll(text, "%", "%%"), nil)
	}
	if newline {
		text += "\n"
	}
	io.WriteString(c.Out, text)
	return 0
}

func printf(c *applet.Call) int {
	if len(c.Args) > 0 && c.Args[0] == "--" {
		c.Args = c.Args[1:]
	}
	if len(c.Args) == 0 {
		return c.Usage("FORMAT [ARG...]")
	}
	format, args := c.Args[0], c.Args[1:]
	for {
		text, n, err := expand.Format(nil, format, args)
		if err != nil {
			return c.Fail("%v", err)
		}
		io.WriteString(c.Out, text)
		args = args[min(n, len(args)):]
		if n == 0 || len(args) == 0 {
			return 0
		}
	}
}

func seq(c *applet.Call) int {
	// Numbers may be negative: what is no flag ends the flags.
	args := c.Args
	sep, wide, format := "\n", false, ""
	for len(args) > 0 {
		switch {
		case args[0] == "-w":
			wide = true
		case args[0] == "-s" && len(args) > 1:
			sep, args = args[1], args[1:]
		case strings.HasPrefix(args[0], "-s") && len(args[0]) > 2:
			sep = args[0][2:]
		case args[0] == "-f" && len(args) > 1:
			format, args = args[1], args[1:]
		default:
			goto numbers
		}
		args = args[1:]
	}
numbers:
	first, step, places := 1.0, 1.0, 0
	var n []float64
	for _, a := range args {
		v, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return c.Fail("invalid number '%s'", a)
		}
		if _, after, ok := strings.Cut(a, "."); ok {
			places = max(places, len(after))
		}
		n = append(n, v)
	}
	if len(n) == 0 || len(n) > 3 {
		return c.Usage("[-w] [-s SEP] [FIRST [STEP]] LAST")
	}
	last := n[len(n)-1]
	if len(n) > 1 {
		first = n[0]
	}
	if len(n) > 2 {
		step = n[1]
	}
	if step == 0 {
		return c.Fail("the step must not be 0")
	}
	show := func(v float64) string { return strconv.FormatFloat(v, 'f', places, 64) }
	width := 0
	if wide {
		width = max(len(show(first)), len(show(last)))
	}
	w := c.Buffer()
	defer w.Flush()
	for i := 0; ; i++ {
		v := first + float64(i)*step
		if step > 0 && v > last+1e-9 || step < 0 && v < last-1e-9 {
			if i > 0 {
				fmt.Fprintln(w)
			}
			return 0
		}
		if i > 0 {
			w.WriteString(sep)
		}
		text := show(v)
		if format != "" {
			text = fmt.Sprintf(format, v)
		}
		w.WriteString(strings.Repeat("0", max(0, width-len(text))) + text)
	}
}

func compareFiles(c *applet.Call) int {
	f, ok := c.Parse("sl", "quiet=s", "silent=s")
	if !ok || len(c.Args) != 2 {
		return c.Usage("[-s] FILE1 FILE2")
	}
	var data [2][]byte
	for i, n := range c.Args {
		var err error
		if data[i], err = readAll(c, n); err != nil {
			c.FailOn(n, err)
			return 2
		}
	}
	if bytes.Equal(data[0], data[1]) {
		return 0
	}
	n := 0
	for n < len(data[0]) && n < len(data[1]) && data[0][n] == data[1][n] {
		n++
	}
	if !f.Has('s') {
		if n == len(data[0]) || n == len(data[1]) {
			c.Fail("EOF on %s", c.Args[map[bool]int{true: 0, false: 1}[n == len(data[0])]])
		} else {
			fmt.Fprintf(c.Out, "%s %s differ: char %d, line %d\n", c.Args[0], c.Args[1], n+1, 1+bytes.Count(data[0][:n], []byte("\n")))
		}
	}
	return 1
}

func readAll(c *applet.Call, name string) ([]byte, error) {
	r, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func hexdump(c *applet.Call) int {
	f, ok := c.Parse("Cn:vp", "canonical=C")
	if !ok {
		return 1
	}
	limit, ok := c.Int(f, 'n', 1<<62)
	if !ok {
		return 1
	}
	w := c.Buffer()
	defer w.Flush()
	return c.EachFile(c.Args, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(io.LimitReader(r, int64(limit)))
		if f.Has('p') {
			fmt.Fprintf(w, "%x\n", data)
			return err
		}
		for at := 0; at < len(data); at += 16 {
			part := data[at:min(at+16, len(data))]
			fmt.Fprintf(w, "%08x  ", at)
			for i := range 16 {
				if i < len(part) {
					fmt.Fprintf(w, "%02x ", part[i])
				} else {
					io.WriteString(w, "   ")
				}
				if i == 7 {
					io.WriteString(w, " ")
				}
			}
			text := bytes.Map(func(r rune) rune {
				if r < 32 || r > 126 {
					return '.'
				}
				return r
			}, []byte(string(asRunes(part))))
			fmt.Fprintf(w, " |%s|\n", text)
		}
		fmt.Fprintf(w, "%08x\n", len(data))
		return err
	})
}

func asRunes(b []byte) []rune {
	out := make([]rune, len(b))
	for i, x := range b {
		out[i] = rune(x)
	}
	return out
}

func stringsCommand(c *applet.Call) int {
	f, ok := c.Parse("an:")
	if !ok {
		return 1
	}
	least, ok := c.Int(f, 'n', 4)
	if !ok {
		return 1
	}
	return c.EachFile(c.Args, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		for _, run := range bytes.FieldsFunc(data, func(r rune) bool { return r != '\t' && (r < 32 || r > 126) }) {
			if len(run) >= least {
				fmt.Fprintf(c.Out, "%s\n", run)
			}
		}
		return err
	})
}
