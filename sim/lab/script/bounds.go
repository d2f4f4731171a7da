package script

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"labsim/sim"
)

// What a script may take: it comes from a stranger, and a shell can double a
// variable in ten letters. A large solution has forty commands of 2 KB in all.
const (
	maxText       = 16 << 10 // bytes
	maxDepth      = 100      // of the syntax tree; a substitution in a loop is ten deep
	maxExpansions = 50       // in one command's words
	maxBeside     = 20       // in what is beside them: here-documents, what for and case go by
	maxCommands   = 2000     // that are run, in loops too
	maxCalls      = 200      // of the API
	maxVariables  = 64 << 10 // bytes of all variables, and of one command's words
	maxWords      = 1000     // of one command
	maxHandled    = 16 << 20 // bytes of variables and words, summed over all commands
	maxWritten    = 4 << 20  // bytes that commands print and files take, together
	maxTime       = 10 * time.Minute
	maxComplaint  = 4 << 10 // bytes of the shell's own messages that are kept
)

// builtins are the shell's own commands that a script has; programs are those
// besides.
var (
	builtins = []string{":", "[", "break", "continue", "echo", "exit", "false", "printf", "set", "shift", "test", "true", "unset"}
	programs = []string{"aws", "cat", "chmod"}
)

// parse reads a script, as far as it is one that can be bounded while it runs.
func parse(text string) (*syntax.File, error) {
	if len(text) > maxText {
		return nil, wrong(sim.T("a script has at most %d bytes", maxText))
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil, err
	}
	var found error
	depth := 0
	syntax.Walk(file, func(n syntax.Node) bool {
		if n == nil {
			depth--
			return true
		}
		depth++
		if found == nil {
			found = refuse(n, depth)
		}
		if found != nil {
			depth-- // nothing comes after what is not gone into
		}
		return found == nil
	})
	return file, found
}

// refuse says what is wrong with a node, not with those below it.
func refuse(n syntax.Node, depth int) error {
	line := int(n.Pos().Line())
	if depth > maxDepth {
		return at(line, sim.T("it is nested too deep"))
	}
	switch x := n.(type) {
	case *syntax.FuncDecl:
		return at(line, sim.T("a lab's script has no %s", "f() { ...; }"))
	case *syntax.Stmt:
		if x.Background || x.Coprocess || x.Disown {
			return at(line, sim.T("a lab's script has no %s", "COMMAND &"))
		}
	case *syntax.ParamExp:
		return refuseExpansion(x, line)
	case *syntax.Word:
		if w := *x; syntax.SplitBraces(&w) { // not of POSIX, but expanded all the same
			return at(line, sim.T("a lab's script has no %s: quote it", "{A,B}"))
		}
	case *syntax.CaseClause:
		if err := refuseCase(x, line); err != nil {
			return err
		}
	case *syntax.CallExpr:
		if len(x.Args) > 0 && slices.ContainsFunc(x.Assigns, func(a *syntax.Assign) bool { return expansions(a) > 0 }) {
			return at(line, sim.T("a lab's script has no %s", "NAME=$VALUE COMMAND"))
		}
	}
	if n, most := expandedAtOnce(n); n > most {
		return at(line, sim.T("a command has at most %d variables", most))
	}
	return nil
}

func refuseExpansion(x *syntax.ParamExp, line int) error {
	if x.Exp == nil {
		return nil
	}
	switch op := x.Exp.Op; {
	case op == syntax.AssignUnset || op == syntax.AssignUnsetOrNull:
		return at(line, sim.T("a lab's script has no %s", "${NAME:=VALUE}"))
	case isRemoval(op):
		return refusePattern(x, line)
	}
	return nil
}

// expandedAtOnce counts the variables of a node that is expanded at once, and says
// how many it may have.
func expandedAtOnce(n syntax.Node) (count, most int) {
	switch n.(type) {
	case *syntax.CallExpr:
		return expansions(n), maxExpansions
	case *syntax.Redirect, *syntax.WordIter, *syntax.CaseClause:
		return expansions(n), maxBeside
	}
	return 0, 0
}

// expansions counts what the size of a node's text can come from.
func expansions(n syntax.Node) (count int) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.ParamExp, *syntax.CmdSubst:
			count++
		case *syntax.Stmt:
			return false // it is counted by itself
		}
		return true
	})
	return count
}

// misplaced is what is wrong with one line of a script.
type misplaced struct {
	line int
	why  error
}

func (m *misplaced) Error() string { return m.Unwrap().Error() }

// Unwrap is for who has only the script: it says the line.
func (m *misplaced) Unwrap() error {
	if m.line == 0 {
		return m.why
	}
	return wrong(sim.T("line %d of the script: %s", m.line, TextOf(m.why)))
}

func at(line int, t sim.Text) error { return &misplaced{line, wrong(t)} }

// watch adds to a script what has it looked at where it would not call anything:
// `:` before each assignment, which may double a variable, before what tries
// patterns, and in each loop.
func (s *spent) watch(file *syntax.File) {
	var all []*syntax.Stmt
	syntax.Walk(file, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.Stmt:
			all = append(all, x)
		case *syntax.WhileClause:
			x.Cond = append([]*syntax.Stmt{colon(x.Pos())}, x.Cond...)
		case *syntax.ForClause:
			x.Do = append([]*syntax.Stmt{colon(x.Pos())}, x.Do...)
		}
		return true
	})
	for _, stmt := range all {
		s.watchPatterns(stmt)
		watchAssignments(stmt)
	}
}

