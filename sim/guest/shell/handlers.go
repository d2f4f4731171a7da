package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// builtin is one that the interpreter lacks; it returns the exit status.
type builtin func(s *shell, hc interp.HandlerContext, args []string) int

// ours is filled by init: the builtins refer to what refers to it.
var ours map[string]builtin

func init() {
	ours = map[string]builtin{
		"wait": (*shell).wait, "jobs": (*shell).listJobs, "kill": (*shell).kill, "fg": (*shell).foreground,
		"umask": (*shell).umask, "ulimit": (*shell).ulimit, "trap": (*shell).trap, "disown": noop, "bg": noop,
	}
}

func noop(*shell, interp.HandlerContext, []string) int { return 0 }

// onCall sees every simple command before the interpreter does.
func (s *shell) onCall(ctx context.Context, args []string) ([]string, error) {
	hc := interp.HandlerCtx(ctx)
	if code := s.pendingTraps(); code != "" {
		return []string{"eval", code + "\n" + quoteWords(args)}, nil
	}
	switch args[0] {
	case callJob:
		pid, err := s.startJob(hc, args[1], args[2], args[3:])
		if err != nil {
			fmt.Fprintf(hc.Stderr, "%s: %v\n", s.name, err)
			return []string{"false"}, nil
		}
		return []string{"eval", fmt.Sprintf("%s=%d", varJob, pid)}, nil
	case callExec:
		if s.runner.Funcs[args[1]] != nil || interp.IsBuiltin(args[1]) || ours[args[1]] != nil {
			return s.onCall(ctx, args[1:])
		}
		s.replace(hc, args[1:])
		return append([]string{"exec"}, args[1:]...), nil // not possible here: run it and exit
	case callLate:
		return []string{"eval", quoteWords(args[2:]) + " " + args[1]}, nil
	case "eval":
		return []string{"eval", rewriteText(strings.Join(args[1:], " "))}, nil
	case "trap":
		if rest := s.exitTrap(args[1:]); rest != nil {
			return rest, nil
		}
	}
	if ours[args[0]] != nil && s.runner.Funcs[args[0]] == nil {
		return append([]string{callDo}, args...), nil
	}
	return args, nil
}

// rewriteText rewrites a text for eval, unless there is nothing to rewrite or
// it can't be parsed: then the interpreter says so.
func rewriteText(text string) string {
	if !strings.ContainsAny(text, "&!") {
		return text
	}
	f, err := newParser().Parse(strings.NewReader(text), "eval")
	if err != nil {
		return text
	}
	walk(f, false)
	var b strings.Builder
	syntax.NewPrinter().Print(&b, f)
	return b.String()
}

func quoteWords(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = quote(a)
	}
	return strings.Join(words, " ")
}

// onExec runs what is no builtin of the interpreter.
func (s *shell) onExec(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		hc := interp.HandlerCtx(ctx)
		var status int
		if args[0] == callDo {
			status = ours[args[1]](s, hc, args[2:])
		} else {
			status = s.external(hc, args)
		}
		if status != 0 {
			return interp.ExitStatus(status)
		}
		return nil
	}
}

// external runs a program and waits for it.
func (s *shell) external(hc interp.HandlerContext, args []string) int {
	path, status := s.find(hc, args[0])
	if status != 0 {
		return status
	}
	if status, done := s.runInside(hc, path, args); done {
		return status
	}
	cmd := &exec.Cmd{Path: path, Args: args, Env: environ(hc.Env), Dir: hc.Dir, Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr}
	err := cmd.Start()
	if errors.Is(err, syscall.ENOEXEC) { // a script without #!
		self, _ := os.Executable()
		cmd = &exec.Cmd{Path: self, Args: append([]string{"sh", path}, args[1:]...), Env: cmd.Env, Dir: hc.Dir, Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr}
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintf(hc.Stderr, "%s: %s: %v\n", s.name, args[0], cause(err))
		return 126
	}
	cmd.Wait()
	return exitStatus(cmd.ProcessState)
}

func exitStatus(p *os.ProcessState) int {
	if p == nil {
		return 127
	}
	ws := p.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// find looks up a program; on failure it reports it and returns the status.
func (s *shell) find(hc interp.HandlerContext, name string) (string, int) {
	path, err := interp.LookPathDir(hc.Dir, hc.Env, name)
	if err == nil {
		return path, 0
	}
	if !strings.Contains(name, "/") {
		fmt.Fprintf(hc.Stderr, "%s: %s: not found\n", s.name, name)
		return "", 127
	}
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(hc.Stderr, "%s: %s: not found\n", s.name, name)
		return "", 127
	}
	fmt.Fprintf(hc.Stderr, "%s: %s: %v\n", s.name, name, cause(err))
	return "", 126
}

func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// environ is the exported part of env.
func environ(env expand.Environ) []string {
	var list []string
	for name, v := range env.Each {
		if v.Exported && v.IsSet() && v.Kind == expand.String {
			list = append(list, name+"="+v.Str)
		}
	}
	return list
}

// replace is exec; it returns if it can't be done here.
func (s *shell) replace(hc interp.HandlerContext, args []string) {
	path, err := interp.LookPathDir(hc.Dir, hc.Env, args[0])
	if err != nil {
		return // the interpreter's way of running it reports it
	}
	for fd, f := range []any{hc.Stdin, hc.Stdout, hc.Stderr} {
		file, ok := f.(*os.File)
		if !ok || file == nil {
			return
		}
		if int(file.Fd()) == fd {
			continue
		}
		if s.prompt || unix.Dup3(int(file.Fd()), fd, 0) != nil {
			return
		}
	}
	if syscall.Chdir(hc.Dir) != nil {
		return
	}
	syscall.Exec(path, args, environ(hc.Env))
}
