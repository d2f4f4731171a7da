package shell

import (
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Names that stand in a rewritten script. No script would choose them.
const (
	callJob  = "__labsim_job"  // NAME SOURCE PARAMS...: start a job
	callExec = "__labsim_exec" // CMD ARGS...: replace this process
	callDo   = "__labsim_do"   // a builtin of ours
	varJob   = "__labsim_pid"  // $!
)

// rewrite prepares a parsed script, in place.
func rewrite(f *syntax.File) {
	walk(f, true)
	if len(f.Stmts) == 1 && len(f.Last) == 0 {
		execLast(f.Stmts[0])
	}
}

// walk rewrites below n. main says that what it meets runs in the process of
// the shell itself, where exec may replace it.
func walk(n syntax.Node, main bool) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			if n.Background {
				background(n)
				return true // for the words of the new call
			}
			if call, ok := n.Cmd.(*syntax.CallExpr); ok && main && len(call.Args) > 1 && call.Args[0].Lit() == "exec" && !strings.HasPrefix(call.Args[1].Lit(), "-") {
				call.Args[0] = literal(callExec)
			}
		case *syntax.ParamExp:
			if n.Param != nil && n.Param.Value == "!" {
				n.Short, n.Param.Value = false, varJob
			}
		case *syntax.Subshell:
			return descend(n.Stmts, main)
		case *syntax.CmdSubst:
			return descend(n.Stmts, main)
		case *syntax.ProcSubst:
			return descend(n.Stmts, main)
		case *syntax.FuncDecl:
			if main {
				walk(n.Body, false)
				return false
			}
		case *syntax.BinaryCmd:
			if main && (n.Op == syntax.Pipe || n.Op == syntax.PipeAll) {
				walk(n.X, false)
				walk(n.Y, false)
				return false
			}
		}
		return true
	})
}

// descend walks what runs in a goroutine of the interpreter; it returns whether
// the walk that asks should go on by itself.
func descend(stmts []*syntax.Stmt, main bool) bool {
	if !main {
		return true
	}
	for _, s := range stmts {
		walk(s, false)
	}
	return false
}

// background makes `CMD &` a call of callJob, with the source of CMD.
func background(s *syntax.Stmt) {
	job := *s
	job.Background = false
	job.Comments = nil
	var src strings.Builder
	syntax.NewPrinter().Print(&src, &job)
	name := ""
	if call, ok := job.Cmd.(*syntax.CallExpr); ok && !job.Negated && len(call.Assigns) == 0 && len(call.Args) > 0 {
		name = call.Args[0].Lit()
	}
	params := &syntax.Word{Parts: []syntax.WordPart{&syntax.DblQuoted{Parts: []syntax.WordPart{
		&syntax.ParamExp{Short: true, Param: &syntax.Lit{Value: "@"}},
	}}}}
	*s = syntax.Stmt{Position: s.Position, Semicolon: s.Semicolon, Cmd: &syntax.CallExpr{
		Args: []*syntax.Word{literal(callJob), quoted(name), quoted(src.String()), params},
	}}
}

// execLast makes a script of one plain command become that command, so that no
// shell waits beside it.
func execLast(s *syntax.Stmt) {
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || s.Negated || len(call.Assigns) > 0 || len(call.Args) == 0 {
		return
	}
	name := call.Args[0].Lit()
	if name == "" || interp.IsBuiltin(name) || ours[name] != nil || strings.HasPrefix(name, "__labsim_") {
		return
	}
	call.Args = append([]*syntax.Word{literal(callExec)}, call.Args...)
}

func literal(s string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: s}}}
}

func quoted(s string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.SglQuoted{Value: s}}}
}

// quote quotes one word for eval.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
