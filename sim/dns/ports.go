package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// portLife is how long a port asks. The machine tracks what each port has asked for
// up to two minutes after the last question, in a table that all on it share: with a
// port for each question one guest had 6,000 places there. A port that asks one
// question at a time, and for no longer than this, is still hard to guess for who
// would forge an answer (RFC 5452).
const portLife = 10 * time.Second

// maxIdle bounds the descriptors that are held while nobody asks.
const maxIdle = 8

// ports are the UDP sockets from which the machine's resolvers are asked.
type ports struct {
	mu   sync.Mutex
	idle []*port
}

// port asks one resolver, one question at a time.
type port struct {
	*dns.Conn
	to   netip.AddrPort
	old  bool // guarded by ports.mu
	last *time.Timer
}

// take returns a port that nobody else has.
func (p *ports) take(ctx context.Context, to netip.AddrPort) (*port, error) {
	p.mu.Lock()
	i := slices.IndexFunc(p.idle, func(one *port) bool { return one.to == to })
	if i >= 0 {
		one := p.idle[i]
		p.idle = slices.Delete(p.idle, i, i+1)
		p.mu.Unlock()
		return one, nil
	}
	p.mu.Unlock()
	c, err := new(net.Dialer).DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, err
	}
	one := &port{Conn: &dns.Conn{Conn: c}, to: to}
	one.last = time.AfterFunc(portLife, func() { p.retire(one) })
	return one, nil
}

// give takes a port back, or closes it: one that is old, or whose question may still
// be answered.
func (p *ports) give(one *port, good bool) {
	p.mu.Lock()
	keep := good && !one.old && len(p.idle) < maxIdle
	if keep {
		p.idle = append(p.idle, one)
	}
	p.mu.Unlock()
	if !keep {
		one.last.Stop()
		one.Close()
	}
}

// retire lets no port ask for longer than its life.
func (p *ports) retire(one *port) {
	p.mu.Lock()
	one.old = true
	i := slices.Index(p.idle, one)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 { // else who has it closes it
		one.Close()
	}
}
