package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/miekg/dns"

	"labsim/sim"
)

const (
	ttl    = 60 // seconds, as the resolver of a VPC gives
	maxUDP = 1232
	minUDP = dns.MinMsgSize
)

// Server is the resolver of one VPC.
type Server struct {
	zone    func() *Zone
	forward *Forwarder

	mu      sync.Mutex
	servers []*dns.Server
	closed  bool
}

// NewServer returns a resolver that knows what zone returns at the time of a
// query. zone must not block; a nil zone makes every query fail. forward answers
// for names outside, in zones of a VPC whose internet is real; nil: nobody does.
func NewServer(zone func() *Zone, forward *Forwarder) *Server {
	return &Server{zone: zone, forward: forward}
}

// Serve answers on pc and l, either of which may be nil, until Close. It closes
// both. The error is nil after Close.
func (s *Server) Serve(pc net.PacketConn, l net.Listener) error {
	var running []*dns.Server
	if pc != nil {
		running = append(running, &dns.Server{PacketConn: pc, Handler: s, UDPSize: dns.DefaultMsgSize})
	}
	if l != nil {
		running = append(running, &dns.Server{Listener: l, Handler: s})
	}
	if !s.add(running, pc, l) {
		return nil
	}
	ended := make(chan error, len(running))
	for _, d := range running {
		go func() { ended <- d.ActivateAndServe() }()
	}
	var errs []error
	for range running {
		if err := <-ended; err != nil && !s.isClosed() {
			errs = append(errs, err)
			s.Close() // one without the other would be half a resolver
		}
	}
	return errors.Join(errs...)
}

// add notes what runs, unless the server was closed before.
func (s *Server) add(running []*dns.Server, pc net.PacketConn, l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.servers = append(s.servers, running...)
		return true
	}
	if pc != nil {
		pc.Close()
	}
	if l != nil {
		l.Close()
	}
	return false
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close ends Serve. Queries that are being answered are not waited for.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	now, cancel := context.WithCancel(context.Background())
	cancel()
	for _, d := range s.servers {
		d.ShutdownContext(now)
		// A server that has not begun to serve can't be shut down: take its sockets.
		if d.PacketConn != nil {
			d.PacketConn.Close()
		}
		if d.Listener != nil {
			d.Listener.Close()
		}
	}
	s.servers = nil
}

// ServeDNS answers one query.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	from, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil {
		return // nobody to answer
	}
	w.Write(pack(q, reply(s.zone(), s.forward.from(from.Addr().Unmap()), q, udp)))
}

// pack returns an answer as it is sent. What can't be written is answered by
// SERVFAIL: a client that hears nothing asks again until its time is over.
func pack(q, m *dns.Msg) []byte {
	if b, err := m.Pack(); err == nil {
		return b
	}
	failed := new(dns.Msg)
	if b, err := failed.SetRcode(q, dns.RcodeServerFailure).Pack(); err == nil {
		return b
	}
	failed.Question = nil // the question can't be written; a header always can
	b, _ := failed.Pack()
	return b
}

// reply makes the answer to a query, whatever it holds.
func reply(z *Zone, asks *client, q *dns.Msg, udp bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	opt := q.IsEdns0()
	if opt != nil {
		m.SetEdns0(maxUDP, opt.Do())
	}
	switch {
	case opt != nil && opt.Version() != 0:
		m.Rcode = dns.RcodeBadVers
	case q.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		m.Rcode = dns.RcodeFormatError
	case z == nil:
		m.Rcode = dns.RcodeServerFailure
	case q.Question[0].Qclass != dns.ClassINET:
		m.Rcode = dns.RcodeRefused
	default:
		z.answer(m, asks, q.Question[0])
	}
	if udp {
		m.Truncate(size(opt))
	}
	return m
}

// size returns how long an answer by UDP may be.
func size(opt *dns.OPT) int {
	if opt == nil {
		return minUDP
	}
	return min(max(minUDP, int(opt.UDPSize())), maxUDP)
}

func (z *Zone) answer(m *dns.Msg, asks *client, q dns.Question) {
	f, rr := z.lookup(q)
	switch f {
	case found:
		m.Answer = append(m.Answer, rr)
	case noData:
		m.Ns = append(m.Ns, z.soa(q.Name))
	case absent:
		m.Rcode = dns.RcodeNameError
		m.Ns = append(m.Ns, z.soa(q.Name))
	case unreachable:
		why := closedNetwork
		if z.real && asks != nil {
			why = asks.ask(m, q)
		}
		if why != nil {
			fail(m, why)
		}
	}
}

// closedNetwork is where no authority is reached.
var closedNetwork = &outcome{dns.ExtendedErrorCodeNetworkError, "labsim's resolver knows its VPC and the public range only"}

// fail says that there is no answer, and to who can hear it, why.
func fail(m *dns.Msg, why *outcome) {
	m.Rcode = dns.RcodeServerFailure
	if opt := m.IsEdns0(); opt != nil {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: why.code, ExtraText: why.text})
	}
}

func (z *Zone) lookup(q dns.Question) (fate, dns.RR) {
	if isReverse(q.Name) {
		name, f := z.reverse(q.Name)
		if f == found && q.Qtype != dns.TypePTR && q.Qtype != dns.TypeANY {
			return noData, nil
		}
		return f, &dns.PTR{Hdr: header(q, dns.TypePTR), Ptr: dns.Fqdn(name)}
	}
	a, f := z.forward(q.Name)
	if f != found {
		return f, nil
	}
	if q.Qtype != dns.TypeA && q.Qtype != dns.TypeANY {
		return noData, nil
	}
	return found, &dns.A{Hdr: header(q, dns.TypeA), A: a.AsSlice()}
}

func isReverse(name string) bool {
	return within(name, reverseDomain)
}

func header(q dns.Question, t uint16) dns.RR_Header {
	return dns.RR_Header{Name: q.Name, Rrtype: t, Class: dns.ClassINET, Ttl: ttl}
}

// soa lets clients remember that there is no such record (RFC 2308). Its owner is
// an ancestor of the name: of another's word a resolver takes no notice.
func (z *Zone) soa(name string) dns.RR {
	private := dns.Fqdn(sim.PrivateDomain(z.region))
	apex := private
	switch {
	case isReverse(name):
		apex = reverseDomain
	case !within(name, private):
		next, _ := dns.NextLabel(name, 0)
		apex = dns.CanonicalName(name[next:])
	}
	return &dns.SOA{Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns: "ns0." + private, Mbox: "hostmaster." + private,
		Serial: 1, Refresh: 3600, Retry: 3600, Expire: 604800, Minttl: ttl}
}
