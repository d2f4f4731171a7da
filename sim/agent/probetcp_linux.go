package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim/dataplane"
)

// probeSettle is how much later than its control's answer a packet's may come. They
// take the same way and can't overtake each other on one processor; on several,
// they may by what a processor is late.
const probeSettle = 50 * time.Millisecond

// errUnanswered: the control has answered, the packet sent before it has not.
var errUnanswered = errors.New("no answer, and one to a later packet on the same way")

// connectTo is open if a connection is established: by that device where one is
// named, and no longer tried than until the control has told that there will be no answer.
func connectTo(ctx context.Context, p dataplane.Probe, device string, in inside) error {
	var controls sync.WaitGroup
	defer controls.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sent := func() {}
	if p.Control.IsValid() {
		sent = func() {
			controls.Go(func() {
				if answers(ctx, p.Control, device, in) && wait(ctx, probeSettle) {
					cancel(errUnanswered)
				}
			})
		}
	}
	err := connect(ctx, netip.AddrPortFrom(p.To, uint16(p.Port)), device, in, sent)
	if err != nil && errors.Is(context.Cause(ctx), errUnanswered) {
		return errUnanswered
	}
	return err
}

// answers reports whether anything comes back from there; a refusal does, too.
func answers(ctx context.Context, to netip.AddrPort, device string, in inside) bool {
	err := connect(ctx, to, device, in, func() {})
	return err == nil || errors.Is(err, unix.ECONNREFUSED)
}

// connect calls sent when the first packet has been handed to the network, which
// is before there can be an answer.
func connect(ctx context.Context, to netip.AddrPort, device string, in inside, sent func()) error {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if cerr := c.Control(func(fd uintptr) { err = begin(int(fd), to, device) }); cerr != nil {
			return cerr
		}
		if err == nil {
			sent()
		}
		return err
	}}
	return in(func() error {
		c, err := d.DialContext(ctx, "tcp4", to.String())
		if err == nil {
			c.Close()
		}
		return err
	})
}

// begin starts to connect a socket that does not block. The dialer's own call
// then finds it under way, and waits for its end.
func begin(fd int, to netip.AddrPort, device string) error {
	if device != "" {
		if err := unix.BindToDevice(fd, device); err != nil {
			return err
		}
	}
	err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	if errors.Is(err, unix.EINPROGRESS) {
		return nil
	}
	return err
}

// wait returns false if the context ends first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
