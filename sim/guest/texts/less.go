package texts

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"labsim/sim/guest/applet"
)

// less shows text by pages; into a pipe it is cat.
func less(c *applet.Call) int {
	if _, ok := c.Parse("RSNXFEeifrs"); !ok {
		return 1
	}
	out, isFile := c.Out.(*os.File)
	if !isFile || !term.IsTerminal(int(out.Fd())) {
		return c.EachFile(c.Args, func(_ string, r io.Reader) error {
			_, err := io.Copy(c.Out, r)
			return err
		})
	}
	lines, status := readLines(c, c.Args)
	if status != 0 && len(lines) == 0 {
		return status
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return c.FailOn("/dev/tty", err)
	}
	defer tty.Close()
	s, err := openScreen(tty)
	if err != nil {
		return c.Fail("%v", err)
	}
	defer s.close()
	p := &pager{s: s, lines: lines}
	for p.step() {
	}
	return status
}

type pager struct {
	s       *screen
	lines   []string
	top     int
	pattern string
	message string
}

func (p *pager) draw(bar string) {
	rows, _ := p.s.size()
	var shown []string
	for i := p.top; i < p.top+rows-1; i++ {
		if i < len(p.lines) {
			shown = append(shown, expandTabs(p.lines[i]))
		} else {
			shown = append(shown, "~")
		}
	}
	if bar == "" {
		bar = p.message
	}
	if bar == "" {
		end := min(p.top+rows-1, len(p.lines))
		bar = fmt.Sprintf("lines %d-%d of %d", p.top+1, end, len(p.lines))
		if end == len(p.lines) {
			bar += " (END)"
		}
		bar += "  q leaves"
	}
	p.s.draw(append(shown, "\x1b[7m"+bar), rows-1, len([]rune(bar)))
}

func (p *pager) step() bool {
	p.draw("")
	p.message = ""
	k, err := p.s.key()
	if err != nil {
		return false
	}
	rows, _ := p.s.size()
	page := rows - 1
	switch k {
	case 'q', 'Q', 3:
		return false
	case keyDown, 'j', '\r', '\n', 'e':
		p.top++
	case keyUp, 'k', 'y':
		p.top--
	case keyPageDown, ' ', 'f', 6:
		p.top += page
	case keyPageUp, 'b', 2:
		p.top -= page
	case 'd':
		p.top += page / 2
	case 'u':
		p.top -= page / 2
	case 'g', keyHome, '<':
		p.top = 0
	case 'G', keyEnd, '>':
		p.top = len(p.lines)
	case '/':
		if text, ok := p.s.ask("/", "", p.draw); ok && text != "" {
			p.pattern = text
			p.search(1)
		}
	case 'n':
		p.search(1)
	case 'N':
		p.search(-1)
	}
	p.top = max(0, min(p.top, len(p.lines)-page))
	return true
}

func (p *pager) search(by int) {
	for i := p.top + by; i >= 0 && i < len(p.lines); i += by {
		if strings.Contains(p.lines[i], p.pattern) {
			p.top = i
			return
		}
	}
	p.message = "Pattern not found"
}
