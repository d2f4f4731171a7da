package texts

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is a terminal in raw mode.
type screen struct {
	in   *os.File
	out  *bufio.Writer
	old  *term.State
	keys *bufio.Reader
}

// Keys beyond characters.
const (
	keyUp rune = 0xE000 + iota
	keyDown
	keyLeft
	keyRight
	keyHome
	keyEnd
	keyPageUp
	keyPageDown
	keyDelete
	keyOther
)

// openScreen takes the terminal of in; the caller closes it.
func openScreen(in *os.File) (*screen, error) {
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, errors.New("not a terminal")
	}
	s := &screen{in: in, out: bufio.NewWriter(os.Stdout), old: old, keys: bufio.NewReader(in)}
	s.out.WriteString("\x1b[?1049h")
	return s, nil
}

func (s *screen) close() {
	s.out.WriteString("\x1b[?1049l")
	s.out.Flush()
	term.Restore(int(s.in.Fd()), s.old)
}

func (s *screen) size() (rows, cols int) {
	cols, rows, err := term.GetSize(int(s.in.Fd()))
	if err != nil || rows < 3 || cols < 10 {
		return 24, 80
	}
	return rows, cols
}

// draw shows the lines, and puts the cursor there.
func (s *screen) draw(lines []string, row, col int) {
	_, cols := s.size()
	s.out.WriteString("\x1b[?25l\x1b[H")
	for i, l := range lines {
		if i > 0 {
			s.out.WriteString("\r\n")
		}
		s.out.WriteString(clip(l, cols))
		s.out.WriteString("\x1b[m\x1b[K")
	}
	fmt.Fprintf(s.out, "\x1b[J\x1b[%d;%dH\x1b[?25h", row+1, col+1)
	s.out.Flush()
}

func clip(l string, cols int) string {
	n := 0
	for i, r := range l {
		if r == '\x1b' {
			return l // a bar of our own, made to measure
		}
		if n++; n > cols {
			return l[:i]
		}
	}
	return l
}

// expandTabs shows tabs as blanks up to the next multiple of eight.
func expandTabs(l string) string {
	if !strings.ContainsAny(l, "\t\r\x1b") {
		return l
	}
	var b strings.Builder
	n := 0
	for _, r := range l {
		switch {
		case r == '\t':
			pad := 8 - n%8
			b.WriteString(strings.Repeat(" ", pad))
			n += pad
		case r < ' ':
			b.WriteByte('?')
			n++
		default:
			b.WriteRune(r)
			n++
		}
	}
	return b.String()
}

var sequences = map[string]rune{
	"A": keyUp, "B": keyDown, "C": keyRight, "D": keyLeft, "H": keyHome, "F": keyEnd,
	"1~": keyHome, "4~": keyEnd, "7~": keyHome, "8~": keyEnd, "5~": keyPageUp, "6~": keyPageDown, "3~": keyDelete,
}

// key reads one key; io errors end the program as Ctrl-X would.
func (s *screen) key() (rune, error) {
	r, _, err := s.keys.ReadRune()
	if err != nil || r != 0x1b {
		return r, err
	}
	if s.keys.Buffered() == 0 {
		return 0x1b, nil
	}
	next, _ := s.keys.ReadByte()
	if next != '[' && next != 'O' {
		return keyOther, nil
	}
	seq := ""
	for len(seq) < 8 {
		b, err := s.keys.ReadByte()
		if err != nil {
			return 0, err
		}
		seq += string(rune(b))
		if b >= '@' && b <= '~' {
			break
		}
	}
	if k, ok := sequences[seq]; ok {
		return k, nil
	}
	return keyOther, nil
}

// ask reads a line at the bottom; ok is false if it was given up.
func (s *screen) ask(question, answer string, redraw func(bar string)) (text string, ok bool) {
	for {
		redraw(question + answer)
		k, err := s.key()
		switch {
		case err != nil || k == 3 || k == 7 || k == 0x1b:
			return "", false
		case k == '\r' || k == '\n':
			return answer, true
		case k == 127 || k == 8:
			if answer != "" {
				_, n := utf8.DecodeLastRuneInString(answer)
				answer = answer[:len(answer)-n]
			}
		case k >= ' ' && k < keyUp:
			answer += string(k)
		}
	}
}
