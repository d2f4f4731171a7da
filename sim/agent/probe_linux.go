package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Bounds of what a probe may ask for.
const (
	probeDefault = time.Second
	probeMost    = 30 * time.Second
)

// probeAgain is how often a refused probe is repeated. That a process listens is
// no event of the kernel's: sock_diag tells of sockets that end, not of new ones.
const probeAgain = 20 * time.Millisecond

// inside calls a function in the network namespace that sends.
type inside func(func() error) error

// probe looks again where nobody listens yet, as long as it may.
func (a *Agent) probe(ctx context.Context, p dataplane.Probe) (dataplane.ProbeResult, error) {
	end := time.Now().Add(min(p.Patience, probeMost))
	for {
		r, err := a.probeOnce(ctx, p)
		unknown := p.From == "" && a.public(p.To) && !a.owned(p.To) // so far
		if err != nil || !r.Refused && !unknown || time.Now().After(end) {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, nil
		case <-time.After(probeAgain):
		}
	}
}

// probeOnce sends one packet from an instance's namespace, or from the engine's, and
// waits for its answer. What the network does is in the result; the error says
// why the probe could not be made.
func (a *Agent) probeOnce(ctx context.Context, p dataplane.Probe) (dataplane.ProbeResult, error) {
	if p.Timeout <= 0 {
		p.Timeout = probeDefault
	}
	ctx, cancel := context.WithTimeout(ctx, min(p.Timeout, probeMost))
	defer cancel()
	if !p.To.Is4() {
		return dataplane.ProbeResult{}, fmt.Errorf("%v is not an IPv4 address", p.To)
	}
	device, err := a.way(p.From, p.To)
	if errors.As(err, new(notOwned)) {
		return dataplane.ProbeResult{Error: err.Error()}, nil // who does not exist does not answer
	}
	if err != nil {
		return dataplane.ProbeResult{}, err
	}
	if _, err := a.way(p.From, p.Control.Addr()); err != nil {
		p.Control = netip.AddrPort{}
	}
	try, ok := map[sim.Protocol]func(context.Context, dataplane.Probe, string, inside) error{
		sim.ProtocolTCP: connectTo, sim.ProtocolUDP: probeUDP, sim.ProtocolICMP: probeICMP,
	}[p.Protocol]
	if !ok {
		return dataplane.ProbeResult{}, fmt.Errorf("a probe is tcp, udp or icmp, not protocol %d", p.Protocol)
	}
	ns, err := a.namespace(p.From)
	if err != nil {
		return dataplane.ProbeResult{}, err
	}
	defer ns.Close()
	began := time.Now()
	err = try(ctx, p, device, func(f func() error) error { return inNetNS(ns, f) })
	r := dataplane.ProbeResult{Open: err == nil, Took: time.Since(began)}
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		r.Refused, r.Error = true, "connection refused"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		r.Error = "timeout"
	case err != nil:
		r.Error = cause(err)
	}
	return r, nil
}

// namespace opens the one that an instance's first process has shown, or the
// engine's. The caller closes it.
func (a *Agent) namespace(id sim.InstanceID) (*os.File, error) {
	from := a.engine.net
	if id != "" {
		one, err := a.guests.get(id)
		if err != nil {
			return nil, err
		}
		from = one.peer.net
	}
	ns, err := dup(from)
	if err != nil {
		return nil, fmt.Errorf("the network of %q: %w", id, err)
	}
	return ns, nil
}

// dup opens a file once more. Another goroutine may close it meanwhile, as that of a
// guest does that ends: then it fails, and never meets who has got its descriptor.
func dup(f *os.File) (*os.File, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, dupErr := -1, error(nil)
	if err := conn.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, dupErr
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// dial connects from an instance to anywhere, or from the internet side to an
// instance's public address: never to the machine or its network.
func (a *Agent) dial(ctx context.Context, from sim.InstanceID, to netip.AddrPort) (net.Conn, error) {
	if from == "" {
		a.awaitOwner(ctx, to.Addr())
	}
	device, err := a.way(from, to.Addr())
	if err == nil && from == "" && !a.public(to.Addr()) {
		err = notOwned{to.Addr()} // a stray packet has no connection
	}
	if err != nil {
		return nil, err
	}
	ns, err := a.namespace(from)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	ctx, cancel := context.WithTimeout(ctx, probeMost)
	defer cancel()
	return dialIn(ctx, func(f func() error) error { return inNetNS(ns, f) }, device, "tcp4", to)
}

// dialIn makes the socket inside; waiting for the connection is done outside.
func dialIn(ctx context.Context, in inside, device, network string, to netip.AddrPort) (conn net.Conn, err error) {
	err = in(func() error {
		d := net.Dialer{Control: leaveBy(device)}
		c, err := d.DialContext(ctx, network, to.String())
		conn = c
		return err
	})
	return conn, err
}

// probeUDP is open if anything comes back, refused if the far end says that
// nobody listens. A listener that is silent can't be told from a drop.
func probeUDP(ctx context.Context, p dataplane.Probe, device string, in inside) error {
	c, err := dialIn(ctx, in, device, "udp4", netip.AddrPortFrom(p.To, uint16(p.Port)))
	if err != nil {
		return err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		c.SetDeadline(end)
	}
	if _, err := c.Write([]byte("labsim probe\n")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1500))
	return err
}

// probeICMP sends an echo request (RFC 792) and waits for its reply.
func probeICMP(ctx context.Context, p dataplane.Probe, device string, in inside) error {
	var c net.PacketConn
	err := in(func() (err error) {
		l := net.ListenConfig{Control: leaveBy(device)}
		c, err = l.ListenPacket(ctx, "ip4:icmp", "0.0.0.0")
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		c.SetDeadline(end)
	}
	request := echo(uint16(rand.N(1<<16)), 1)
	if _, err := c.WriteTo(request, &net.IPAddr{IP: p.To.AsSlice()}); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		const reply = 0
		mine := n >= 8 && buf[0] == reply && string(buf[4:8]) == string(request[4:8])
		if ip, ok := from.(*net.IPAddr); ok && mine && ip.IP.Equal(p.To.AsSlice()) {
			return nil
		}
	}
}

func echo(id, seq uint16) []byte {
	b := make([]byte, 16)
	b[0] = 8 // echo request
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	copy(b[8:], "labsim  ")
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}

// cause is the innermost error: "network is unreachable" without the addresses.
func cause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
