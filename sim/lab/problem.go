package lab

import (
	"cmp"
	"fmt"
	"slices"

	"labsim/sim"
)

// Problem is one thing that is wrong with a lab file, and where.
type Problem struct {
	File    string
	Line    int // from 1; 0: the file as a whole
	Text    sim.Text
	Warning bool // the file can be used all the same
}

// Place returns file:line.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

func (p Problem) String() string { return p.Place() + ": " + p.Text.String() }

// problems collects, so that a user sees all of them at once.
type problems struct {
	file string
	list []Problem
	// settled are the lines that could not be read: what a check of the whole
	// would say of them follows from that.
	settled map[int]bool
}

func (p *problems) add(line int, t sim.Text) {
	if p.settled[line] {
		return
	}
	p.list = append(p.list, Problem{File: p.file, Line: line, Text: t})
}

func (p *problems) warn(line int, t sim.Text) {
	p.list = append(p.list, Problem{File: p.file, Line: line, Text: t, Warning: true})
}

// settle keeps later problems off the lines that have one already.
func (p *problems) settle() {
	p.settled = map[int]bool{}
	for _, x := range p.list {
		p.settled[x.Line] = p.settled[x.Line] || !x.Warning
	}
}

// sorted returns the problems in the order of the file, each once; of very many
// the first ones and their number.
func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	list := slices.CompactFunc(p.list, func(a, b Problem) bool { return a.String() == b.String() })
	if more := len(list) - maxProblems; more > 0 {
		fatal := Fatal(list)
		list = append(list[:maxProblems:maxProblems], Problem{File: p.file, Text: sim.T("and %d more", more), Warning: !fatal})
	}
	return list
}

// Fatal reports whether the file can't be used.
func Fatal(ps []Problem) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}
