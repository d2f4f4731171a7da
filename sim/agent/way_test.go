//go:build linux

package agent

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// What a lab has checked reaches neither the machine nor its network, whatever is
// named: here the public range is this machine's, and every address of it answers.
func TestNothingReachesTheMachine(t *testing.T) {
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if err := inNetNS(ns, func() error { return nil }); err != nil {
		t.Skipf("this process can't enter a network namespace: %v", err)
	}
	c := labConfig(1)
	c.Public = netip.MustParsePrefix("127.7.7.0/24")
	addr := netip.MustParseAddr
	c.VPCs[0].ENIs[0].Public = addr("127.7.7.20") // an instance's, which the site's bridge leads to
	c.VPCs[0].CIDRs = append(c.VPCs[0].CIDRs, netip.MustParsePrefix("127.8.0.0/16"))
	a := &Agent{site: site, engine: &engine{net: ns}}
	a.current.Store(hold(c))
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reached := make(chan net.Addr, 64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached <- c.LocalAddr()
			c.Close()
		}
	}()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		name, to, want string
	}{
		{"the machine's own address", "127.7.7.1", "this machine's own address"},
		{"written otherwise", "::ffff:127.7.7.1", "this machine's own address"},
		{"another address of the machine", "127.0.0.1", "not a public address of this site"},
		{"an address of its network", "10.99.0.1", "not a public address of this site"},
		{"nobody's public address", "127.7.7.21", "no instance has the address"},
		{"an instance's, without a gateway", "127.7.7.20", "no such device"},
		{"a VPC's, which the machine has too", "127.8.0.1", ""},
	} {
		to := netip.AddrPortFrom(addr(c.to), port)
		conn, err := a.dial(t.Context(), "", to)
		if err == nil {
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: dialled, %v; want %q", c.name, err, c.want)
		}
		for _, proto := range []sim.Protocol{sim.ProtocolTCP, sim.ProtocolUDP, sim.ProtocolICMP} {
			r, err := a.probe(t.Context(), dataplane.Probe{To: to.Addr(), Protocol: proto, Port: int(port), Timeout: 100 * time.Millisecond})
			if r.Open || err == nil && r.Error == "" {
				t.Errorf("%s: protocol %d gets an answer: %+v, %v", c.name, proto, r, err)
			}
		}
		// What answers on the same way may be named by a stranger, too.
		if _, err := a.probe(t.Context(), dataplane.Probe{To: addr("127.7.7.20"), Protocol: sim.ProtocolTCP, Port: int(port), Timeout: 100 * time.Millisecond, Control: to}); err != nil {
			t.Errorf("%s: as a control: %v", c.name, err)
		}
	}
	select {
	case at := <-reached:
		t.Errorf("%v was reached", at)
	case <-time.After(50 * time.Millisecond):
	}
}

// The address of an instance that the API has just told of is waited for.
func TestDialAwaitsTheConfig(t *testing.T) {
	c := labConfig(1)
	a := &Agent{site: site}
	a.current.Store(hold(c))
	public := sim.AddrAt(c.Public, 20)
	next := labConfig(2)
	next.VPCs[0].ENIs[0].Public = public
	time.AfterFunc(50*time.Millisecond, func() { a.current.Store(hold(next)) })
	if a.awaitOwner(t.Context(), public); !a.owned(public) {
		t.Errorf("it was given up before the config came")
	}
}
