package dns

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"labsim/sim/dataplane"
)

func zone() *Zone {
	return NewZone(&dataplane.Config{Region: "us-east-1", Public: netip.MustParsePrefix("198.51.100.0/24")},
		dataplane.VPC{CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Names: []dataplane.Name{
			{Name: "ip-10-0-1-10.ec2.internal", Addr: netip.MustParseAddr("10.0.1.10")},
			{Name: "ec2-198-51-100-20.compute-1.amazonaws.com", Addr: netip.MustParseAddr("10.0.1.10")},
		}})
}

// serve runs a resolver on loopback and returns its address, the same for both
// transports.
func serve(t *testing.T, z *Zone) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Skipf("the port that UDP got is taken for TCP: %v", err)
	}
	s, ended := NewServer(func() *Zone { return z }, nil), make(chan error, 1)
	go func() { ended <- s.Serve(pc, l) }()
	t.Cleanup(func() {
		s.Close()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Serve did not end after Close")
		}
	})
	return pc.LocalAddr().String()
}

func TestAnswers(t *testing.T) {
	at := serve(t, zone())
	for _, c := range []struct{ name, kind, want string }{
		{"ip-10-0-1-10.ec2.internal.", "A", "NOERROR 10.0.1.10"},
		{"IP-10-0-1-10.EC2.Internal.", "A", "NOERROR 10.0.1.10"},
		{"ip-10-0-1-10.ec2.internal.", "ANY", "NOERROR 10.0.1.10"},
		{"ip-10-0-1-10.ec2.internal.", "AAAA", "NOERROR soa"},
		{"ip-10-0-1-11.ec2.internal.", "A", "NXDOMAIN soa"},
		{"ec2.internal.", "A", "NOERROR soa"},
		{"web.ec2.internal.", "A", "NXDOMAIN soa"},
		{"web.", "A", "NXDOMAIN soa"},
		{".", "NS", "SERVFAIL"},
		{"10.1.0.10.in-addr.arpa.", "PTR", "NOERROR ip-10-0-1-10.ec2.internal."},
		{"10.1.0.10.IN-ADDR.ARPA.", "ANY", "NOERROR ip-10-0-1-10.ec2.internal."},
		{"10.1.0.10.in-addr.arpa.", "A", "NOERROR soa"},
		{"11.1.0.10.in-addr.arpa.", "PTR", "NXDOMAIN soa"},
		{"1.0.10.in-addr.arpa.", "PTR", "NXDOMAIN soa"},
		{"x.1.0.10.in-addr.arpa.", "PTR", "NXDOMAIN soa"},
		{"4.3.2.1.in-addr.arpa.", "PTR", "SERVFAIL"},
		{"30.100.51.198.in-addr.arpa.", "PTR", "NOERROR ec2-198-51-100-30.compute-1.amazonaws.com."},
		{"ec2-198-51-100-20.compute-1.amazonaws.com.", "A", "NOERROR 10.0.1.10"},
		{"ec2-198-51-100-30.compute-1.amazonaws.com.", "A", "NOERROR 198.51.100.30"},
		{"ec2-203-0-113-1.compute-1.amazonaws.com.", "A", "SERVFAIL"},
		{"ec2-198-51-100-30.example.com.", "A", "SERVFAIL"},
		{"example.com.", "A", "SERVFAIL"},
		{"example.com.", "MX", "SERVFAIL"},
		// A dot may be a part of a label (RFC 1035, 5.1).
		{`a\.b.lan.`, "A", "NXDOMAIN soa"},
		{`a\..b.lan.`, "A", "NXDOMAIN soa"},
		{`a\.b.`, "A", "NXDOMAIN soa"},
		{`a\.ec2.internal.`, "A", "NXDOMAIN soa"},
		{`a\.lan.`, "A", "NXDOMAIN soa"},
		{`ip-10-0-1-10\.ec2.internal.`, "A", "NXDOMAIN soa"},
		{`10\.1.0.10.in-addr.arpa.`, "PTR", "NXDOMAIN soa"},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(c.name+"/"+c.kind+"/"+transport, func(t *testing.T) {
				q := new(dns.Msg)
				q.SetQuestion(c.name, dns.StringToType[c.kind])
				r := exchange(t, transport, at, q)
				if d := cmp.Diff(c.want, brief(r)); d != "" {
					t.Errorf("(-want +got):\n%s\n%s", d, r)
				}
				for _, rr := range r.Ns {
					if !dns.IsSubDomain(rr.Header().Name, c.name) {
						t.Errorf("%s says that there is no %s", rr.Header().Name, c.name)
					}
				}
				if !r.RecursionAvailable || r.Authoritative {
					t.Errorf("flags are not a resolver's: %s", r)
				}
			})
		}
	}
}

