package texts

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// sedRun is one run of a script over an input.
type sedRun struct {
	in      *bufio.Reader
	w       *bufio.Writer
	next    *string // a line read ahead, to know the last
	line    int
	pattern string
	hold    string
	after   []string // what a and r append at the end of the cycle
	files   map[string]*os.File
	quiet   bool
	open    bool // the last line that was printed still lacks its newline
	noEnd   bool // as the last line of the input does
}

func (s *sedScript) run(in io.Reader, w *bufio.Writer, quiet bool) (status int, err error) {
	r := &sedRun{in: bufio.NewReader(in), w: w, quiet: quiet, files: map[string]*os.File{}}
	defer func() {
		if r.open && !r.noEnd {
			w.WriteByte('\n')
		}
		for _, f := range r.files {
			f.Close()
		}
	}()
	r.next = r.read()
	for restart := false; restart || r.advance(); {
		var quit bool
		if quit, restart, status, err = s.cycle(r); quit || err != nil {
			return status, err
		}
	}
	return status, nil
}

func (r *sedRun) read() *string {
	line, err := r.in.ReadString('\n')
	if err != nil && line == "" {
		return nil
	}
	line, ended := strings.CutSuffix(line, "\n")
	r.noEnd = !ended
	return &line
}

func (r *sedRun) advance() bool {
	if r.next == nil {
		return false
	}
	r.pattern, r.next = *r.next, r.read()
	r.line++
	return true
}

// print prints a line; its newline waits for what comes, as the last line may
// have none.
func (r *sedRun) print(text string) {
	r.write(text)
	r.open = true
}

func (r *sedRun) write(text string) {
	if r.open {
		r.w.WriteByte('\n')
		r.open = false
	}
	r.w.WriteString(text)
}

// end is the end of a cycle.
func (r *sedRun) end(show bool) {
	if show && !r.quiet {
		r.print(r.pattern)
	}
	for _, a := range r.after {
		r.write(a)
	}
	r.after = nil
}

func (s *sedScript) cycle(r *sedRun) (quit, restart bool, status int, err error) {
	replaced := false
	for i := 0; i < len(s.commands); i++ {
		c := &s.commands[i]
		if c.selects(r) == c.not {
			if c.name == '{' {
				i = c.jump - 1
			}
			continue
		}
		switch c.name {
		case 'p':
			r.print(r.pattern)
		case 'P':
			first, _, _ := strings.Cut(r.pattern, "\n")
			r.print(first)
		case 'd':
			r.end(false)
			return false, false, 0, nil
		case 'D':
			_, rest, more := strings.Cut(r.pattern, "\n")
			r.end(false)
			r.pattern = rest
			return false, more, 0, nil
		case '=':
			r.print(fmt.Sprint(r.line))
		case 'q':
			r.end(true)
			return true, false, c.nth, nil
		case 'Q':
			return true, false, c.nth, nil
		case 'n':
			if r.next == nil {
				r.end(true)
				return true, false, 0, nil
			}
			r.end(true)
			r.advance()
		case 'N':
			if r.next == nil {
				r.end(true)
				return true, false, 0, nil
			}
			old := r.pattern
			r.advance()
			r.pattern = old + "\n" + r.pattern
		case 'g':
			r.pattern = r.hold
		case 'G':
			r.pattern += "\n" + r.hold
		case 'h':
			r.hold = r.pattern
		case 'H':
			r.hold += "\n" + r.pattern
		case 'x':
			r.pattern, r.hold = r.hold, r.pattern
		case 'a':
			r.after = append(r.after, c.text+"\n")
		case 'i':
			r.print(c.text)
		case 'c':
			if c.to == nil || c.not || !c.active {
				r.print(c.text)
			}
			r.end(false)
			return false, false, 0, nil
		case 'r':
			data, _ := os.ReadFile(c.text)
			r.after = append(r.after, string(data))
		case 'w':
			err = r.writeFile(c.text)
		case 'l':
			r.print(strings.Trim(fmt.Sprintf("%q", r.pattern), `"`) + "$")
		case 'y':
			r.pattern = c.pairs.Replace(r.pattern)
		case 's':
			if c.replace(r) {
				replaced = true
				if c.print {
					r.print(r.pattern)
				}
			}
		case 'b':
			i = c.jump - 1
		case 't':
			if replaced {
				replaced = false
				i = c.jump - 1
			}
		}
		if err != nil {
			return true, false, 1, err
		}
	}
	r.end(true)
	return false, false, 0, nil
}

func (r *sedRun) writeFile(name string) error {
	f := r.files[name]
	if f == nil {
		var err error
		if f, err = os.Create(name); err != nil {
			return err
		}
		r.files[name] = f
	}
	_, err := fmt.Fprintln(f, r.pattern)
	return err
}

func (c *sedCommand) selects(r *sedRun) bool {
	if c.from == nil {
		return true
	}
	if c.to == nil {
		return c.from.is(r)
	}
	if !c.active {
		if !c.from.is(r) {
			return false
		}
		c.until = 0
		switch {
		case c.to.plus:
			c.until = r.line + c.to.line
		case c.to.re == nil && !c.to.last:
			c.until = c.to.line
		}
		c.active = c.to.re != nil || c.to.last && r.next != nil || c.until > r.line
		return true
	}
	switch {
	case c.to.re != nil:
		c.active = !c.to.re.MatchString(r.pattern)
	case c.to.last:
		c.active = r.next != nil
	default:
		c.active = r.line < c.until
	}
	return true
}

func (a *sedAddress) is(r *sedRun) bool {
	switch {
	case a.re != nil:
		return a.re.MatchString(r.pattern)
	case a.last:
		return r.next == nil
	case a.step > 0:
		return r.line >= a.line && (r.line-a.line)%a.step == 0
	}
	return r.line == a.line
}

// replace does s///; it says whether it replaced something.
func (c *sedCommand) replace(r *sedRun) bool {
	var b strings.Builder
	at, n, done := 0, 0, false
	for _, m := range c.re.FindAllStringSubmatchIndex(r.pattern, -1) {
		n++
		if n < c.nth || !c.global && n > max(c.nth, 1) {
			continue
		}
		b.WriteString(r.pattern[at:m[0]])
		expandReplacement(&b, c.with, r.pattern, m)
		at, done = m[1], true
	}
	if done {
		b.WriteString(r.pattern[at:])
		r.pattern = b.String()
	}
	return done
}

func expandReplacement(b *strings.Builder, with, text string, m []int) {
	group := func(n int) {
		if 2*n+1 < len(m) && m[2*n] >= 0 {
			b.WriteString(text[m[2*n]:m[2*n+1]])
		}
	}
	for i := 0; i < len(with); i++ {
		switch {
		case with[i] == '&':
			group(0)
		case with[i] == '\\' && i+1 < len(with):
			i++
			switch ch := with[i]; {
			case ch >= '0' && ch <= '9':
				group(int(ch - '0'))
			case ch == 'n':
				b.WriteByte('\n')
			case ch == 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(ch)
			}
		default:
			b.WriteByte(with[i])
		}
	}
}
