package dns

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"labsim/sim/dataplane"
	"labsim/sim/limit"
)

// upstream is a resolver of the machine's. It counts what it is asked and keeps
// the last question.
type upstream struct {
	at    netip.AddrPort
	asked atomic.Int32
	last  atomic.Pointer[dns.Msg]
}

func newUpstream(t *testing.T, answer func(w dns.ResponseWriter, q *dns.Msg)) *upstream {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Skipf("the port that UDP got is taken for TCP: %v", err)
	}
	u := &upstream{at: netip.MustParseAddrPort(pc.LocalAddr().String())}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		u.asked.Add(1)
		u.last.Store(q)
		answer(w, q)
	})
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return u
}

// says answers with records in the form of a zone file.
func says(rcode int, records ...string) func(dns.ResponseWriter, *dns.Msg) {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetRcode(q, rcode)
		for _, text := range records {
			rr, err := dns.NewRR(text)
			if err != nil {
				panic(err)
			}
			if rr.Header().Rrtype == dns.TypeSOA {
				m.Ns = append(m.Ns, rr)
			} else {
				m.Answer = append(m.Answer, rr)
			}
		}
		w.WriteMsg(m)
	}
}

// real is the zone of a VPC whose internet is real.
func real() *Zone {
	z := *zone()
	z.real = true
	return &z
}

func question(name string, kind uint16) *dns.Msg {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(4096, true)
	return q
}

func TestForward(t *testing.T) {
	for _, c := range []struct {
		name   string
		zone   *Zone
		query  string
		kind   uint16
		answer func(dns.ResponseWriter, *dns.Msg)
		want   string
		asked  int32
	}{
		{"a name outside", real(), "example.com.", dns.TypeA, says(0, "example.com. 7 A 203.0.113.9"), "NOERROR 203.0.113.9", 1},
		{"by another name", real(), "www.example.com.", dns.TypeA, says(0, "www.example.com. 7 CNAME example.com.", "example.com. 7 A 203.0.113.9"), "NOERROR *dns.CNAME 203.0.113.9", 1},
		{"no such name", real(), "no.example.com.", dns.TypeA, says(dns.RcodeNameError, "example.com. 7 SOA a. b. 1 2 3 4 5"), "NXDOMAIN soa", 1},
		{"an address's name", real(), "4.3.2.1.in-addr.arpa.", dns.TypePTR, says(0, "4.3.2.1.in-addr.arpa. 7 PTR x.example."), "NOERROR x.example.", 1},
		{"offline", zone(), "example.com.", dns.TypeA, says(0, "example.com. 7 A 203.0.113.9"), "SERVFAIL", 0},
		{"the VPC's own", real(), "ip-10-0-1-10.ec2.internal.", dns.TypeA, says(0, "ip-10-0-1-10.ec2.internal. 7 A 203.0.113.9"), "NOERROR 10.0.1.10", 0},
		// What must not come in.
		{"a private address", real(), "nas.example.com.", dns.TypeA, says(0, "nas.example.com. 7 A 203.0.113.9", "nas.example.com. 7 A 192.168.1.5"), "SERVFAIL", 1},
		{"metadata", real(), "x.example.com.", dns.TypeA, says(0, "x.example.com. 7 A 169.254.169.254"), "SERVFAIL", 1},
		{"loopback", real(), "x.example.com.", dns.TypeA, says(0, "x.example.com. 7 A 127.0.0.1"), "SERVFAIL", 1},
		{"records that nobody asked for", real(), "example.com.", dns.TypeA, says(0, "example.com. 7 A 203.0.113.9", "example.com. 7 AAAA 2001:db8::1", "example.com. 7 HINFO a b"), "NOERROR 203.0.113.9", 1},
		{"another question's answer", real(), "example.com.", dns.TypeA, func(w dns.ResponseWriter, q *dns.Msg) {
			q.Question[0].Name = "other.com."
			says(0, "other.com. 7 A 203.0.113.9")(w, q)
		}, "SERVFAIL", 1},
		// What must not go out.
		{"IPv6", real(), "example.com.", dns.TypeAAAA, says(0), "NOERROR", 0},
		{"hints", real(), "example.com.", dns.TypeHTTPS, says(0), "NOERROR", 0},
		{"everything", real(), "example.com.", dns.TypeANY, says(0), "NOERROR", 0},
		{"a printer", real(), "Printer.LOCAL.", dns.TypeA, says(0, "printer.local. 7 A 203.0.113.9"), "NXDOMAIN soa", 0},
		{"a router", real(), "router.home.arpa.", dns.TypeA, says(0), "NXDOMAIN soa", 0},
		{"a company's", real(), "db.corp.internal.", dns.TypeA, says(0), "NXDOMAIN soa", 0},
		{"one label", real(), "nas.", dns.TypeA, says(0), "NXDOMAIN soa", 0},
		{"a private address's name", real(), "5.1.168.192.in-addr.arpa.", dns.TypePTR, says(0), "NXDOMAIN soa", 0},
		{"another site's", real(), "5.1.18.198.in-addr.arpa.", dns.TypePTR, says(0), "NXDOMAIN soa", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUpstream(t, c.answer)
			f := forwarder(func() []netip.AddrPort { return []netip.AddrPort{u.at} })
			r := reply(c.zone, f.from(guestA), question(c.query, c.kind), true)
			if d := cmp.Diff(c.want, brief(r)); d != "" {
				t.Errorf("(-want +got):\n%s\n%s", d, r)
			}
			if opt := r.IsEdns0(); r.Rcode == dns.RcodeServerFailure && (opt == nil || len(opt.Option) != 1) {
				t.Errorf("it does not say why:\n%s", r)
			}
			if n := u.asked.Load(); n != c.asked {
				t.Errorf("the machine's resolver was asked %d times, want %d", n, c.asked)
			}
		})
	}
}

