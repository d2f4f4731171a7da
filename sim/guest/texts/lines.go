package texts

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"labsim/sim/guest/applet"
)

// oldCount turns head -5 into head -n5.
func oldCount(args []string) []string {
	for i, a := range args {
		if len(a) > 1 && (a[0] == '-' || a[0] == '+') && a[1] >= '0' && a[1] <= '9' {
			out := append([]string{}, args...)
			out[i] = "-n" + strings.TrimPrefix(a, "-")
			return out
		}
		if a == "-n" || a == "-c" {
			return args
		}
	}
	return args
}

func head(c *applet.Call) int {
	c.Args = oldCount(c.Args)
	f, ok := c.Parse("n:c:qv", "lines=n", "bytes=c", "quiet=q", "verbose=v")
	if !ok {
		return 1
	}
	letter := byte('n')
	if f.Has('c') {
		letter = 'c'
	}
	n, ok := c.Int(f, letter, 10)
	if !ok {
		return 1
	}
	w := c.Buffer()
	defer w.Flush()
	first := true
	return c.EachFile(c.Args, func(name string, r io.Reader) error {
		title(w, name, &first, f.Has('v') || len(c.Args) > 1 && !f.Has('q'))
		if letter == 'c' {
			if n < 0 {
				data, err := io.ReadAll(r)
				w.Write(data[:max(0, len(data)+n)])
				return err
			}
			_, err := io.CopyN(w, r, int64(n))
			if err == io.EOF {
				err = nil
			}
			return err
		}
		var held []string // for all but the last -n
		left := n
		if n == 0 {
			return nil
		}
		return eachLine(r, func(l []byte, end bool) bool {
			text := string(l)
			if end {
				text += "\n"
			}
			if n < 0 {
				held = append(held, text)
				if len(held) > -n {
					w.WriteString(held[0])
					held = held[1:]
				}
				return true
			}
			w.WriteString(text)
			left--
			return left > 0
		})
	})
}

func title(w io.Writer, name string, first *bool, show bool) {
	if !show {
		return
	}
	if !*first {
		fmt.Fprintln(w)
	}
	*first = false
	fmt.Fprintf(w, "==> %s <==\n", name)
}

func tail(c *applet.Call) int {
	c.Args = oldCount(c.Args)
	f, ok := c.Parse("n:c:fFqvs:r", "lines=n", "bytes=c", "follow=f", "quiet=q", "retry=r")
	if !ok {
		return 1
	}
	letter := byte('n')
	if f.Has('c') {
		letter = 'c'
	}
	text := f.Get(letter, "10")
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(text, "+"), "-"))
	if err != nil {
		return c.Fail("invalid number '%s'", text)
	}
	fromStart := strings.HasPrefix(text, "+")
	first := true
	status := c.EachFile(c.Args, func(name string, r io.Reader) error {
		title(c.Out, name, &first, f.Has('v') || len(c.Args) > 1 && !f.Has('q'))
		return tailOf(c.Out, r, n, letter == 'c', fromStart)
	})
	if f.Has('f', 'F') && len(c.Args) > 0 {
		follow(c, c.Args, f.Has('F'))
	}
	return status
}

func tailOf(w io.Writer, r io.Reader, n int, bytesWanted, fromStart bool) error {
	data, err := io.ReadAll(r)
	switch {
	case bytesWanted && fromStart:
		data = data[min(len(data), max(n-1, 0)):]
	case bytesWanted:
		data = data[max(0, len(data)-n):]
	case fromStart:
		for i := 1; i < n && len(data) > 0; i++ {
			_, data, _ = bytes.Cut(data, []byte("\n"))
		}
	default:
		at := len(data)
		if bytes.HasSuffix(data, []byte("\n")) {
			at--
		}
		for i := 0; i < n && at >= 0; i++ {
			at = bytes.LastIndexByte(data[:at], '\n')
		}
		if n == 0 {
			at = len(data) - 1
		}
		data = data[at+1:]
	}
	w.Write(data)
	return err
}

