package limit

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestPool(t *testing.T) {
	p := NewPool(5, 4, 2)
	take := func(want string, path ...string) func() {
		t.Helper()
		release, err := p.Take(path...)
		if got := cause(err); got != want {
			t.Errorf("%v: %q, want %q", path, got, want)
		}
		return release
	}
	first := take("", "a", "x")
	take("", "a", "x")
	take("a/x/ holds 2, which is all it may", "a", "x")
	take("", "a", "y")
	take("", "a", "")
	take("a/ holds 4, which is all it may", "a", "z")
	take("", "b", "x")
	take("5 are held, which is all there are", "b", "y")
	first()
	first()
	if all, a, x := p.Held(), p.Held("a"), p.Held("a", "x"); all != 4 || a != 3 || x != 1 {
		t.Errorf("after one was given back: %d in all, %d of a, %d of a/x; want 4, 3, 1", all, a, x)
	}
	take("", "a", "x")()
}

func TestPoolForgets(t *testing.T) {
	p := NewPool(10, 1)
	for _, name := range strings.Fields("a b c d") {
		release, err := p.Take(name)
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	if len(p.held) != 0 {
		t.Errorf("%d names are remembered of nobody who holds anything", len(p.held))
	}
}

func cause(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// One who floods gets no more than a share, and leaves room for another.
func TestListener(t *testing.T) {
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	pool := NewPool(10, 3)
	refused := make(chan error, 100)
	l := &Listener{
		Listener: inner,
		Admit: func(c net.Conn) (func(), error) {
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			return pool.Take(host)
		},
		Refused: func(err error) { refused <- err },
	}
	accepted := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	dial := func(from string) (net.Conn, error) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp4", inner.Addr().String())
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, err
	}
	var held []net.Conn
	for range 3 {
		dial("127.0.0.2")
		held = append(held, <-accepted)
	}
	for range 20 {
		c, err := dial("127.0.0.2")
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("one too many: %v, want a reset", err)
		}
		<-refused // told after the reset
	}
	if pool.Held() != 3 {
		t.Errorf("%d held; want 3", pool.Held())
	}
	dial("127.0.0.3")
	(<-accepted).Close()
	held[0].Close()
	dial("127.0.0.2")
	(<-accepted).Close()
	inner.Close()
	if _, open := <-accepted; open {
		t.Error("a closed listener accepts")
	}
}

// broke is a listener of a process that has no descriptor left.
type broke struct {
	net.Listener
	mu    sync.Mutex
	calls int
	next  net.Conn // what it accepts once there are some again
}

func (b *broke) Accept() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.next == nil {
		return nil, syscall.EMFILE
	}
	c := b.next
	b.next = nil
	return c, nil
}

func TestListenerOutOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		b := &broke{next: near}
		said := 0
		l := &Listener{Listener: b, Admit: func(net.Conn) (func(), error) { return func() {}, nil }, Refused: func(error) { said++ }}
		first, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan net.Conn)
		go func() { c, _ := l.Accept(); second <- c }()
		time.Sleep(time.Minute)
		b.mu.Lock()
		if b.calls > 70 || b.calls < 60 {
			t.Errorf("tried %d times in a minute, want about once a second", b.calls)
		}
		b.mu.Unlock()
		time.Sleep(100 * time.Millisecond) // into a pause
		began := time.Now()
		b.mu.Lock()
		b.next = near
		b.mu.Unlock()
		first.Close()
		<-second
		if took := time.Since(began); took != 0 {
			t.Errorf("a descriptor that is free again was noticed after %v", took)
		}
	})
}

// endless is a listener to which somebody connects as often as it accepts.
type endless struct {
	net.Listener
	left int
}

func (e *endless) Accept() (net.Conn, error) {
	if e.left--; e.left < 0 {
		return nil, net.ErrClosed
	}
	near, far := net.Pipe()
	far.Close()
	return near, nil
}

func TestListenerPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Listener{Listener: &endless{left: 500}, Pace: 100,
			Admit:   func(net.Conn) (func(), error) { return nil, errors.New("no") },
			Refused: func(error) {}}
		began := time.Now()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if took := time.Since(began); took < 3900*time.Millisecond || took > 4100*time.Millisecond {
			t.Errorf("500 refusals took %v, want a burst of 100 and 4 s for the others", took)
		}
	})
}

// A peer that doesn't read what it is answered is given up.
func TestListenerWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		l := &Listener{Listener: &broke{next: near}, Admit: func(net.Conn) (func(), error) { return func() {}, nil }, WriteTimeout: time.Second}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		began := time.Now()
		if _, err := io.WriteString(c, "answer"); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v, want a timeout after a second", err, time.Since(began))
		}
	})
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	flags := log.Flags()
	log.SetFlags(0)
	defer func() { log.SetOutput(os.Stderr); log.SetFlags(flags) }()
	synctest.Test(t, func(t *testing.T) {
		var l Log
		for range 15000 {
			l.Printf("connection refused")
		}
		time.Sleep(logTells)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != logBurst+1 || lines[logBurst] != "14900 more lines of this kind in 10s are left out" {
			t.Errorf("%d lines, the last %q; want %d and how many were left out", len(lines), lines[len(lines)-1], logBurst+1)
		}
		out.Reset()
		l.Printf("later")
		time.Sleep(time.Hour)
		if got := out.String(); got != "later\n" {
			t.Errorf("later: %q", got)
		}
	})
}

func TestRate(t *testing.T) {
	r, now := NewRate[string](10), time.Now()
	took := func(k string) (n int) {
		for range 30 {
			if r.Allow(now, k) {
				n++
			}
		}
		return n
	}
	if a, b := took("a"), took("b"); a != 10 || b != 10 {
		t.Errorf("at once: %d and %d, want 10 each", a, b)
	}
	now = now.Add(time.Second / 2)
	if a := took("a"); a != 5 {
		t.Errorf("half a second later: %d, want 5", a)
	}
}

// Askers come and go; who asks under a new name each time is not remembered.
func TestRateForgets(t *testing.T) {
	r, now := NewRate[int](10), time.Now()
	for i := range 10 * maxRates {
		r.Allow(now, i)
	}
	if len(r.buckets) > maxRates {
		t.Errorf("%d askers are remembered, want %d at most", len(r.buckets), maxRates)
	}
}
