//go:build linux

package linux

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// seedLab is the seed's lab and its twin with all guests joined and servers up.
func seedLab(t testing.TB) *lab {
	l := newLab(t)
	pid, _ := l.edge("198.51.100.193/24")
	l.config.VPCs = []dataplane.VPC{seedVPC(pid), twinVPC()}
	l.set()
	for _, e := range []sim.ENIID{web, web2, db, other, bWeb, bPeer} {
		l.guest(e)
	}
	for _, e := range []sim.ENIID{web, web2, db, bWeb} {
		for _, port := range []int{80, 81, 5432} {
			l.serve(l.guests[e], fmt.Sprint(":", port))
		}
	}
	l.serve(l.peer, ":80")
	l.serve(l.host, ":80")
	return l
}

func TestPackets(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	g := l.guests

	t.Run("security groups", func(t *testing.T) {
		l.t = t
		hits, drops := l.counter(vpcA, "sgr-0db"), l.counter(vpcA, dropIngress(db))
		l.open(g[web], "10.0.2.10:5432", "10.0.1.10")
		l.open(g[db], "10.0.1.10:80", "10.0.2.10")
		l.closed(g[web], "10.0.2.10:80")
		l.closed(g[db], "10.0.1.10:81")
		l.closed(g[other], "10.0.2.10:5432") // not a member of web's group
		l.open(g[other], "10.0.1.11:80", "") // the second of two groups allows
		if n := l.counter(vpcA, "sgr-0db") - hits; n != 1 {
			t.Errorf("rule sgr-0db was hit %d times, want once", n)
		}
		if l.counter(vpcA, dropIngress(db)) == drops {
			t.Error("the drops at db were not counted")
		}
		if !ping(g[db], "10.0.1.10", patient) {
			t.Error("ping from db to web: no answer, though its type is allowed")
		}
		if ping(g[web], "10.0.2.10", wait) {
			t.Error("ping from web to db answers, though nothing allows it")
		}
	})

	t.Run("spoofed source", func(t *testing.T) {
		l.t = t
		var c net.PacketConn
		l.must(inNS(g[db], func() (err error) { c, err = net.ListenPacket("udp4", ":6000"); return }))
		defer c.Close()
		drops := l.counter(vpcA, dropSpoofed)
		l.must(sendRaw(g[web], addr("10.0.2.10"), udpPacket(addr("10.0.1.99"), addr("10.0.2.10"), 6000, "spoofed")))
		l.must(sendRaw(g[web], addr("10.0.2.10"), udpPacket(addr("10.0.1.10"), addr("10.0.2.10"), 6000, "true")))
		b := make([]byte, 64)
		c.SetDeadline(time.Now().Add(time.Second))
		n, _, err := c.ReadFrom(b)
		if err != nil || string(b[:n]) != "true" {
			t.Errorf("db received %q, %v; want the packet with the true source only", b[:n], err)
		}
		if n := l.counter(vpcA, dropSpoofed) - drops; n != 1 {
			t.Errorf("%d packets counted as spoofed, want 1", n)
		}
	})

	t.Run("internet gateway", func(t *testing.T) {
		l.t = t
		l.open(l.host, "198.51.100.20:80", "198.51.100.1")
		l.open(l.peer, "198.51.100.21:80", "198.51.100.240")
		l.open(g[web], "198.51.100.240:80", "198.51.100.20")
		l.open(g[web], "198.51.100.21:80", "198.51.100.20") // hairpin
		l.open(g[web], "198.51.100.20:80", "198.51.100.20") // to itself
		l.closed(l.peer, "198.51.100.20:81")
		if !ping(l.peer, "198.51.100.20", patient) {
			t.Error("ping from the internet to web: no answer")
		}
	})

	t.Run("no way out", func(t *testing.T) {
		l.t = t
		noRoute, noPublic := l.counter(vpcA, dropNoRoute), l.counter(vpcA, dropNoPublic)
		l.closed(g[db], "198.51.100.240:80")
		l.closed(g[other], "198.51.100.240:80")
		if l.counter(vpcA, dropNoRoute) == noRoute {
			t.Error("the packets of db, whose subnet has no route, were not counted")
		}
		if l.counter(vpcA, dropNoPublic) == noPublic {
			t.Error("the packets of other, which has no public address, were not counted")
		}
		l.open(l.peer, "198.51.100.1:80", "") // control: the host does listen
		l.closed(g[web], "198.51.100.1:80")
		l.closed(g[web], "198.51.100.193:80")
		if ping(g[web], "198.51.100.1", wait) || ping(g[web], "198.51.100.193", wait) {
			t.Error("web can ping the host or the edge itself")
		}
	})

	t.Run("no way in but by public addresses", func(t *testing.T) {
		l.t = t
		p := l.handle(l.peer)
		l.must(p.RouteAdd(&netlink.Route{Dst: ipNet(prefix("10.0.0.0/16")), Gw: net.ParseIP("198.51.100.193")}))
		l.closed(l.peer, "10.0.1.10:80")
		drops := l.counter(vpcA, dropSpoofed)
		l.must(sendRaw(l.peer, addr("198.51.100.20"), udpPacket(addr("10.0.2.10"), addr("198.51.100.20"), 80, "forged")))
		l.eventually("the forged source counts as spoofed", func() bool { return l.counter(vpcA, dropSpoofed) == drops+1 })
	})

	t.Run("router", func(t *testing.T) {
		l.t = t
		var ln net.Listener
		l.must(l.d.In(vpcA, func() (err error) { ln, err = net.Listen("tcp4", ":80"); return }))
		defer ln.Close()
		var dns net.PacketConn
		l.must(l.d.In(vpcA, func() (err error) { dns, err = net.ListenPacket("udp4", "10.0.0.2:53"); return }))
		defer dns.Close()
		for a, want := range map[string]bool{"169.254.169.254:80": true, "10.0.1.1:80": false, "10.0.0.2:80": false} {
			c, err := dial(g[db], a, wait)
			if (err == nil) != want {
				t.Errorf("connect to the router at %s: %v, want open %v", a, err, want)
			}
			if err == nil {
				c.Close()
			}
		}
		if ping(g[db], "10.0.2.1", wait) {
			t.Error("the router answers a ping")
		}
		l.must(inNS(g[web], func() error {
			c, err := net.Dial("udp4", "10.0.0.2:53")
			if err == nil {
				_, err = c.Write([]byte("query"))
				c.Close()
			}
			return err
		}))
		dns.SetDeadline(time.Now().Add(time.Second))
		if _, from, err := dns.ReadFrom(make([]byte, 64)); err != nil || from.(*net.UDPAddr).IP.String() != "10.0.1.10" {
			t.Errorf("resolver got a query from %v, %v", from, err)
		}
	})

	t.Run("same block twice", func(t *testing.T) {
		l.t = t
		before := l.counter(vpcA, "sgr-0http")
		l.open(g[bPeer], "10.0.1.10:81", "10.0.1.20") // web in vpcA has 81 closed
		l.closed(g[bPeer], "10.0.2.10:5432")
		l.closed(g[bPeer], "198.51.100.240:80")
		if l.counter(vpcA, "sgr-0http") != before {
			t.Error("packets of one VPC were counted in the other")
		}
	})
}