// Nothing of a guest's query goes out but name and type.
func TestForwardOwnQuery(t *testing.T) {
	u := newUpstream(t, says(0, "example.com. 7 A 203.0.113.9"))
	f := forwarder(func() []netip.AddrPort { return []netip.AddrPort{u.at} })
	q := question("example.com.", dns.TypeA)
	q.CheckingDisabled = true
	q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_LOCAL{Code: dns.EDNS0LOCALSTART, Data: []byte("secret")})
	q.Extra = append(q.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"secret"}})
	reply(real(), f.from(guestA), q, true)
	sent := u.last.Load()
	if sent == nil || sent.Id == q.Id || sent.CheckingDisabled || len(sent.Extra) != 1 || len(sent.IsEdns0().Option) != 0 {
		t.Errorf("asked with\n%v", sent)
	}
}

// A long answer comes by TCP, and goes on as far as the guest can take it.
func TestForwardLong(t *testing.T) {
	long := strings.Repeat("x", 250)
	u := newUpstream(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			m := new(dns.Msg)
			m.SetReply(q)
			m.Truncated = true
			w.WriteMsg(m)
			return
		}
		var records []string
		for range 20 {
			records = append(records, `example.com. 7 TXT "`+long+`"`)
		}
		says(0, records...)(w, q)
	})
	f := forwarder(func() []netip.AddrPort { return []netip.AddrPort{u.at} })
	if r := reply(real(), f.from(guestA), question("example.com.", dns.TypeTXT), false); len(r.Answer) != 20 || r.Truncated {
		t.Errorf("by TCP: %d records, cut: %t", len(r.Answer), r.Truncated)
	}
	r := reply(real(), f.from(guestA), question("example.com.", dns.TypeTXT), true)
	if b, err := r.Pack(); err != nil || len(b) > maxUDP || !r.Truncated {
		t.Errorf("by UDP: %d bytes, cut: %t, %v", len(b), r.Truncated, err)
	}
}

// The next resolver is asked where one doesn't answer or can't; no more than two.
func TestForwardNext(t *testing.T) {
	bad, good := newUpstream(t, says(dns.RcodeServerFailure)), newUpstream(t, says(0, "example.com. 7 A 203.0.113.9"))
	for _, c := range []struct {
		list []netip.AddrPort
		want string
	}{
		{[]netip.AddrPort{bad.at, good.at}, "NOERROR 203.0.113.9"},
		{[]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), good.at}, "NOERROR 203.0.113.9"},
		{[]netip.AddrPort{bad.at, bad.at, good.at}, "SERVFAIL"},
		{nil, "SERVFAIL"},
	} {
		f := forwarder(func() []netip.AddrPort { return c.list })
		if got := brief(reply(real(), f.from(guestA), question("example.com.", dns.TypeA), true)); got != c.want {
			t.Errorf("%v: %s, want %s", c.list, got, c.want)
		}
	}
}

