package killtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Calls are the system calls that count as steps.
type Calls []uint64

var (
	// Durable are those by which something is made to last.
	Durable = Calls{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_RENAME, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_UNLINK, unix.SYS_UNLINKAT}
	// All are those and what changes a file besides, except write.
	All = append(slices.Clone(Durable), unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE)
)

const childEnv = "LABSIM_KILLTEST_DIR"

// Child returns the directory that this process works in if it is one to be
// killed: it then does its work, prints a line for each answer, and exits.
func Child() (dir string, ok bool) { return os.LookupEnv(childEnv) }

// Each runs the calling test again as a Child, in the directory that prepare
// gives, and kills it before and after its first step, its second and so on, until
// one ends by itself. after gets the lines that it had printed.
func Each(t *testing.T, steps Calls, prepare func() (dir string), after func(dir string, answered []string)) {
	t.Helper()
	for at := 1; ; at++ {
		dir := prepare()
		answered, killed, err := run(t.Name(), dir, steps, at)
		if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
			t.Skipf("a process can't be traced here: %v", err)
		}
		if err != nil {
			t.Fatalf("stop %d: %v", at, err)
		}
		after(dir, answered)
		if !killed {
			t.Logf("killed at %d stops", at-1)
			return
		}
	}
}

// run runs the child and kills it at a stop, which is before or after a step.
func run(test, dir string, steps Calls, at int) (answered []string, killed bool, err error) {
	runtime.LockOSThread() // a tracee knows one thread only
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	var out bytes.Buffer
	c := exec.Command(os.Args[0], "-test.run=^"+regexp.QuoteMeta(test)+"$")
	c.Env = append(os.Environ(), childEnv+"="+dir, "GODEBUG=asyncpreemptoff=1")
	c.Stdout, c.Stderr = w, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	err = c.Start()
	w.Close()
	if err != nil {
		return nil, false, err
	}
	tr := &tracer{pid: c.Process.Pid, steps: steps, at: at, inside: map[int]bool{}}
	killed, code, err := tr.follow()
	if err != nil {
		return nil, false, err
	}
	if _, err := out.ReadFrom(r); err != nil {
		return nil, false, err
	}
	if !killed && code != 0 {
		return nil, false, errors.New("the child failed: " + out.String())
	}
	lines := strings.Split(out.String(), "\n")
	return lines[:len(lines)-1], killed, nil // the last one is not whole
}

type tracer struct {
	pid    int
	steps  Calls
	at     int // the stop at which it is killed
	stops  int
	inside map[int]bool // threads that are in a system call
}

// follow lets the child run from one system call to the next.
func (tr *tracer) follow() (killed bool, code int, err error) {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(tr.pid, &ws, 0, nil); err != nil {
		return false, 0, err
	}
	const options = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(tr.pid, options); err != nil {
		return false, 0, err
	}
	tid, signal := tr.pid, 0
	for {
		if tid != 0 {
			_ = syscall.PtraceSyscall(tid, signal) // one that was killed meanwhile is waited for
		}
		tid, err = syscall.Wait4(-tr.pid, &ws, syscall.WALL, nil)
		switch {
		case err == syscall.EINTR:
			tid = 0
			continue
		case err != nil:
			return killed, code, err
		case ws.Exited() || ws.Signaled():
			if tid == tr.pid {
				return killed, ws.ExitStatus(), nil
			}
			tid = 0
			continue
		}
		signal = 0
		switch sig := ws.StopSignal(); {
		case sig == syscall.SIGTRAP|0x80:
			if tr.step(tid) && !killed {
				killed = true
				_ = syscall.Kill(tr.pid, syscall.SIGKILL)
			}
		case sig != syscall.SIGTRAP && sig != syscall.SIGSTOP: // those are the tracing's own
			signal = int(sig)
		}
	}
}

// step reports whether a thread's stop is the one to end at.
func (tr *tracer) step(tid int) bool {
	tr.inside[tid] = !tr.inside[tid]
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) != nil || !slices.Contains(tr.steps, regs.Orig_rax) {
		return false
	}
	tr.stops++
	return tr.stops == tr.at
}
