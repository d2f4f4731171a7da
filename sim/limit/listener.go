package limit

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// The pauses of an accept loop that gets no connection, for lack of descriptors
// most likely. A connection that ends ends the pause.
const (
	pauseLeast = 5 * time.Millisecond
	pauseMost  = time.Second
)

// Listener accepts what Admit lets in, and closes the rest.
type Listener struct {
	net.Listener
	// Admit says who a connection belongs to, by taking it from a Pool. It is
	// called by the accept loop, one connection after the other, so it must not wait.
	Admit func(net.Conn) (release func(), err error)
	// Refused is told why a connection was closed, or could not be accepted.
	Refused func(error)
	// Pace is how many connections a second are refused; 0: as many as come. What
	// comes faster waits in the kernel, where it costs the process no time.
	Pace int
	// WriteTimeout is how long one write may wait for the other side to read; 0: for ever.
	WriteTimeout time.Duration

	once  sync.Once
	freed chan struct{} // buffered: a connection has ended
	pace  *rate.Limiter
}

// Accept waits for the next connection that is let in. It fails only when the
// listener is closed.
func (l *Listener) Accept() (net.Conn, error) {
	l.once.Do(l.init)
	for pause := pauseLeast; ; {
		c, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			l.Refused(err)
			l.wait(pause)
			pause = min(2*pause, pauseMost)
			continue
		}
		pause = pauseLeast
		release, err := l.Admit(c)
		if err != nil {
			Reset(c)
			l.Refused(err)
			time.Sleep(l.pace.Reserve().Delay())
			continue
		}
		return &Conn{Conn: c, listener: l, release: release}, nil
	}
}

func (l *Listener) init() {
	l.freed = make(chan struct{}, 1)
	l.pace = rate.NewLimiter(rate.Inf, 0)
	if l.Pace > 0 {
		l.pace = rate.NewLimiter(rate.Limit(l.Pace), l.Pace)
	}
}

func (l *Listener) wait(pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-l.freed:
	case <-t.C:
	}
}

// Reset closes a connection without waiting for anything, so that the kernel
// forgets it at once.
func Reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// Conn is a connection that was let in.
type Conn struct {
	net.Conn
	listener *Listener
	release  func()
}

// Write gives up on a peer that doesn't read.
func (c *Conn) Write(b []byte) (int, error) {
	if d := c.listener.WriteTimeout; d > 0 {
		c.SetWriteDeadline(time.Now().Add(d))
	}
	return c.Conn.Write(b)
}

// Close gives the place back.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.release()
	select {
	case c.listener.freed <- struct{}{}:
	default:
	}
	return err
}

// CloseWrite ends the direction of writing, where the connection can; else all of it.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// SyscallConn is the socket's (syscall.Conn).
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	raw, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return raw.SyscallConn()
}
