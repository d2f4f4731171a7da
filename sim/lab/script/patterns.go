package script

import (
	"slices"

	"mvdan.cc/sh/v3/syntax"

	"labsim/sim"
)

// The interpreter compiles a pattern each time that it tries it, and the work grows
// with the text that it is tried on.
const (
	maxPattern = 100     // bytes of one
	maxTried   = 2000    // patterns, in loops too
	maxMatched = 1 << 20 // bytes that they are tried on, in all
)

// refuseCase wants patterns of a known size, and a word of one: what a command
// prints is no variable, and nobody counts it.
func refuseCase(x *syntax.CaseClause, line int) error {
	for _, i := range x.Items {
		if !isAllShort(i.Patterns) {
			return at(line, sim.T("a pattern is plain text of at most %d bytes", maxPattern))
		}
	}
	if hasSubstitution(x.Word) {
		return at(line, sim.T("a lab's script has no %s", "case $(COMMAND) in"))
	}
	return nil
}

// refusePattern wants a pattern of a known size that is tried once: $@ has it tried
// on each word.
func refusePattern(x *syntax.ParamExp, line int) error {
	if !isShort(x.Exp.Word) {
		return at(line, sim.T("a pattern is plain text of at most %d bytes", maxPattern))
	}
	if x.Param.Value == "@" || x.Param.Value == "*" {
		return at(line, sim.T("a lab's script has no %s", "${@#PATTERN}"))
	}
	return nil
}

func isAllShort(words []*syntax.Word) bool {
	return !slices.ContainsFunc(words, func(w *syntax.Word) bool { return !isShort(w) })
}

func isShort(w *syntax.Word) bool {
	return w == nil || expansions(w) == 0 && size(w) <= maxPattern
}

func size(w *syntax.Word) int { return int(w.End().Offset() - w.Pos().Offset()) }

func hasSubstitution(w *syntax.Word) (found bool) {
	syntax.Walk(w, func(n syntax.Node) bool {
		_, is := n.(*syntax.CmdSubst)
		found = found || is
		return !found
	})
	return found
}

// trial is what trying the patterns of a statement takes.
type trial struct {
	patterns int
	variable int // how often all variables may be gone through
	plain    int // bytes of the script that are
}

// trialOf counts the patterns of a statement but not of those in it.
func trialOf(s *syntax.Stmt) (t trial) {
	syntax.Walk(s, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.Stmt:
			return x == s
		case *syntax.ParamExp:
			if x.Exp != nil && isRemoval(x.Exp.Op) {
				t.patterns++
				t.variable++
			}
		case *syntax.CaseClause:
			for _, i := range x.Items {
				t.patterns += len(i.Patterns)
				t.variable += len(i.Patterns) * expansions(x.Word)
				t.plain += len(i.Patterns) * size(x.Word)
			}
		}
		return true
	})
	return t
}

func isRemoval(op syntax.ParExpOperator) bool {
	switch op {
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		return true
	}
	return false
}

// watchPatterns puts a `:` before a statement that tries patterns, to be charged
// with them before they are tried. Redirections go along: they may have patterns.
func (s *spent) watchPatterns(stmt *syntax.Stmt) {
	t := trialOf(stmt)
	if t.patterns == 0 {
		return
	}
	if s.trials == nil {
		s.trials = map[uint]trial{}
	}
	pos := stmt.Cmd.Pos()
	s.trials[pos.Offset()] = t
	inner := &syntax.Stmt{Position: pos, Cmd: stmt.Cmd, Redirs: stmt.Redirs}
	stmt.Cmd, stmt.Redirs = &syntax.Block{Lbrace: pos, Rbrace: pos, Stmts: []*syntax.Stmt{colon(pos), inner}}, nil
}

// try charges what is to be tried at a place of the script.
func (s *spent) try(at uint, line, held int) error {
	s.mu.Lock()
	t := s.trials[at]
	s.tried += t.patterns
	s.matched += t.variable*held + t.plain
	tried, matched := s.tried, s.matched
	s.mu.Unlock()
	switch {
	case tried > maxTried:
		return s.exceeded(line, sim.T("it tries more than %d patterns", maxTried))
	case matched > maxMatched:
		return s.exceeded(line, sim.T("its patterns are tried on more than %d bytes", maxMatched))
	}
	return nil
}
