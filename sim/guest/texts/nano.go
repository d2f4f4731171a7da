package texts

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"labsim/sim/guest/applet"
)

// editor is a small nano: ^O saves, ^X leaves, ^K cuts a line, ^U puts it back,
// ^W searches.
type editor struct {
	s        *screen
	name     string
	lines    [][]rune
	row, col int
	top      int
	left     int
	changed  bool
	cut      [][]rune
	cutting  bool // the last key was ^K
	search   string
	message  string
}

func nano(c *applet.Call) int {
	if _, ok := c.Parse("wlR"); !ok {
		return 1
	}
	e := &editor{lines: [][]rune{{}}}
	if len(c.Args) > 0 {
		e.name = c.Args[0]
		data, err := os.ReadFile(e.name)
		switch {
		case err == nil:
			e.load(string(data))
		case errors.Is(err, fs.ErrNotExist):
			e.message = "New file"
		default:
			return c.FailOn(e.name, err)
		}
	}
	if c.Name != "nano" {
		e.message = "This is nano's way of editing, not vi's: ^O saves, ^X leaves"
	}
	s, err := openScreen(os.Stdin)
	if err != nil {
		return c.Fail("%v", err)
	}
	defer s.close()
	e.s = s
	for e.step() {
	}
	return 0
}

func (e *editor) load(text string) {
	e.lines = nil
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		e.lines = append(e.lines, []rune(l))
	}
}

func (e *editor) text() string {
	var b strings.Builder
	for _, l := range e.lines {
		b.WriteString(string(l))
		b.WriteByte('\n')
	}
	return b.String()
}

func (e *editor) draw(bar string) {
	rows, cols := e.s.size()
	body := rows - 3
	e.top = min(e.top, e.row)
	e.top = max(e.top, e.row-body+1)
	column := len([]rune(expandTabs(string(e.lines[e.row][:e.col]))))
	e.left = 0
	if column >= cols {
		e.left = column - cols + 1
	}
	mark := ""
	if e.changed {
		mark = " *"
	}
	name := e.name
	if name == "" {
		name = "New buffer"
	}
	title := []rune(" " + name + mark + strings.Repeat(" ", cols))
	lines := []string{"\x1b[7m" + string(title[:cols])}
	for i := e.top; i < e.top+body; i++ {
		l := ""
		if i < len(e.lines) {
			r := []rune(expandTabs(string(e.lines[i])))
			l = string(r[min(len(r), e.left):])
		}
		lines = append(lines, l)
	}
	row, col := e.row-e.top+1, column-e.left
	help := "^O Save  ^X Exit  ^K Cut line  ^U Paste  ^W Search"
	if bar != "" {
		row, col = rows-2, len([]rune(bar))
		e.message = ""
	}
	lines = append(lines, bar+e.message, help)
	e.s.draw(lines, row, col)
}

// step handles one key; it returns false at the end.
func (e *editor) step() bool {
	e.draw("")
	k, err := e.s.key()
	if err != nil {
		return false
	}
	e.message = ""
	wasCutting := e.cutting
	e.cutting = false
	switch k {
	case 24: // ^X
		return !e.leave()
	case 15: // ^O
		e.save(true)
	case 19: // ^S
		e.save(false)
	case 11: // ^K
		e.cutLine(wasCutting)
	case 21: // ^U
		e.paste()
	case 23: // ^W
		e.find()
	case 1, keyHome:
		e.col = 0
	case 5, keyEnd:
		e.col = len(e.lines[e.row])
	case keyUp, 16:
		e.move(-1)
	case keyDown, 14:
		e.move(1)
	case keyPageUp, 25:
		rows, _ := e.s.size()
		e.move(-(rows - 4))
	case keyPageDown, 22:
		rows, _ := e.s.size()
		e.move(rows - 4)
	case keyLeft, 2:
		e.back()
	case keyRight, 6:
		e.forward()
	case keyDelete, 4:
		if e.row < len(e.lines)-1 || e.col < len(e.lines[e.row]) {
			e.forward()
			e.erase()
		}
	case 127, 8:
		e.erase()
	case '\r', '\n':
		e.split()
	default:
		if k == '\t' || k >= ' ' && k < keyUp {
			e.insert(k)
		}
	}
	return true
}

