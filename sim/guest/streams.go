package guest

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"labsim/sim/idle"
)

// output copies what a process writes. The read end of a pipe stays open for
// ever, as a process in the background may hold the other end: it must neither
// keep the session waiting nor die by SIGPIPE.
type output struct {
	r    *os.File
	quit chan struct{}
	done chan struct{}
}

// newOutput gives the write end for the process; the copying begins at once.
func newOutput(to io.Writer) (*output, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return copyOutput(r, to), w, nil
}

func copyOutput(r *os.File, to io.Writer) *output {
	o := &output{r: r, quit: make(chan struct{}), done: make(chan struct{})}
	go o.copy(to)
	return o
}

func (o *output) copy(to io.Writer) {
	end := sync.OnceFunc(func() { close(o.done) })
	defer end()
	defer o.r.Close()
	buf := make([]byte, 16<<10)
	ended := false
	for {
		n, err := o.r.Read(buf)
		if n > 0 && !ended {
			if _, werr := to.Write(buf[:n]); werr != nil {
				ended = true
				end()
			}
		}
		if err == nil {
			continue
		}
		if !os.IsTimeout(err) {
			return
		}
		// The process has ended. What it wrote is in the pipe: take it without waiting.
		if !ended && !o.drain(to, buf) {
			return
		}
		ended = true
		end()
		o.r.SetReadDeadline(time.Time{})
	}
}

// drain copies what is there; false: the other end is closed.
func (o *output) drain(to io.Writer, buf []byte) bool {
	raw, err := o.r.SyscallConn()
	if err != nil {
		return false
	}
	for {
		var n int
		var rerr error
		err := raw.Control(func(fd uintptr) { n, rerr = syscall.Read(int(fd), buf) })
		switch {
		case err != nil:
			return false
		case rerr == syscall.EAGAIN:
			return true
		case rerr == syscall.EINTR:
			continue
		case rerr != nil || n <= 0:
			return false
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return true
		}
	}
}

// finish returns when everything that was written before now has been copied.
func (o *output) finish() {
	o.r.SetReadDeadline(time.Now())
	<-o.done
}

// session is a process with its streams connected to somebody far away.
type session struct {
	proc   *process
	stdin  io.WriteCloser // nil without input
	master *os.File       // the terminal, or nil
	outs   []*output
}

// startSession starts c with a terminal or three pipes; stdout and stderr may
// be the same writer.
func (g *guest) startSession(c command, tty bool, rows, cols uint16, input bool, stdout, stderr io.Writer) (*session, error) {
	if tty {
		return g.startTTY(c, rows, cols, stdout)
	}
	s := &session{}
	var closers []*os.File
	defer func() {
		for _, f := range closers {
			f.Close()
		}
	}()
	for _, o := range []struct {
		to   io.Writer
		file **os.File
	}{{stdout, &c.out}, {stderr, &c.err}} {
		out, w, err := newOutput(o.to)
		if err != nil {
			return nil, err
		}
		*o.file = w
		closers = append(closers, w)
		s.outs = append(s.outs, out)
	}
	if input {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		c.in = r
		closers = append(closers, r)
		s.stdin = w
	}
	p, err := g.start(c)
	if err != nil {
		if s.stdin != nil {
			s.stdin.Close()
		}
		return nil, err
	}
	s.proc = p
	return s, nil
}

func (g *guest) startTTY(c command, rows, cols uint16, stdout io.Writer) (*session, error) {
	master, slave, err := openTTY(c.user, rows, cols)
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	c.in, c.out, c.err, c.tty = slave, slave, slave, true
	p, err := g.start(c)
	if err != nil {
		master.Close()
		return nil, err
	}
	return &session{proc: p, stdin: nopClose{master}, master: master, outs: []*output{copyOutput(master, stdout)}}, nil
}

// nopClose: the end of the input does not close a terminal.
type nopClose struct{ io.Writer }

func (nopClose) Close() error { return nil }

// wait returns the exit code when the process has ended and its output is out.
func (s *session) wait() int {
	defer idle.Soon()
	code := s.proc.exitCode()
	for _, o := range s.outs {
		o.finish()
	}
	if s.stdin != nil {
		s.stdin.Close()
	}
	if s.master != nil {
		s.master.Close() // hangs up whatever still has the terminal
	}
	return code
}
