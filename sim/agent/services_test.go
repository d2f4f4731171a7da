//go:build linux

package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"labsim/sim/dataplane"
)

func TestMetadataAndDNS(t *testing.T) {
	needRoot(t)
	n := newNode(t, t.TempDir())
	if r := n.set(labConfig(1)); len(r.Errors) != 0 {
		t.Fatal(r.Errors)
	}
	metadata := func() string {
		t.Helper()
		// The address that asks is the one asked, as this namespace has no other.
		c := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: n.dial}}
		resp, err := c.Get("http://169.254.169.254/latest/meta-data/instance-id")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := metadata(); got != string(iDB) {
		t.Errorf("instance-id %q, want %s", got, iDB)
	}
	resolve := func(server, network, name string) (rcode int, addr string) {
		t.Helper()
		conn, err := n.dial(t.Context(), network, server+":53")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		q := new(dns.Msg).SetQuestion(name, dns.TypeA)
		c := dns.Client{Net: network, Timeout: 2 * time.Second}
		a, _, err := c.ExchangeWithConn(q, &dns.Conn{Conn: conn})
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Answer) == 1 {
			addr = a.Answer[0].(*dns.A).A.String()
		}
		return a.Rcode, addr
	}
	for _, server := range []string{"10.0.0.2", "169.254.169.253"} {
		for _, network := range []string{"udp", "tcp"} {
			if _, got := resolve(server, network, "ip-10-0-1-10.ec2.internal."); got != "10.0.1.10" {
				t.Errorf("%s by %s: %q, want 10.0.1.10", server, network, got)
			}
		}
	}

	// A new config is what they answer from, on the same sockets.
	before := n.agent.services.live[vpcA]
	c := labConfig(2)
	c.VPCs[0].Metadata[1].Instance = iWeb
	c.VPCs[0].Names = nil
	n.set(c)
	if n.agent.services.live[vpcA] != before {
		t.Error("a new config made new listeners")
	}
	if got := metadata(); got != string(iWeb) {
		t.Errorf("instance-id %q after a change, want %s", got, iWeb)
	}
	if rcode, got := resolve("10.0.0.2", "udp", "ip-10-0-1-10.ec2.internal."); rcode != dns.RcodeNameError {
		t.Errorf("a name that is gone: %s %s, want NXDOMAIN", dns.RcodeToString[rcode], got)
	}

	// Without DNS support nobody listens, and metadata goes on.
	c.VPCs[0].DNS = netip.Addr{}
	n.set(c)
	for _, server := range []string{"10.0.0.2", "169.254.169.253"} {
		if conn, err := n.dial(t.Context(), "tcp", server+":53"); err == nil {
			conn.Close()
			t.Errorf("the resolver still listens at %s", server)
		}
	}
	if got := metadata(); got != string(iWeb) {
		t.Errorf("instance-id %q without DNS support, want %s", got, iWeb)
	}

	// A router that was made anew gets listeners of its own.
	n.driver.mu.Lock()
	n.driver.ns[vpcA].Close()
	delete(n.driver.ns, vpcA)
	n.driver.mu.Unlock()
	n.set(c)
	if got := metadata(); got != string(iWeb) {
		t.Errorf("instance-id %q in a new router, want %s", got, iWeb)
	}

	none := labConfig(3)
	none.VPCs = nil
	n.set(none)
	if len(n.agent.services.live) != 0 {
		t.Error("the services outlive the VPC")
	}
	if conn, err := n.dial(t.Context(), "tcp", "169.254.169.254:80"); err == nil {
		conn.Close()
		t.Error("the metadata service still listens")
	}
}

// dial connects from the VPC's namespace.
func (n *node) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = n.driver.In(vpcA, func() (err error) {
		conn, err = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

func TestHopLimit(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		m     dataplane.Metadata
		known bool
		want  int
	}{
		{dataplane.Metadata{HopLimit: 3}, true, 3},
		{dataplane.Metadata{HopLimit: 0}, true, 1},
		{dataplane.Metadata{}, false, 1},
	} {
		hop := hopListener{l, func(a netip.Addr) (dataplane.Metadata, bool) {
			return c.m, c.known && a == netip.MustParseAddr("127.0.0.1")
		}}
		near, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := hop.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := far.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got int
		raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TTL) })
		if err != nil || got != c.want {
			t.Errorf("%+v known %v: hop limit %d (%v), want %d", c.m.HopLimit, c.known, got, err, c.want)
		}
		near.Close()
		far.Close()
	}
}
