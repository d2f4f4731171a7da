package exercise

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"labsim/sim"
	"labsim/sim/lab/script"
	"labsim/sim/lab/source"
)

// Guide is a lab's guide in one language: Markdown, a page for what comes before
// the first step and one for each step. A page begins with ##.
type Guide struct {
	File  string
	Title string
	Pages []Page // the introduction first
	text  string
}

// Page is a page's title and its parts in turn.
type Page struct {
	Title string
	Line  int
	Parts []Part
}

// Part is prose, a block of text, or the picture of what stands.
type Part struct {
	Text string // prose: lines; a block: without its fences
	// Lang of a block is what follows its fence: sh for commands to type. "" and
	// Block for others.
	Lang    string
	Block   bool
	Picture bool
	Line    int
}

// picture is the line in whose place the live picture is drawn.
const picture = "![picture](live)"

// ParseGuide cuts a guide into pages.
func ParseGuide(file, text string) *Guide {
	g := &Guide{File: file, text: text, Pages: []Page{{Line: 1}}}
	var open *Part // the one that goes on: prose, or a block whose end has not come
	began, at := 0, 0
	end := func() { // what has come belongs to the open part
		if open != nil {
			page := &g.Pages[len(g.Pages)-1]
			open.Text = text[began:at]
			page.Parts = append(page.Parts, *open)
			open = nil
		}
	}
	text += "\n"
	n := 0
	for line := range strings.Lines(text) {
		n++
		next := at + len(line)
		line = line[:len(line)-1]
		fence, isFence := strings.CutPrefix(line, "```")
		block := open != nil && open.Block
		switch {
		case block && isFence:
			end()
		case block:
		case isFence:
			end()
			open, began = &Part{Block: true, Lang: fence, Line: n + 1}, next
		case strings.HasPrefix(line, "## "):
			end()
			g.Pages = append(g.Pages, Page{Title: strings.TrimPrefix(line, "## "), Line: n})
		case strings.HasPrefix(line, "# ") && g.Title == "":
			end()
			g.Title = strings.TrimPrefix(line, "# ")
		case line == picture:
			end()
			page := &g.Pages[len(g.Pages)-1]
			page.Parts = append(page.Parts, Part{Picture: true, Line: n})
		case open == nil:
			open, began = &Part{Line: n}, at
		}
		at = next
	}
	if open != nil && !open.Block { // a block that does not end is none
		end()
	}
	return g
}

// Filled is the page with the values of variables in its commands.
func (p Page) Filled(vars map[string]string) Page {
	p.Parts = slices.Clone(p.Parts)
	for i := range p.Parts {
		if x := &p.Parts[i]; x.Lang == "sh" {
			x.Text = Fill(x.Text, vars)
		}
	}
	return p
}

// Commands are the blocks of a page that are to be typed.
func (p Page) Commands() []Part {
	return slices.DeleteFunc(slices.Clone(p.Parts), func(x Part) bool { return x.Lang != "sh" })
}

var realID = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(vpc|subnet|igw|rtb|rtbassoc|sg|sgr|i|vol|eni|ami|eipalloc|eipassoc)-[0-9a-f]{8,17}\b`)
})

// maxBlocks bounds the blocks of commands of a guide, which may be a stranger's.
const maxBlocks = 500

// inGuides are commands that a reader has and a lab's script has not.
var inGuides = []string{"curl", "ssh", "labsim", "eval", "export"}

// lintGuide holds a guide against the exercise.
func (x *Exercise) lintGuide(g *Guide, ps *source.Problems) {
	if len(g.Pages) != len(x.Steps)+1 {
		ps.Add(0, sim.T("the guide has %d pages that begin with ##; the lab has %d steps", len(g.Pages)-1, len(x.Steps)))
	}
	blocks := 0
	for _, p := range g.Pages {
		blocks += len(p.Commands())
	}
	if blocks > maxBlocks {
		ps.Add(0, sim.T("the guide has more than %d blocks of commands", maxBlocks))
		return
	}
	vars := x.Variables()
	for i, line := range strings.Split(g.text, "\n") {
		if line = strings.ReplaceAll(line, "\t", ""); sim.Printable(line) != line {
			ps.Add(i+1, sim.T("the line has a character that could drive a terminal"))
		}
	}
	for _, p := range g.Pages {
		for _, c := range p.Commands() {
			for _, f := range script.Check(c.Text, vars, inGuides...) {
				ps.Add(c.Line+f.Line-1, script.TextOf(f.Err))
			}
			for _, m := range assignment().FindAllStringSubmatch(c.Text, -1) {
				vars = append(vars, m[1])
			}
			for i, line := range strings.Split(c.Text, "\n") {
				if id := realID().FindString(line); id != "" {
					ps.Add(c.Line+i, sim.T("%s is somebody's own id; write a variable such as $vpc", id))
				}
			}
		}
	}
}

// lintSame wants two guides to give the same commands.
func lintSame(a, b *Guide, ps *source.Problems) {
	for i := range min(len(a.Pages), len(b.Pages)) {
		x, y := a.Pages[i].Commands(), b.Pages[i].Commands()
		if len(x) != len(y) {
			ps.Add(b.Pages[i].Line, sim.T("the page has %d blocks of commands, that of %s %d", len(y), a.File, len(x)))
			continue
		}
		for k := range x {
			if x[k].Text != y[k].Text {
				ps.Add(y[k].Line, sim.T("the commands differ from those of %s:%d", a.File, x[k].Line))
			}
		}
	}
}