// follow prints what is appended to the files, for ever; reopen looks for a new
// file of the name, too.
func follow(c *applet.Call, names []string, reopen bool) {
	type state struct {
		file *os.File
		at   int64
	}
	files := make([]state, len(names))
	for i, n := range names {
		if file, err := os.Open(n); err == nil {
			at, _ := file.Seek(0, io.SeekEnd)
			files[i] = state{file, at}
		}
	}
	last := len(names) - 1
	for {
		for i := range files {
			s := &files[i]
			if reopen {
				now, err := os.Stat(names[i])
				if err == nil {
					var old os.FileInfo
					if s.file != nil {
						old, _ = s.file.Stat()
					}
					if old == nil || !os.SameFile(now, old) {
						s.file, _ = os.Open(names[i])
						s.at = 0
					}
				}
			}
			if s.file == nil {
				continue
			}
			info, err := s.file.Stat()
			if err != nil || info.Size() == s.at {
				continue
			}
			if info.Size() < s.at {
				s.file.Seek(0, io.SeekStart)
				s.at = 0
			}
			if last != i {
				fmt.Fprintf(c.Out, "\n==> %s <==\n", names[i])
				last = i
			}
			n, err := io.Copy(c.Out, s.file)
			if err != nil {
				return
			}
			s.at += n
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func uniq(c *applet.Call) int {
	f, ok := c.Parse("cdui", "count=c", "repeated=d", "unique=u", "ignore-case=i")
	if !ok {
		return 1
	}
	names := c.Args
	out := c.Out
	if len(names) > 1 {
		file, err := os.Create(names[1])
		if err != nil {
			return c.FailOn(names[1], err)
		}
		defer file.Close()
		out, names = file, names[:1]
	}
	w := bufio.NewWriter(out)
	defer w.Flush()
	lines, status := readLines(c, names)
	same := func(a, b string) bool { return a == b || f.Has('i') && strings.EqualFold(a, b) }
	for i := 0; i < len(lines); {
		n := 1
		for i+n < len(lines) && same(lines[i], lines[i+n]) {
			n++
		}
		if (!f.Has('d') || n > 1) && (!f.Has('u') || n == 1) {
			if f.Has('c') {
				fmt.Fprintf(w, "%7d ", n)
			}
			fmt.Fprintln(w, lines[i])
		}
		i += n
	}
	return status
}

// span is a range of -b, -c or -f, from 1.
type span struct{ from, to int }

func parseSpans(s string) ([]span, error) {
	var list []span
	for _, p := range strings.Split(s, ",") {
		a, b, isRange := strings.Cut(p, "-")
		r := span{1, 1 << 30}
		var err1, err2 error
		if a != "" {
			r.from, err1 = strconv.Atoi(a)
		}
		if !isRange {
			r.to = r.from
		} else if b != "" {
			r.to, err2 = strconv.Atoi(b)
		}
		if err1 != nil || err2 != nil || r.from < 1 || p == "" || p == "-" {
			return nil, fmt.Errorf("invalid range '%s'", p)
		}
		list = append(list, r)
	}
	return list, nil
}

func cut(c *applet.Call) int {
	f, ok := c.Parse("b:c:f:d:sno:", "bytes=b", "characters=c", "fields=f", "delimiter=d", "only-delimited=s", "output-delimiter=o")
	if !ok {
		return 1
	}
	text := f.Get('f', f.Get('c', f.Get('b', "")))
	spans, err := parseSpans(text)
	if err != nil {
		return c.Fail("%v", err)
	}
	in := func(n int) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return n >= s.from && n <= s.to })
	}
	sep := f.Get('d', "\t")
	join := f.Get('o', sep)
	w := c.Buffer()
	defer w.Flush()
	return c.EachFile(c.Args, func(_ string, r io.Reader) error {
		return eachLine(r, func(l []byte, _ bool) bool {
			line := string(l)
			if f.Has('f') {
				if !strings.Contains(line, sep) {
					if !f.Has('s') {
						fmt.Fprintln(w, line)
					}
					return true
				}
				var parts []string
				for i, p := range strings.Split(line, sep) {
					if in(i + 1) {
						parts = append(parts, p)
					}
				}
				fmt.Fprintln(w, strings.Join(parts, join))
				return true
			}
			var b strings.Builder
			if f.Has('b') {
				for i := range len(line) {
					if in(i + 1) {
						b.WriteByte(line[i])
					}
				}
			} else {
				for i, r := range []rune(line) {
					if in(i + 1) {
						b.WriteRune(r)
					}
				}
			}
			fmt.Fprintln(w, b.String())
			return true
		})
	})
}
