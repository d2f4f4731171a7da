package shell

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"labsim/sim/guest/applet"
	"labsim/sim/guest/procs"
)

// job is a background process of the shell.
type job struct {
	source string
	done   chan struct{}
	status int
}

// startJob starts `SOURCE &` as a process: a shell that has our variables and
// functions, or the program itself where it is one.
func (s *shell) startJob(hc interp.HandlerContext, name, source string, params []string) (int, error) {
	plain := name != "" && s.runner.Funcs[name] == nil && ours[name] == nil && !interp.IsBuiltin(name)
	script := s.jobScript(hc, source, plain)
	fd, err := unix.MemfdCreate("job", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, err
	}
	text := os.NewFile(uintptr(fd), "job")
	defer text.Close()
	if _, err := text.WriteString(script); err != nil {
		return 0, err
	}
	text.Seek(0, io.SeekStart)
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := &exec.Cmd{
		Path: self, Args: append([]string{"sh", "--labsim-job=3", s.name}, params...), Env: environ(hc.Env), Dir: hc.Dir,
		Stdout: hc.Stdout, Stderr: hc.Stderr, ExtraFiles: []*os.File{text},
		// A group of its own: Ctrl-C and the end of the session are not for it.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	j := &job{source: strings.TrimSpace(source), done: make(chan struct{})}
	s.mu.Lock()
	s.jobs[cmd.Process.Pid] = j
	n := len(s.jobs)
	s.mu.Unlock()
	if s.prompt {
		fmt.Fprintf(hc.Stderr, "[%d] %d\n", n, cmd.Process.Pid)
	}
	go func() {
		cmd.Wait()
		j.status = exitStatus(cmd.ProcessState)
		close(j.done)
	}()
	return cmd.Process.Pid, nil
}

// jobScript is the job's program: our state, then the command.
func (s *shell) jobScript(hc interp.HandlerContext, source string, plain bool) string {
	if plain {
		return "exec " + source
	}
	var b bytes.Buffer
	for name, v := range hc.Env.Each {
		if v.Exported || v.ReadOnly || !v.IsSet() || v.Kind != expand.String || !syntax.ValidName(name) {
			continue
		}
		fmt.Fprintf(&b, "%s=%s\n", name, quote(v.Str))
	}
	printer := syntax.NewPrinter()
	for name, body := range s.runner.Funcs {
		fmt.Fprintf(&b, "%s() ", name)
		printer.Print(&b, body)
		b.WriteByte('\n')
	}
	b.WriteString(source)
	b.WriteByte('\n')
	return b.String()
}

// wait is the builtin: for all jobs, or for some.
func (s *shell) wait(hc interp.HandlerContext, args []string) int {
	if len(args) == 0 {
		for _, pid := range s.pids() {
			if st, ok := s.await(pid); !ok {
				return st
			}
		}
		return 0
	}
	status := 0
	for _, a := range args {
		pid, err := s.jobPID(a)
		if err != nil {
			fmt.Fprintf(hc.Stderr, "%s: wait: pid %s is not a child of this shell\n", s.name, a)
			status = 127
			continue
		}
		var ok bool
		if status, ok = s.await(pid); !ok {
			return status
		}
	}
	return status
}

// await waits for one job; a trapped signal interrupts it.
func (s *shell) await(pid int) (status int, ended bool) {
	s.mu.Lock()
	j := s.jobs[pid]
	got := s.got
	s.mu.Unlock()
	if j == nil {
		return 0, true
	}
	select {
	case <-j.done:
	case sig := <-got:
		got <- sig // the trap runs before the next command
		return 128 + int(sig.(syscall.Signal)), false
	}
	s.mu.Lock()
	delete(s.jobs, pid)
	s.mu.Unlock()
	return j.status, true
}

func (s *shell) pids() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pids []int
	for pid := range s.jobs {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// jobPID reads "123" or "%1".
func (s *shell) jobPID(a string) (int, error) {
	pids := s.pids()
	if n, ok := strings.CutPrefix(a, "%"); ok {
		i, err := strconv.Atoi(n)
		if n == "" || n == "%" || n == "+" {
			i, err = len(pids), nil
		}
		if err != nil || i < 1 || i > len(pids) {
			return 0, fmt.Errorf("no such job")
		}
		return pids[i-1], nil
	}
	pid, err := strconv.Atoi(a)
	if err == nil && !slices.Contains(pids, pid) {
		err = fmt.Errorf("no such job")
	}
	return pid, err
}

func (s *shell) listJobs(hc interp.HandlerContext, args []string) int {
	for i, pid := range s.pids() {
		s.mu.Lock()
		j := s.jobs[pid]
		s.mu.Unlock()
		state := "Running"
		select {
		case <-j.done:
			state = fmt.Sprintf("Done(%d)", j.status)
			s.await(pid)
		default:
		}
		if len(args) > 0 && args[0] == "-p" {
			fmt.Fprintln(hc.Stdout, pid)
			continue
		}
		fmt.Fprintf(hc.Stdout, "[%d]  %-10s %s\n", i+1, state, j.source)
	}
	return 0
}

// foreground waits for a job; it keeps its own input.
func (s *shell) foreground(hc interp.HandlerContext, args []string) int {
	name := "%"
	if len(args) > 0 {
		name = args[0]
	}
	pid, err := s.jobPID(name)
	if err != nil {
		fmt.Fprintf(hc.Stderr, "%s: fg: %s: no such job\n", s.name, name)
		return 1
	}
	status, _ := s.await(pid)
	return status
}

func (s *shell) kill(hc interp.HandlerContext, args []string) int {
	for i, a := range args {
		if strings.HasPrefix(a, "%") {
			if pid, err := s.jobPID(a); err == nil {
				args[i] = strconv.Itoa(pid)
			}
		}
	}
	return procs.Kill(&applet.Call{Name: "kill", Args: args, In: hc.Stdin, Out: hc.Stdout, Err: hc.Stderr})
}

// trap sets what happens at signals; EXIT and ERR are the interpreter's.
func (s *shell) trap(hc interp.HandlerContext, args []string) int {
	if len(args) == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		for sig, action := range s.traps {
			fmt.Fprintf(hc.Stdout, "trap -- %s %s\n", quote(action), procs.SignalName(sig.(syscall.Signal)))
		}
		return 0
	}
	if args[0] == "--" {
		args = args[1:]
	}
	action, names := args[0], args[1:]
	if len(names) == 0 {
		action, names = "-", args
	}
	for _, n := range names {
		sig, ok := procs.SignalNumber(n)
		if !ok {
			fmt.Fprintf(hc.Stderr, "%s: trap: %s: invalid signal specification\n", s.name, n)
			return 1
		}
		s.setTrap(sig, action)
	}
	return 0
}

func (s *shell) setTrap(sig syscall.Signal, action string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got == nil {
		s.got = make(chan os.Signal, 16)
	}
	delete(s.traps, sig)
	switch action {
	case "-":
		signal.Reset(sig)
	case "":
		signal.Ignore(sig)
	default:
		s.traps[sig] = action
		signal.Notify(s.got, sig)
	}
}

// exitTrap takes EXIT (or 0) and ERR out of a call of trap: what the
// interpreter shall be told, or nil if there is none of them in it.
func (s *shell) exitTrap(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	var theirs, others []string
	for _, a := range args[1:] {
		switch a {
		case "EXIT", "0":
			theirs = append(theirs, "EXIT")
		case "ERR":
			theirs = append(theirs, a)
		default:
			others = append(others, a)
		}
	}
	if theirs == nil {
		return nil
	}
	if len(others) > 0 {
		return []string{"eval", "trap " + quoteWords(append([]string{args[0]}, others...)) + "; trap " + quoteWords(append([]string{args[0]}, theirs...))}
	}
	return append([]string{"trap", args[0]}, theirs...)
}

// pendingTraps returns the actions of the signals that have come.
func (s *shell) pendingTraps() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var actions []string
	for len(s.got) > 0 {
		if a := s.traps[<-s.got]; a != "" {
			actions = append(actions, a)
		}
	}
	return strings.Join(actions, "\n")
}
