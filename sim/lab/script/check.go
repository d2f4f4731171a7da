package script

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"labsim/sim"
)

// Fault is what is wrong with a script, before it has run.
type Fault struct {
	Line int // within the script, from 1
	Err  error
}

// Check reads a script as Run would and calls nothing. vars are the variables
// that it is given, more the programs that it may call besides.
func Check(text string, vars []string, more ...string) []Fault {
	file, err := parse(text)
	if err != nil {
		line := 1
		if e, ok := err.(syntax.ParseError); ok {
			line = int(e.Pos.Line())
		}
		if e := (*misplaced)(nil); errors.As(err, &e) {
			line, err = e.line, e.why
		}
		return []Fault{{line, err}}
	}
	c := &checker{known: map[string]bool{}, more: more, files: map[string][]byte{}}
	for _, v := range vars {
		c.known[v] = true
	}
	syntax.Walk(file, c.node)
	return c.found
}

type checker struct {
	known map[string]bool
	more  []string
	files map[string][]byte // what the script will have written
	found []Fault
}

// maxFaults are shown of a script: what comes then often follows from them.
const maxFaults = 20

func (c *checker) add(pos syntax.Pos, err error) {
	c.found = append(c.found, Fault{int(pos.Line()), err})
}

// node is called for the nodes in the order of the text, a word before its parts:
// what assigns a variable comes before what reads it.
func (c *checker) node(n syntax.Node) bool {
	if len(c.found) >= maxFaults {
		return false
	}
	switch x := n.(type) {
	case *syntax.Assign:
		if x.Value != nil {
			syntax.Walk(x.Value, c.node)
		}
		c.known[x.Name.Value] = true
		return false
	case *syntax.ForClause:
		if loop, ok := x.Loop.(*syntax.WordIter); ok {
			c.known[loop.Name.Value] = true
		}
	case *syntax.Redirect:
		if name := c.word(x.Word); x.Word != nil {
			c.files[name] = nil
		}
	case *syntax.ParamExp:
		if !c.known[x.Param.Value] {
			c.add(x.Pos(), wrong(sim.T("the variable %s has no value here", x.Param.Value)))
		}
	case *syntax.CallExpr:
		c.call(x)
	}
	return true
}

func (c *checker) call(x *syntax.CallExpr) {
	if len(x.Args) == 0 {
		return
	}
	var args []string
	for _, w := range x.Args {
		args = append(args, c.word(w))
	}
	switch args[0] {
	case "aws":
		if len(args) > 2 && args[2] == "wait" {
			return
		}
		if _, err := readCall(args[1:], c.files, true); err != nil {
			c.add(x.Pos(), err)
		}
	default:
		if !slices.Contains(slices.Concat(builtins, programs, c.more), args[0]) {
			c.add(x.Pos(), cannotRun(args[0]))
		}
	}
}

// word expands a word as far as its text goes; a variable stands for itself.
func (c *checker) word(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	s, err := expand.Literal(&expand.Config{
		Env:      expand.FuncEnviron(func(name string) string { return "$" + name }),
		CmdSubst: func(w io.Writer, _ *syntax.CmdSubst) error { _, err := fmt.Fprint(w, "$()"); return err },
	}, w)
	if err != nil {
		return ""
	}
	return s
}