// Where the VPC has no resolver, its addresses are the router's still: they lead to
// nobody, whatever the subnet's table says.
func TestResolverSwitchedOff(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	v := twinVPC()
	v.DNS = netip.Addr{}
	v.Tables[0].Routes = []dataplane.Route{{Destination: sim.Everywhere, Kind: dataplane.RouteENI, ENI: bWeb}}
	v.ENIs[1].SourceDestCheck = false
	l.config.VPCs = []dataplane.VPC{v}
	l.set()
	l.guest(bWeb)
	from := l.guest(bPeer)
	for _, to := range []string{"10.0.0.2", "169.254.169.253"} {
		drops, passed := l.counter(vpcB, dropRouter), l.counter(vpcB, "sgr-0bout")
		l.must(sendRaw(from, addr(to), udpPacket(addr("10.0.1.20"), addr(to), 53, "query")))
		l.eventually("the router drops what is sent to "+to, func() bool { return l.counter(vpcB, dropRouter) == drops+1 })
		if n := l.counter(vpcB, "sgr-0bout") - passed; n != 0 {
			t.Errorf("%d packets to %s were let out to where the route leads", n, to)
		}
	}
}

func TestSetWritesOnlyDifferences(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.set()
	before := l.d.writes.Load()
	l.set()
	if n := l.d.writes.Load() - before; n != 0 {
		t.Errorf("a Set with nothing to do made %d changes", n)
	}
	l.restart()
	l.set()
	before = l.d.writes.Load()
	l.set()
	if n := l.d.writes.Load() - before; n != 0 {
		t.Errorf("the second Set after a restart made %d changes", n)
	}
	s, err := l.d.Status(context.Background())
	l.must(err)
	if len(s.Links) != 6 || len(s.Gateways) != 1 {
		t.Errorf("status %+v, want 6 links and the gateway", s)
	}
}

