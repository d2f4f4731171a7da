package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/time/rate"

	"labsim/sim"
	"labsim/sim/limit"
)

// Bounds of what guests may ask of the machine's resolvers: they are hostile, and
// the resolvers serve others too.
const (
	maxRate     = 200 // questions a second of one VPC
	maxRateEach = 100 // of one address in it
	maxTCP      = 10  // of a VPC, again by TCP, as the answer is long
	maxUpstream = 2   // resolvers that one question is put to
	askTimeout  = 2 * time.Second
)

// forwarded are the types of records that are asked for outside and passed on. A
// lab has no IPv6, and no use for records that carry addresses as hints.
var forwarded = []uint16{dns.TypeA, dns.TypeCNAME, dns.TypeMX, dns.TypeTXT, dns.TypeNS, dns.TypeSOA, dns.TypeSRV, dns.TypeCAA, dns.TypePTR}

// Forwarder asks the machine's resolvers for names outside, where a lab's internet
// is real. Of a guest's query nothing goes out but name and type, and of the
// answer nothing comes in but records of those types: no address that an instance
// may not reach, so that nobody's private names are read out through it.
type Forwarder struct {
	resolvers func() []netip.AddrPort
	admit     func(netip.Addr) (release func(), err error)
	all       *rate.Limiter
	each      *limit.Rate[netip.Addr]
	tcp       *rate.Limiter
	ports     ports
}

// NewForwarder returns a forwarder to what resolvers returns at the time of a
// query. admit bounds how many questions wait for an answer, by who asks: each
// takes a descriptor.
func NewForwarder(resolvers func() []netip.AddrPort, admit func(netip.Addr) (release func(), err error)) *Forwarder {
	return &Forwarder{resolvers: resolvers, admit: admit,
		all: rate.NewLimiter(maxRate, maxRate), each: limit.NewRate[netip.Addr](maxRateEach),
		tcp: rate.NewLimiter(maxTCP, maxTCP)}
}

// client is somebody who asks a forwarder.
type client struct {
	*Forwarder
	addr netip.Addr
}

// from returns nil where nobody is asked.
func (f *Forwarder) from(addr netip.Addr) *client {
	if f == nil {
		return nil
	}
	return &client{f, addr}
}

// Resolvers reads the addresses of a resolv.conf (resolv.conf(5)).
func Resolvers(text string) (list []netip.AddrPort) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	return list
}

// outcome says why there is no answer, in words for EDNS (RFC 8914).
type outcome struct {
	code uint16
	text string
}

var (
	overload    = &outcome{dns.ExtendedErrorCodeOther, "too many questions at once"}
	noUpstream  = &outcome{dns.ExtendedErrorCodeNetworkError, "no resolver of the machine answers"}
	notReadable = &outcome{dns.ExtendedErrorCodeInvalidData, "the machine's resolver gave no answer to this question"}
	private     = &outcome{dns.ExtendedErrorCodeBlocked, "the answer names an address that instances don't reach"}
)

// ask puts a question to the machine's resolvers and puts the answer into m.
func (c *client) ask(m *dns.Msg, q dns.Question) *outcome {
	if !slices.Contains(forwarded, q.Qtype) {
		return nil // there is the name, as far as anybody here knows, and no such record
	}
	release, err := c.admit(c.addr)
	if err != nil {
		return overload
	}
	defer release()
	if now := time.Now(); !c.each.Allow(now, c.addr) || !c.all.AllowN(now, 1) {
		return overload
	}
	list := c.resolvers()
	for _, at := range list[:min(len(list), maxUpstream)] {
		if r, err := c.exchangeWith(at, q); err == nil && r.Rcode != dns.RcodeServerFailure && r.Rcode != dns.RcodeRefused {
			return pass(m, q, r)
		}
	}
	return noUpstream
}

// exchangeWith asks one resolver with a number of its own, and by TCP what is too
// long for UDP.
func (f *Forwarder) exchangeWith(at netip.AddrPort, question dns.Question) (r *dns.Msg, err error) {
	q := new(dns.Msg)
	q.SetQuestion(question.Name, question.Qtype)
	q.SetEdns0(maxUDP, false)
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	port, err := f.ports.take(ctx, at)
	if err != nil {
		return nil, err
	}
	r, _, err = new(dns.Client).ExchangeWithConnContext(ctx, q, port.Conn)
	f.ports.give(port, err == nil)
	if err == nil && r.Truncated && f.tcp.Allow() {
		c := dns.Client{Net: "tcp", Dialer: &net.Dialer{}}
		r, _, err = c.ExchangeContext(ctx, q, at.String())
	}
	return r, err
}

// pass puts into m what of an answer a guest may see.
func pass(m *dns.Msg, q dns.Question, r *dns.Msg) *outcome {
	if len(r.Question) != 1 || !strings.EqualFold(r.Question[0].Name, q.Name) || r.Question[0].Qtype != q.Qtype ||
		r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		return notReadable
	}
	m.Rcode = r.Rcode
	for _, rr := range r.Answer {
		if a, ok := rr.(*dns.A); ok {
			if ip, ok := netip.AddrFromSlice(a.A.To4()); !ok || !sim.OnInternet(ip) {
				m.Answer = nil
				return private
			}
		}
		if slices.Contains(forwarded, rr.Header().Rrtype) && rr.Header().Class == dns.ClassINET {
			m.Answer = append(m.Answer, rr)
		}
	}
	if len(m.Answer) > 0 {
		return nil
	}
	for _, rr := range r.Ns { // how long there is no such name (RFC 2308)
		if soa, ok := rr.(*dns.SOA); ok {
			m.Ns = append(m.Ns, soa)
		}
	}
	return nil
}

// special are domains that no resolver of the internet knows, and that one of a
// private network may (RFC 6761, 6762, 7686, 8375, 9476; ICANN's .internal):
// nothing under them is asked outside.
var special = []string{"alt", "corp", "home", "home.arpa", "internal", "intranet", "invalid", "ip6.arpa", "lan", "local", "localdomain", "localhost", "onion", "private", "test"}

// isSpecial reports whether a name, in lower case and without a dot at the end, is
// one that stays in its network.
func isSpecial(name string) bool {
	return slices.ContainsFunc(special, func(domain string) bool { return within(name, domain) })
}