func (e *editor) move(by int) {
	e.row = min(max(e.row+by, 0), len(e.lines)-1)
	e.col = min(e.col, len(e.lines[e.row]))
}

func (e *editor) back() {
	switch {
	case e.col > 0:
		e.col--
	case e.row > 0:
		e.row--
		e.col = len(e.lines[e.row])
	}
}

func (e *editor) forward() {
	switch {
	case e.col < len(e.lines[e.row]):
		e.col++
	case e.row < len(e.lines)-1:
		e.row, e.col = e.row+1, 0
	}
}

func (e *editor) insert(k rune) {
	l := e.lines[e.row]
	out := append([]rune{}, l[:e.col]...)
	e.lines[e.row] = append(append(out, k), l[e.col:]...)
	e.col++
	e.changed = true
}

func (e *editor) erase() {
	switch {
	case e.col > 0:
		l := e.lines[e.row]
		e.lines[e.row] = append(append([]rune{}, l[:e.col-1]...), l[e.col:]...)
		e.col--
	case e.row > 0:
		e.col = len(e.lines[e.row-1])
		e.lines[e.row-1] = append(append([]rune{}, e.lines[e.row-1]...), e.lines[e.row]...)
		e.lines = append(e.lines[:e.row], e.lines[e.row+1:]...)
		e.row--
	default:
		return
	}
	e.changed = true
}

func (e *editor) split() {
	l := e.lines[e.row]
	rest := append([]rune{}, l[e.col:]...)
	e.lines[e.row] = append([]rune{}, l[:e.col]...)
	e.lines = append(e.lines[:e.row+1], append([][]rune{rest}, e.lines[e.row+1:]...)...)
	e.row, e.col, e.changed = e.row+1, 0, true
}

// cutLine cuts the line; ^K after ^K collects.
func (e *editor) cutLine(more bool) {
	if !more {
		e.cut = nil
	}
	e.cut = append(e.cut, e.lines[e.row])
	e.lines = append(e.lines[:e.row:e.row], e.lines[e.row+1:]...)
	if len(e.lines) == 0 {
		e.lines = [][]rune{{}}
	}
	e.cutting, e.changed, e.col = true, true, 0
	e.move(0)
}

func (e *editor) paste() {
	if len(e.cut) == 0 {
		return
	}
	var in [][]rune
	for _, l := range e.cut {
		in = append(in, append([]rune{}, l...))
	}
	e.lines = append(e.lines[:e.row:e.row], append(in, e.lines[e.row:]...)...)
	e.row, e.col, e.changed = e.row+len(in), 0, true
}

func (e *editor) find() {
	text, ok := e.s.ask("Search: ", e.search, e.draw)
	if !ok || text == "" {
		return
	}
	e.search = text
	for i := range len(e.lines) + 1 {
		row := (e.row + i) % len(e.lines)
		line := string(e.lines[row])
		from := 0
		if i == 0 {
			from = len(string(e.lines[row][:min(e.col+1, len(e.lines[row]))]))
		}
		if at := strings.Index(line[from:], text); at >= 0 {
			e.row, e.col = row, len([]rune(line[:from+at]))
			return
		}
	}
	e.message = "\"" + text + "\" not found"
}

func (e *editor) save(ask bool) bool {
	name := e.name
	if ask || name == "" {
		var ok bool
		if name, ok = e.s.ask("File name to write: ", name, e.draw); !ok || name == "" {
			e.message = "Not saved"
			return false
		}
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.WriteFile(name, []byte(e.text()), mode); err != nil {
		e.message = "Not saved: " + applet.Cause(err).Error()
		return false
	}
	e.name, e.changed, e.message = name, false, "Saved"
	return true
}

// leave says whether to leave.
func (e *editor) leave() bool {
	if !e.changed {
		return true
	}
	for {
		e.draw("Save the changes? (y/n, ^C goes on) ")
		k, err := e.s.key()
		switch {
		case err != nil || k == 'n' || k == 'N':
			return true
		case k == 'y' || k == 'Y':
			return e.save(true)
		case k == 3 || k == 0x1b:
			return false
		}
	}
}
