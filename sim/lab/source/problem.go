package source

import (
	"cmp"
	"fmt"
	"slices"

	"labsim/sim"
)

// Problem is one thing that is wrong with a file, and where.
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

// MaxProblems are shown at once: a file may come from a stranger. So many times
// more are looked for.
const (
	MaxProblems = 50
	lookedFor   = 2
)

// Problems collects, so that a user sees all of them at once.
type Problems struct {
	File string
	list []Problem
	bad  int // of the list: those that are no warnings
	// settled are the lines that could not be read: what a check of the whole
	// would say of them follows from that.
	settled map[int]bool
}

// Add notes what makes the file unusable; line 0 is the file as a whole.
func (p *Problems) Add(line int, t sim.Text) {
	if p.settled[line] || p.Many() {
		return
	}
	p.bad++
	p.list = append(p.list, Problem{File: p.File, Line: line, Text: t.Brief()})
}

// Many reports whether so much makes the file unusable that no more is looked for,
// nor what could have been meant.
func (p *Problems) Many() bool { return p.bad >= lookedFor*MaxProblems }

// Warn notes what the user should know.
func (p *Problems) Warn(line int, t sim.Text) {
	if len(p.list)-p.bad >= lookedFor*MaxProblems {
		return
	}
	p.list = append(p.list, Problem{File: p.File, Line: line, Text: t.Brief(), Warning: true})
}

// Fatal reports whether the file can't be used.
func (p *Problems) Fatal() bool { return Fatal(p.list) }

// Settle keeps later problems off the lines that have one already.
func (p *Problems) Settle() {
	p.settled = map[int]bool{}
	for _, x := range p.list {
		p.settled[x.Line] = p.settled[x.Line] || !x.Warning
	}
}

// Sorted returns the problems in the order of the file, each once; of very many
// the first ones and their number.
func (p *Problems) Sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	list := slices.CompactFunc(p.list, func(a, b Problem) bool { return a.String() == b.String() })
	if more := len(list) - MaxProblems; more > 0 {
		fatal := Fatal(list)
		list = append(list[:MaxProblems:MaxProblems], Problem{File: p.File, Text: sim.T("and %d more", more), Warning: !fatal})
	}
	return list
}

// Fatal reports whether one of them makes its file unusable.
func Fatal(ps []Problem) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}
