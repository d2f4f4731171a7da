package guest

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reaper starts the processes of PID 1 and is the only one that waits for
// children: as PID 1 it inherits every orphan, and a second waiter would race
// with it for the exit codes.
type reaper struct {
	mu    sync.Mutex // held over fork and registration, so no exit is seen before its process is known
	procs map[int]*process
	all   bool          // wait for any child; else (tests) only for those started here
	next  chan struct{} // closed when another child has ended
}

// process is a running child.
type process struct {
	pid    int
	done   chan struct{} // closed when it has ended
	status syscall.WaitStatus
}

// exitCode is the shell's: 128+n for signal n.
func (p *process) exitCode() int {
	<-p.done
	if p.status.Signaled() {
		return 128 + int(p.status.Signal())
	}
	return p.status.ExitStatus()
}

func newReaper(all bool) *reaper {
	r := &reaper{procs: map[int]*process{}, all: all, next: make(chan struct{})}
	if all {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGCHLD)
		go func() {
			for range c {
				r.reap()
			}
		}()
	}
	return r
}

// start runs path; attr is as for syscall.ForkExec.
func (r *reaper) start(path string, argv []string, attr *syscall.ProcAttr) (*process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, done: make(chan struct{})}
	r.procs[pid] = p
	if !r.all {
		go r.waitFor(p)
	}
	return p, nil
}

func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		r.ended(pid, status)
	}
}

func (r *reaper) waitFor(p *process) {
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(p.pid, &status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended(p.pid, status)
}

func (r *reaper) ended(pid int, status syscall.WaitStatus) {
	close(r.next)
	r.next = make(chan struct{})
	if p := r.procs[pid]; p != nil {
		delete(r.procs, pid)
		p.status = status
		close(p.done)
	}
}

// signal sends sig to p, or to its whole group; never to a pid that has been
// reaped and may belong to another process by now.
func (r *reaper) signal(p *process, sig syscall.Signal, group bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.procs[p.pid] != p {
		return
	}
	if group {
		syscall.Kill(-p.pid, sig)
		return
	}
	syscall.Kill(p.pid, sig)
}

// hangUp ends a process whose user has gone: its group gets SIGHUP, which what
// was put into the background by nohup or setsid survives.
func (r *reaper) hangUp(p *process) {
	r.signal(p, syscall.SIGHUP, true)
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
		r.signal(p, syscall.SIGKILL, false)
	}
}

// waitEmpty returns when no child is left, at the latest after limit.
func (r *reaper) waitEmpty(limit time.Duration) {
	timeout := time.After(limit)
	for {
		next, empty := r.empty()
		if empty {
			return
		}
		select {
		case <-next:
		case <-timeout:
			return
		}
	}
}

// empty says whether there is no child left, and what is closed at the next end of one.
func (r *reaper) empty() (next <-chan struct{}, empty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return r.next, err == unix.ECHILD
}