func TestRestartKeepsConnections(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	inside, err := dial(l.guests[web], "10.0.2.10:5432", patient)
	l.must(err)
	defer inside.Close()
	outside, err := dial(l.peer, "198.51.100.20:80", patient)
	l.must(err)
	defer outside.Close()
	line(inside, patient)
	line(outside, patient)
	l.restart()
	l.vpc(vpcA).Groups[0].Ingress = nil // what is established goes on
	l.set()
	l.echo(inside, true)
	l.echo(outside, true)
	l.closed(l.guests[web], "10.0.2.10:5432")
	l.vpc(vpcA).Groups[0].Ingress = seedVPC(0).Groups[0].Ingress
	l.set()
	l.open(l.guests[web], "10.0.2.10:5432", "")
}

// echo checks that an open connection still carries data, or no longer does.
func (l *lab) echo(c net.Conn, want bool) {
	l.t.Helper()
	timeout := wait
	if want {
		timeout = patient
	}
	fmt.Fprintln(c, "still there")
	if got, err := line(c, timeout); (err == nil && got == "still there") != want {
		l.t.Errorf("connection to %s: got %q, %v; want it alive: %v", c.RemoteAddr(), got, err, want)
	}
}

func TestGatewayComesAndGoes(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	local, err := dial(l.guests[web], "10.0.2.10:5432", patient)
	l.must(err)
	defer local.Close()
	line(local, patient)
	c, err := dial(l.peer, "198.51.100.20:80", patient)
	l.must(err)
	defer c.Close()
	line(c, patient)

	routes := l.vpc(vpcA).Tables[1].Routes
	l.vpc(vpcA).Tables[1].Routes = nil
	l.set()
	l.echo(c, false) // a route is asked for every packet
	l.closed(l.guests[web], "198.51.100.240:80")
	l.echo(local, true)
	l.vpc(vpcA).Tables[1].Routes = routes
	l.set()
	l.open(l.guests[web], "198.51.100.240:80", "198.51.100.20")

	gateway := l.vpc(vpcA).Gateway
	l.vpc(vpcA).Gateway = nil
	l.set()
	l.closed(l.peer, "198.51.100.20:80")
	l.closed(l.guests[web], "198.51.100.240:80")
	l.echo(local, true)

	gateway.PID, _ = l.edge("198.51.100.194/24") // another edge, with another MAC
	l.vpc(vpcA).Gateway = gateway
	h := l.handle(l.host)
	port, err := h.LinkByName(fmt.Sprint("p", gateway.PID))
	l.must(err)
	l.must(h.LinkSetDown(port)) // the bridge comes late: it swallows the first announcement
	l.set()
	l.must(h.LinkSetUp(port))
	l.eventually("the peer knows the new edge", func() bool { // the old one's neighbours are told: unreachable
		_, err := seen(l.peer, "198.51.100.20:80", wait)
		return err == nil
	})
	l.open(l.peer, "198.51.100.20:80", "198.51.100.240") // its neighbour entry was the old edge's
	l.open(l.guests[web], "198.51.100.240:80", "198.51.100.20")
}

func TestEdgeDies(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pid, kill := l.edge("198.51.100.193/24")
	l.config.VPCs = []dataplane.VPC{seedVPC(pid)}
	l.set()
	l.guest(web)
	kill()
	err := l.d.Set(context.Background(), &l.config)
	problems := Problems(err)
	if len(problems) != 1 || problems[0].Resource != "igw-0a" {
		t.Fatalf("a Set with a dead edge reports %+v, want one problem of the gateway", problems)
	}
	if s, _ := l.d.Status(context.Background()); len(s.Gateways) != 0 || len(s.Links) != 1 {
		t.Errorf("status %+v, want no gateway and web's link", s)
	}
	l.vpc(vpcA).Gateway.PID, _ = l.edge("198.51.100.194/24")
	l.set()
	l.serve(l.guests[web], ":80")
	l.open(l.peer, "198.51.100.20:80", "")
}

func TestEdgeMustBeAnEdge(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.config.VPCs = []dataplane.VPC{seedVPC(1)} // a process, but not an edge
	if problems := Problems(l.d.Set(context.Background(), &l.config)); len(problems) != 1 {
		t.Fatalf("problems %+v, want one", problems)
	}
}