// watchAssignments makes A=x B=y a block: each is looked at before the next.
func watchAssignments(s *syntax.Stmt) {
	x, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(x.Args) > 0 || len(x.Assigns) < 2 && expansions(x) == 0 {
		return
	}
	block := &syntax.Block{Lbrace: s.Pos(), Rbrace: s.Pos()}
	for _, a := range x.Assigns {
		one := &syntax.CallExpr{Assigns: []*syntax.Assign{a}}
		block.Stmts = append(block.Stmts, colon(s.Pos()), &syntax.Stmt{Position: s.Pos(), Cmd: one})
	}
	s.Cmd = block
}

func colon(pos syntax.Pos) *syntax.Stmt {
	word := &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{ValuePos: pos, ValueEnd: pos, Value: ":"}}}
	return &syntax.Stmt{Position: pos, Cmd: &syntax.CallExpr{Args: []*syntax.Word{word}}}
}

// spent is what a run has taken. A pipe's commands run at the same time.
type spent struct {
	mu                                sync.Mutex
	line                              int // of the command that was called last
	commands, calls, written, handled int
	tried, matched                    int            // patterns, and bytes that they were tried on
	words                             int            // bytes of $1 and on, at most
	trials                            map[uint]trial // by place in the script
	over                              error          // the first bound that was reached
}

// exceeded notes a bound that was reached; it ends the run. Line 0 stands for the
// command that was called last.
func (s *spent) exceeded(line int, t sim.Text) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == 0 {
		line = s.line
	}
	if s.over == nil {
		s.over = at(line, t)
	}
	return s.over
}

// write counts bytes that are printed or stored.
func (s *spent) write(n, line int) error {
	s.mu.Lock()
	s.written += n
	over := s.written > maxWritten
	s.mu.Unlock()
	if over {
		return s.exceeded(line, sim.T("it writes more than %d bytes", maxWritten))
	}
	return nil
}

// call counts a call of the API.
func (s *spent) call(line int) error {
	s.mu.Lock()
	s.calls++
	over := s.calls > maxCalls
	s.mu.Unlock()
	if over {
		return s.exceeded(line, sim.T("it makes more than %d calls", maxCalls))
	}
	return nil
}

// command looks at each command before it runs (interp.CallHandlerFunc).
func (s *shell) command(ctx context.Context, args []string) ([]string, error) {
	hc := interp.HandlerCtx(ctx)
	line := int(hc.Pos.Line())
	held := variables(hc.Env) + length(args)
	s.mu.Lock()
	if args[0] == "set" { // its words are no variables
		s.words = max(s.words, length(args))
	}
	words := s.words
	s.line = line
	s.commands++
	s.handled += held
	commands, handled := s.commands, s.handled
	s.mu.Unlock()
	switch {
	case commands > maxCommands:
		return nil, s.exceeded(line, sim.T("it runs more than %d commands", maxCommands))
	case held > maxVariables || len(args) > maxWords:
		return nil, s.exceeded(line, sim.T("its variables, or the words of a command, have more than %d bytes", maxVariables))
	case handled > maxHandled:
		return nil, s.exceeded(line, sim.T("its variables and words, over all commands, come to more than %d bytes", maxHandled))
	}
	if args[0] == ":" {
		if err := s.try(hc.Pos.Offset(), line, held+words); err != nil {
			return nil, err
		}
	}
	switch args[0] {
	case "echo", "printf":
		n := length(args)
		if args[0] == "printf" && len(args) > 1 {
			if wide().MatchString(args[1]) {
				return nil, s.exceeded(line, sim.T("a lab's script has no %s", "printf '%1000s'"))
			}
			n += len(args[1]) * len(args) // it is used again as long as there are words
		}
		return args, s.write(n, line)
	case "shift":
		if len(args) > 1 && strings.HasPrefix(args[1], "-") { // the interpreter panics of it
			return nil, s.exceeded(line, sim.T("a lab's script has no %s", "shift "+args[1]))
		}
	}
	if slices.Contains(builtins, args[0]) || slices.Contains(programs, args[0]) {
		return args, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = cannotRun(args[0])
	return nil, s.over
}

func cannotRun(program string) error {
	return wrong(sim.T("a lab's script can't run %s: it has aws, cat and chmod", program))
}

var wide = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{3}|\*)`) })

// variables returns how many bytes all variables have.
func variables(env expand.Environ) (n int) {
	env.Each(func(name string, v expand.Variable) bool {
		n += len(name) + len(v.Str) + length(v.List)
		return n <= maxVariables
	})
	return n
}

func length(words []string) (n int) {
	for _, w := range words {
		n += len(w)
	}
	return n
}

// counted counts what is read through it.
type counted struct {
	io.Reader
	count func(int) error
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if over := c.count(n); over != nil {
		return 0, over
	}
	return n, err
}

// countedWriter counts what is written through it.
type countedWriter struct {
	io.Writer
	count func(int) error
}

func (c countedWriter) Write(p []byte) (int, error) {
	if err := c.count(len(p)); err != nil {
		return 0, err
	}
	return c.Writer.Write(p)
}

// complaints keeps the beginning of what the shell says.
type complaints struct {
	mu   sync.Mutex
	text []byte
}

func (c *complaints) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p[:min(len(p), maxComplaint-len(c.text))]...)
	return len(p), nil
}

func (c *complaints) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

var errTime = fmt.Errorf("a script takes at most %v", maxTime)
