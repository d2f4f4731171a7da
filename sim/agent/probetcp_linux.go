package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// probeSettle is how much later than its control's answer a packet's may come. They
// take the same way and can't overtake each other on one processor; on several,
// they may by what a processor is late.
const probeSettle = 50 * time.Millisecond

// errUnanswered: the control has answered, the packet sent before it has not.
var errUnanswered = errors.New("no answer, and one to a later packet on the same way")

// probeTCP is open if a connection is established.
func probeTCP(ctx context.Context, p dataplane.Probe, in inside) error {
	return connectTo(ctx, p, "", in)
}

// probeStray sends a packet for a private address out on the internet side, as a
// neighbour there could. It leaves by the site's own bridge and by nothing else:
// the host's network may have the same addresses.
func (a *Agent) probeStray(ctx context.Context, p dataplane.Probe, in inside) error {
	if p.Protocol != sim.ProtocolTCP {
		return fmt.Errorf("a probe of a private address from the internet side is tcp")
	}
	if p.Control.IsValid() && !a.public(p.Control.Addr()) {
		return notPublic(p.Control.Addr())
	}
	return connectTo(ctx, p, a.site.Bridge(), in)
}

// connectTo tries to connect, by that device where one is named, and no longer than
// until the control has told that there will be no answer.
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