func TestPublicAddressMoves(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	c, err := dial(l.peer, "198.51.100.20:80", patient)
	l.must(err)
	defer c.Close()
	line(c, patient)
	swapped := []dataplane.PublicAddr{
		{Public: addr("198.51.100.20"), Private: addr("10.0.1.11")},
		{Public: addr("198.51.100.21"), Private: addr("10.0.1.10")},
	}
	l.vpc(vpcA).Gateway.Publics = swapped
	l.set()
	l.echo(c, false)
	l.open(l.guests[web2], "198.51.100.240:80", "198.51.100.20")
	l.open(l.guests[web], "198.51.100.240:80", "198.51.100.21")
	l.open(l.peer, "198.51.100.20:80", "")
	l.vpc(vpcA).Gateway.Publics = swapped[:1]
	l.set()
	l.closed(l.guests[web], "198.51.100.240:80")
	l.closed(l.peer, "198.51.100.21:80")
}

// Whoever knocks at an address before it is somebody's gets through once it is,
// also by the very same connection: the edge remembers no packet that it dropped.
func TestPublicAddressComesWhileClientsKnock(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	publics := l.vpc(vpcA).Gateway.Publics
	l.vpc(vpcA).Gateway.Publics = publics[:1]
	l.set()
	l.open(l.peer, "198.51.100.20:80", "")
	h := l.handle(l.peer)
	neighbours, err := h.NeighList(0, netlink.FAMILY_V4)
	l.must(err)
	i := slices.IndexFunc(neighbours, func(n netlink.Neigh) bool { return n.IP.String() == "198.51.100.20" })
	late := neighbours[i] // what the peer knew of an earlier owner
	late.IP, late.State = net.IPv4(198, 51, 100, 21), netlink.NUD_PERMANENT
	l.must(h.NeighSet(&late))
	knock := func(timeout time.Duration) error {
		return inNS(l.peer, func() error {
			d := net.Dialer{Timeout: timeout, LocalAddr: &net.TCPAddr{Port: 4021}}
			c, err := d.Dial("tcp4", "198.51.100.21:80")
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	if err := knock(wait); err == nil {
		t.Fatal("an address that nobody has answers")
	}
	l.vpc(vpcA).Gateway.Publics = publics
	l.set()
	if err := knock(patient); err != nil {
		t.Errorf("after the address was given to an instance: %v", err)
	}
}

func TestReusedAddress(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	c, err := dial(l.guests[web], "10.0.2.10:5432", patient)
	l.must(err)
	defer c.Close()
	line(c, patient)
	// Another interface gets db's address; its group allows nothing.
	v := l.vpc(vpcA)
	v.ENIs[0] = eni("eni-0new", "subnet-0priv", "10.0.2.10", "0a:00:00:00:02:11", "sg-0none")
	l.set()
	// That is forgotten when the owner goes, so that no Join has to wait for it.
	r := l.d.router(vpcA)
	flows, err := l.handle(r.ns).ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
	l.must(err)
	for _, f := range flows {
		if touches(map[netip.Addr]bool{addr("10.0.2.10"): true})(endsOf(f.Forward), endsOf(f.Reverse)) {
			t.Errorf("of the former owner is left: %v", f)
		}
	}
	if owner := r.owners[addr("10.0.2.10")]; owner != nobody {
		t.Errorf("the address is still that of %s", owner)
	}
	l.guest("eni-0new")
	drops := l.counter(vpcA, dropIngress("eni-0new"))
	l.echo(c, false)
	if l.counter(vpcA, dropIngress("eni-0new")) == drops {
		t.Error("the former owner's connection passed the groups of the new one")
	}
}

func TestJoinIsRepeatable(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.config.VPCs = []dataplane.VPC{twinVPC()}
	if _, err := l.d.Join(context.Background(), bWeb); err == nil {
		t.Fatal("Join of an interface that no config has: no error")
	}
	l.set()
	l.must(func() error { _, err := l.d.Join(context.Background(), bWeb); return err }()) // its answer was lost
	l.guest(bWeb)
	l.guest(bWeb) // the container was started again
	l.guest(bPeer)
	l.serve(l.guests[bWeb], ":80")
	l.open(l.guests[bPeer], "10.0.1.10:80", "10.0.1.20")
	l.must(l.d.Leave(context.Background(), bWeb))
	l.must(l.d.Leave(context.Background(), bWeb))
	l.closed(l.guests[bPeer], "10.0.1.10:80")
	l.config.VPCs[0].ENIs = l.config.VPCs[0].ENIs[:1]
	l.set()
	l.config.VPCs[0].ENIs = nil
	l.set()
	if _, err := l.handle(l.guests[bPeer]).LinkByName("eth0"); err == nil {
		t.Error("an interface that left the config still stands")
	}
}

// The engine stops a container while the agent begins again, before its first Set.
func TestLeaveAfterRestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.config.VPCs = []dataplane.VPC{seedVPC(0), twinVPC()}
	l.set()
	l.guest(bWeb)
	r := l.d.router(vpcB)
	h := l.handle(r.ns)
	l.restart()
	l.must(l.d.Leave(context.Background(), bWeb))
	if _, err := h.LinkByName(site.RouterLink(bWeb)); err == nil {
		t.Error("the interface still stands in its router")
	}
	l.must(l.d.Leave(context.Background(), bWeb))
}

// Somebody meddles with a router; the next Set puts it right.
func TestSetMends(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.ignore()
	l.config.VPCs = []dataplane.VPC{twinVPC()}
	l.set()
	l.guest(bWeb)
	l.guest(bPeer)
	l.serve(l.guests[bWeb], ":80")
	r := l.d.router(vpcB)
	h := l.handle(r.ns)
	link, err := h.LinkByName(l.d.o.Site.RouterLink(bWeb))
	l.must(err)
	for name, meddle := range map[string]func(){
		"rules": func() {
			var state ruleState
			_, err := state.apply(r.ns, ruleset("t-linux", public, dataplane.VPC{}))
			l.must(err)
		},
		"link": func() { l.must(h.LinkSetDown(link)) },
		"route": func() {
			l.must(r.setRoutes(h, nil))
		},
		"neighbour": func() {
			all, err := h.NeighList(link.Attrs().Index, 2)
			l.must(err)
			for _, n := range all {
				l.must(h.NeighDel(&n))
			}
			l.must(h.LinkSetARPOff(link))
			l.must(h.LinkSetARPOn(link))
		},
	} {
		meddle()
		if name != "neighbour" { // which the kernel can ask for
			l.closed(l.guests[bPeer], "10.0.1.10:80")
		}
		l.set()
		// The guest may be waiting to repeat an ARP request.
		l.eventually(name+" mended", func() bool {
			_, err := seen(l.guests[bPeer], "10.0.1.10:80", wait)
			return err == nil
		})
	}
}

func TestRouteToInterface(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	v := l.vpc(vpcA)
	v.Tables[0].Routes = []dataplane.Route{{Destination: prefix("203.0.113.0/24"), Kind: dataplane.RouteENI, ENI: web}}
	v.Groups[2].Ingress = append(v.Groups[2].Ingress, dataplane.Rule{ID: "sgr-0any", Protocol: sim.ProtocolUDP, FromPort: -1, ToPort: -1, CIDR: sim.Everywhere})
	l.set()
	g := l.handle(l.guests[web])
	l.up(g, "lo", "203.0.113.7/32")
	var c net.PacketConn
	l.must(inNS(l.guests[web], func() (err error) { c, err = net.ListenPacket("udp4", "203.0.113.7:9"); return }))
	defer c.Close()
	send := func() error {
		return sendRaw(l.guests[db], addr("203.0.113.7"), udpPacket(addr("10.0.2.10"), addr("203.0.113.7"), 9, "x"))
	}
	drops := l.counter(vpcA, dropSrcDest)
	l.must(send())
	l.eventually("the source/destination check counts", func() bool { return l.counter(vpcA, dropSrcDest) == drops+1 })
	l.eni(web).SourceDestCheck = false
	l.set()
	l.must(send())
	c.SetDeadline(time.Now().Add(time.Second))
	if _, _, err := c.ReadFrom(make([]byte, 9)); err != nil {
		t.Errorf("without the check the packet should arrive: %v", err)
	}
}

func TestClearLeavesNothing(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.restart() // what an earlier process made goes, too
	l.must(l.d.Clear(context.Background()))
	for id, ns := range l.guests {
		if _, err := l.handle(ns).LinkByName("eth0"); err == nil {
			t.Errorf("%s still has its interface", id)
		}
	}
	links, err := l.handle(l.host).LinkList()
	l.must(err)
	for _, x := range links {
		if x.Type() == "veth" && x.Attrs().Name[0] == 'g' {
			t.Errorf("link %s left with the engine", x.Attrs().Name)
		}
	}
	l.must(l.d.Clear(context.Background()))
	(&damage{lab: l}).nft(l.host, func(c *nftables.Conn) {
		if tables, err := c.ListTables(); err != nil || len(tables) > 0 {
			t.Errorf("%d tables left with the engine, %v", len(tables), err)
		}
	})
}
