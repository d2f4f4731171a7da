//go:build linux

package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim/dataplane"
)

// A packet that is dropped is known to be so once a later one on its way was
// answered, be it by a refusal; and not before its time if none was.
func TestProbeIsOverWithItsControl(t *testing.T) {
	dropped, refused := silent(t), gone(t)
	here := func(f func() error) error { return f() }
	for _, c := range []struct {
		name        string
		to, control netip.AddrPort
		timeout     time.Duration
		want        error
	}{
		{"answered", listens(t), refused, time.Minute, nil},
		{"refused", refused, listens(t), time.Minute, unix.ECONNREFUSED},
		{"dropped, the control answers", dropped, listens(t), time.Minute, errUnanswered},
		{"dropped, the control refuses", dropped, refused, time.Minute, errUnanswered},
		{"dropped, the control too", dropped, dropped, probeSettle * 3, context.DeadlineExceeded},
		{"dropped, no control", dropped, netip.AddrPort{}, probeSettle * 3, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
			defer cancel()
			err := connectTo(ctx, dataplane.Probe{To: c.to.Addr(), Port: int(c.to.Port()), Control: c.control}, "", here)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				err = context.DeadlineExceeded // which of the two ends the dialer is a race
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// sent is called before anything can have come back: that is what makes the
// control's packet the later one.
func TestSentComesBeforeTheAnswer(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	calls := 0
	here := func(f func() error) error { return f() }
	err = connect(t.Context(), l.Addr().(*net.TCPAddr).AddrPort(), "", here, func() {
		calls++
		c, err := l.Accept() // the packet is there: the dialer's own call follows
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	})
	if err != nil || calls != 1 {
		t.Errorf("%v, sent %d times", err, calls)
	}
}

func listens(t *testing.T) netip.AddrPort {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// gone is a port on which nobody listens.
func gone(t *testing.T) netip.AddrPort {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// silent is a port that drops what comes: its queue (listen(2), of length 0, which
// is one connection) is full and nobody accepts.
func silent(t *testing.T) netip.AddrPort {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	loop := [4]byte{127, 0, 0, 1}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: loop}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.AddrFrom4(loop), uint16(name.(*unix.SockaddrInet4).Port))
	c, err := net.Dial("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return at
}