var guestA, guestB = netip.MustParseAddr("10.0.1.10"), netip.MustParseAddr("10.0.1.11")

// forwarder has room for three questions of each, and five in all.
func forwarder(resolvers func() []netip.AddrPort) *Forwarder {
	waiting := limit.NewPool(5, 3)
	return NewForwarder(resolvers, func(a netip.Addr) (func(), error) { return waiting.Take(a.String()) })
}

// A guest that floods the resolver has no more questions waiting than its share,
// and another one is answered all the same.
func TestForwardFlood(t *testing.T) {
	const each, many = 3, 20
	hold := make(chan struct{})
	u := newUpstream(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Name == "slow.example.com." {
			<-hold
		}
		says(0, "example.com. 7 A 203.0.113.9")(w, q)
	})
	f := forwarder(func() []netip.AddrPort { return []netip.AddrPort{u.at} })
	refused := make(chan *dns.Msg, many)
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			r := reply(real(), f.from(guestA), question("slow.example.com.", dns.TypeA), true)
			select {
			case <-hold:
			default:
				refused <- r
			}
		})
	}
	for range many - each {
		if r := <-refused; r.Rcode != dns.RcodeServerFailure {
			t.Errorf("one more than fit: %s", r)
		}
	}
	if got := brief(reply(real(), f.from(guestB), question("example.com.", dns.TypeA), true)); got != "NOERROR 203.0.113.9" {
		t.Errorf("while one guest floods, another gets %s", got)
	}
	close(hold)
	wg.Wait()
}

// What one guest may ask in a second is less than what its VPC may.
func TestForwardRate(t *testing.T) {
	u := newUpstream(t, says(0, "example.com. 7 A 203.0.113.9"))
	f := forwarder(func() []netip.AddrPort { return []netip.AddrPort{u.at} })
	now := time.Now()
	allowed := 0
	for range 2 * maxRate {
		if f.each.Allow(now, guestA) && f.all.AllowN(now, 1) {
			allowed++
		}
	}
	if allowed != maxRateEach {
		t.Errorf("%d questions at once, want %d", allowed, maxRateEach)
	}
	if !f.each.Allow(now, guestB) || !f.all.AllowN(now, 1) {
		t.Error("one guest takes what its VPC may ask")
	}
}

// A flood of questions takes few ports of the machine, each of which it tracks.
func TestForwardPorts(t *testing.T) {
	var mu sync.Mutex
	from := map[string]bool{}
	u := newUpstream(t, func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		from[w.RemoteAddr().String()] = true
		mu.Unlock()
		says(0, "example.com. 7 A 203.0.113.9")(w, q)
	})
	f := forwarder(func() []netip.AddrPort { return []netip.AddrPort{u.at} })
	const questions = maxRateEach / 2
	for n := range questions {
		if got := brief(reply(real(), f.from(guestA), question("example.com.", dns.TypeA), true)); got != "NOERROR 203.0.113.9" {
			t.Fatalf("question %d: %s", n, got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d questions came from %d ports", questions, len(from))
	if len(from) > 5 {
		t.Errorf("%d questions, one after the other, came from %d ports", questions, len(from))
	}
	f.ports.retire(f.ports.idle[0])
	if len(f.ports.idle) != 0 {
		t.Errorf("%d ports are left after their time", len(f.ports.idle))
	}
}

// Only a gateway to the real internet opens the zone.
func TestZoneIsReal(t *testing.T) {
	for _, c := range []struct {
		g    *dataplane.Gateway
		want bool
	}{{nil, false}, {&dataplane.Gateway{}, false}, {&dataplane.Gateway{Internet: true}, true}} {
		if got := NewZone(&dataplane.Config{}, dataplane.VPC{Gateway: c.g}).real; got != c.want {
			t.Errorf("gateway %+v: real %t, want %t", c.g, got, c.want)
		}
	}
}

func TestResolvers(t *testing.T) {
	got := Resolvers("# x\nsearch corp.example\nnameserver 127.0.0.53\nnameserver fe80::1%eth0 # y\noptions edns0\nnameserver\nnameserver nonsense\n")
	want := []string{"127.0.0.53:53", "[fe80::1%eth0]:53"}
	var list []string
	for _, a := range got {
		list = append(list, a.String())
	}
	if d := cmp.Diff(want, list); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