func TestEDNS(t *testing.T) {
	at := serve(t, zone())
	q := new(dns.Msg)
	q.SetQuestion("example.com.", dns.TypeA)
	q.SetEdns0(4096, false)
	r := exchange(t, "udp", at, q)
	opt := r.IsEdns0()
	if opt == nil || len(opt.Option) != 1 || opt.Option[0].(*dns.EDNS0_EDE).InfoCode != dns.ExtendedErrorCodeNetworkError {
		t.Errorf("no extended error:\n%s", r)
	}
	q.IsEdns0().SetVersion(1)
	if r := exchange(t, "udp", at, q); r.Rcode != dns.RcodeBadVers || r.IsEdns0() == nil || r.IsEdns0().Version() != 0 {
		t.Errorf("version 1 of EDNS: want BADVERS with version 0, got\n%s", r)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*dns.Msg)
		want int
	}{
		{"no question", func(q *dns.Msg) { q.Question = nil }, dns.RcodeFormatError},
		{"two questions", func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }, dns.RcodeFormatError},
		{"another class", func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		{"an update", func(q *dns.Msg) { q.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
	} {
		q := new(dns.Msg)
		q.SetQuestion("ip-10-0-1-10.ec2.internal.", dns.TypeA)
		c.do(q)
		if r := reply(zone(), nil, q, true); r.Rcode != c.want {
			t.Errorf("%s: %s, want %s", c.name, dns.RcodeToString[r.Rcode], dns.RcodeToString[c.want])
		}
	}
	q := new(dns.Msg)
	q.SetQuestion("ip-10-0-1-10.ec2.internal.", dns.TypeA)
	if r := reply(nil, nil, q, true); r.Rcode != dns.RcodeServerFailure {
		t.Errorf("without a zone: %s, want SERVFAIL", dns.RcodeToString[r.Rcode])
	}
}

// A name of the greatest length, of which each answer holds two or three, stays
// within what the client can take, or says that it was cut.
func TestTruncation(t *testing.T) {
	for _, size := range []uint16{0, 100, 512, 4096} {
		q := new(dns.Msg)
		q.SetQuestion(strings.Repeat(strings.Repeat("a", 61)+".", 3)+strings.Repeat("b", 50)+".ec2.internal.", dns.TypeA)
		if size > 0 {
			q.SetEdns0(size, true)
		}
		r := reply(zone(), nil, q, true)
		b, err := r.Pack()
		if err != nil {
			t.Fatal(err)
		}
		limit := min(max(512, int(size)), maxUDP)
		if len(b) > limit {
			t.Errorf("client takes %d: answer has %d bytes, limit %d", size, len(b), limit)
		}
	}
}

// An answer that can't be written is no reason to be silent.
func TestUnwritable(t *testing.T) {
	for _, name := range []string{"web.", "a..b."} {
		q := new(dns.Msg)
		q.SetQuestion(name, dns.TypeA)
		m := new(dns.Msg)
		m.SetReply(q)
		m.Answer = []dns.RR{&dns.PTR{Hdr: dns.RR_Header{Name: "a..b.", Rrtype: dns.TypePTR, Class: dns.ClassINET}, Ptr: "web."}}
		var got dns.Msg
		if err := got.Unpack(pack(q, m)); err != nil || got.Id != q.Id || !got.Response || got.Rcode != dns.RcodeServerFailure {
			t.Errorf("%s: %v; want SERVFAIL, got\n%s", name, err, &got)
		}
	}
}

// Whatever arrives, the server goes on.
func TestGarbage(t *testing.T) {
	at := serve(t, zone())
	good := new(dns.Msg)
	good.SetQuestion("ip-10-0-1-10.ec2.internal.", dns.TypeA)
	packed, err := good.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"udp", "tcp"} {
		for _, bad := range [][]byte{{}, {0}, bytes.Repeat([]byte{0xff}, 512), packed[:len(packed)-3], append([]byte{0, 5}, "hello"...), bytes.Repeat([]byte{0xc0, 0x0c}, 200)} {
			c, err := net.Dial(transport, at)
			if err != nil {
				t.Fatal(err)
			}
			c.Write(bad)
			c.Close()
		}
		if got := brief(exchange(t, transport, at, good)); got != "NOERROR 10.0.1.10" {
			t.Errorf("%s: after garbage: %s", transport, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, name := range []string{"ip-10-0-1-10.ec2.internal.", "10.1.0.10.in-addr.arpa.", ".", "ec2-198-51-100-30.compute-1.amazonaws.com.", "a.in-addr.arpa.", `a\..b.lan.`, `a\.b.lan.`} {
		q := new(dns.Msg)
		q.SetQuestion(name, dns.TypeA)
		q.SetEdns0(1232, true)
		b, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
	}
	z := zone()
	f.Fuzz(func(t *testing.T, b []byte, udp bool) {
		q := new(dns.Msg)
		if q.Unpack(b) != nil {
			return
		}
		r := reply(z, nil, q, udp)
		out, err := r.Pack()
		if err != nil {
			t.Fatalf("can't send the answer to\n%s\n%v", q, err)
		}
		for _, rr := range r.Ns {
			if !dns.IsSubDomain(rr.Header().Name, q.Question[0].Name) {
				t.Fatalf("%s says that there is no %s", rr.Header().Name, q.Question[0].Name)
			}
		}
		if udp && len(out) > maxUDP {
			t.Fatalf("%d bytes by UDP", len(out))
		}
	})
}

func exchange(t *testing.T, transport, at string, q *dns.Msg) *dns.Msg {
	t.Helper()
	r, _, err := (&dns.Client{Net: transport, Timeout: 5 * time.Second}).Exchange(q, at)
	if err != nil {
		t.Fatalf("%s over %s: %v", q, transport, err)
	}
	return r
}

func brief(r *dns.Msg) string {
	out := dns.RcodeToString[r.Rcode]
	for _, rr := range r.Answer {
		switch x := rr.(type) {
		case *dns.A:
			out += " " + x.A.String()
		case *dns.PTR:
			out += " " + x.Ptr
		default:
			out += fmt.Sprintf(" %T", rr)
		}
	}
	for _, rr := range r.Ns {
		if _, ok := rr.(*dns.SOA); ok {
			out += " soa"
		}
	}
	return out
}
