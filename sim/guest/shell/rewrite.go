package shell

import (
	"os"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Names that stand in a rewritten script. No script would choose them.
const (
	callJob  = "__labsim_job"  // NAME SOURCE PARAMS...: start a job
	callExec = "__labsim_exec" // CMD ARGS...: replace this process
	callDo   = "__labsim_do"   // a builtin of ours
	callLate = "__labsim_late" // REDIRECTIONS CMD ARGS...: open files after the words were expanded
	varJob   = "__labsim_pid"  // $!
	varName  = "__labsim_name" // $0, where the interpreter runs single statements
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
func walk(n syntax.Node, main bool) { walkStream(n, main, false) }

// walkStream: stream says that statements are run one by one.
func walkStream(n syntax.Node, main, stream bool) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			if n.Background {
				background(n)
				return true // for the words of the new call
			}
			lateRedirects(n)
			if call, ok := n.Cmd.(*syntax.CallExpr); ok && main && len(call.Args) > 1 && call.Args[0].Lit() == "exec" && !strings.HasPrefix(call.Args[1].Lit(), "-") {
				call.Args[0] = literal(callExec)
			}
		case *syntax.ParamExp:
			if n.Param != nil && n.Param.Value == "!" {
				n.Short, n.Param.Value = false, varJob
			}
			if n.Param != nil && n.Param.Value == "0" && stream {
				n.Short, n.Param.Value = false, varName
			}
		case *syntax.Subshell:
			return descend(n.Stmts, main, stream)
		case *syntax.CmdSubst:
			return descend(n.Stmts, main, stream)
		case *syntax.ProcSubst:
			return descend(n.Stmts, main, stream)
		case *syntax.FuncDecl:
			if main {
				walkStream(n.Body, false, stream)
				return false
			}
		case *syntax.BinaryCmd:
			if main && (n.Op == syntax.Pipe || n.Op == syntax.PipeAll) {
				walkStream(n.X, false, stream)
				walkStream(n.Y, false, stream)
				return false
			}
		}
		return true
	})
}

// descend walks what runs in a goroutine of the interpreter; it returns whether
// the walk that asks should go on by itself.
func descend(stmts []*syntax.Stmt, main, stream bool) bool {
	if !main {
		return true
	}
	for _, s := range stmts {
		walkStream(s, false, stream)
	}
	return false
}

// background makes `CMD &` a call of callJob, with the source of CMD.
func background(s *syntax.Stmt) {
	job := *s
	job.Background = false
	job.Comments = nil
	syntax.Walk(&job, func(n syntax.Node) bool {
		if w, ok := n.(*syntax.Word); ok {
			shellPID(w.Parts)
		}
		if q, ok := n.(*syntax.DblQuoted); ok {
			shellPID(q.Parts)
		}
		return true
	})
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

// shellPID puts in the number for $$, which is the shell's in its jobs, too.
func shellPID(parts []syntax.WordPart) {
	for i, p := range parts {
		if e, ok := p.(*syntax.ParamExp); ok && e.Param != nil && e.Param.Value == "$" && e.Short {
			parts[i] = &syntax.Lit{Value: strconv.Itoa(os.Getpid())}
		}
	}
}

// lateRedirects has the words of `echo $(cat f) > f` expanded before f is
// emptied, as POSIX has it; the interpreter would do it the other way round.
func lateRedirects(s *syntax.Stmt) {
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Assigns) > 0 || len(call.Args) == 0 {
		return
	}
	writes := false
	for _, r := range s.Redirs {
		if r.Hdoc != nil || r.Op == syntax.WordHdoc {
			return
		}
		writes = writes || r.Op == syntax.RdrOut || r.Op == syntax.RdrAll || r.Op == syntax.RdrClob
	}
	substitutes := false
	for _, w := range call.Args {
		syntax.Walk(w, func(n syntax.Node) bool {
			_, is := n.(*syntax.CmdSubst)
			substitutes = substitutes || is
			return !substitutes
		})
	}
	if !writes || !substitutes || call.Args[0].Lit() == "exec" {
		return
	}
	var src strings.Builder
	syntax.NewPrinter().Print(&src, &syntax.Stmt{Redirs: s.Redirs})
	s.Redirs = nil
	call.Args = append([]*syntax.Word{literal(callLate), quoted(strings.TrimSpace(src.String()))}, call.Args...)
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
