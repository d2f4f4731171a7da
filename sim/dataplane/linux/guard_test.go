//go:build linux

package linux

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// bInternet is the gateway of the twin, on an edge of its own.
func bInternet(l *lab) *dataplane.Gateway {
	pid, _ := l.edge("198.51.100.194/24")
	v := l.vpc(vpcB)
	v.Tables[0].Routes = []dataplane.Route{{Destination: sim.Everywhere, Kind: dataplane.RouteGateway}}
	v.Gateway = &dataplane.Gateway{ID: "igw-0b", Container: "edge-b", PID: pid,
		Publics: []dataplane.PublicAddr{{Public: addr("198.51.100.30"), Private: addr("10.0.1.10")}}}
	return v.Gateway
}

// neighbour is a namespace on a link of the host, which it knows as host.
func (l *lab) neighbour(link, host, own string) netns.NsHandle {
	ns, h := l.namespace(), l.handle(l.host)
	a := netlink.NewLinkAttrs()
	a.Name = link
	l.must(h.LinkAdd(&netlink.Veth{LinkAttrs: a, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(ns))}))
	l.up(h, link, host)
	l.up(l.handle(ns), "eth0", own)
	return ns
}

// forwards makes the host what the engine makes of it: it forwards, and
// translates what leaves the bridge.
func (l *lab) forwards() {
	_, err := setSysctls(l.host, sysctl{"net/ipv4/ip_forward", "1"})
	l.must(err)
	masquerade := part{"masquerade", []expr.Any{&expr.Masq{}}}
	var s ruleState
	_, err = s.apply(l.host, table{family: nftables.TableFamilyIPv4, name: "engine", chains: []chain{{name: "c_nat",
		hook:  base(nftables.ChainTypeNAT, "postrouting", nftables.ChainHookPostrouting, 100, nftables.ChainPolicyAccept),
		rules: []rule{newRule(saddr(public), part{"oifname != bridge", []expr.Any{meta(expr.MetaKeyOIFNAME), &expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: ifname(site.Bridge())}}}, masquerade)}}}})
	l.must(err)
}

// arrivals counts the packets that come into a namespace for its port 80: the last
// ones of its own connections may come at any time.
func (l *lab) arrivals(ns netns.NsHandle) func() uint64 {
	var s ruleState
	_, err := s.apply(ns, table{family: nftables.TableFamilyIPv4, name: "seen", counters: []string{"seen"}, chains: []chain{{name: "c_seen",
		hook:  base(nftables.ChainTypeFilter, "prerouting", nftables.ChainHookPrerouting, 0, nftables.ChainPolicyAccept),
		rules: []rule{newRule(protocol(sim.ProtocolTCP), dports(80, 80), count("seen"))}}}})
	l.must(err)
	return func() uint64 {
		c, err := counters(ns, nftables.TableFamilyIPv4, "seen")
		l.must(err)
		return c["seen"].Packets
	}
}

// refused returns the guard's counters; without a guard there are none.
func (l *lab) refused() (machine, ranges uint64) {
	c, _ := counters(l.host, nftables.TableFamilyIPv4, site.HostTable())
	return c[refusedMachine].Packets, c[refusedRange].Packets
}

func (l *lab) guardStands() bool {
	c, err := nftables.New(nftables.WithNetNSFd(int(l.host)))
	l.must(err)
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	l.must(err)
	return slices.ContainsFunc(chains, func(x *nftables.Chain) bool { return x.Table.Name == site.HostTable() && x.Name == "c_guard" })
}

// The real internet is a namespace behind the host; beside it are what must stay
// out of reach: the host itself and a private network.
func TestInternet(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.ignore()
	l.forwards()
	far := l.neighbour("far", "203.0.113.1/24", "203.0.113.10/24") // knows no way to the public range
	lan := l.neighbour("lan", "10.77.0.1/24", "10.77.0.10/24")
	l.must(l.handle(lan).RouteAdd(&netlink.Route{Gw: []byte{10, 77, 0, 1}}))
	l.serve(far, ":80")
	l.serve(lan, ":80")
	bInternet(l)
	l.set()
	arrived := l.arrivals(far)
	web, db, bWeb := l.guests[web], l.guests[db], l.guests[bWeb]
	gateway := func() *dataplane.Gateway { return l.vpc(vpcA).Gateway }

	nothingNear := func() {
		t.Helper()
		for _, a := range []string{"198.51.100.1:80", "203.0.113.1:80", "10.77.0.10:80", "10.77.0.1:80"} {
			l.closed(web, a)
		}
		l.open(l.host, "198.51.100.20:80", "198.51.100.1")
	}
	// Controls: what is refused to web answers others.
	l.open(far, "203.0.113.1:80", "203.0.113.10")
	l.open(l.host, "10.77.0.10:80", "10.77.0.1")

	before := arrived()
	l.closed(web, "203.0.113.10:80")
	nothingNear()
	if n := arrived() - before; n != 0 || l.guardStands() {
		t.Errorf("offline, %d packets came to the internet; guard stands: %v", n, l.guardStands())
	}

	gateway().Internet = true
	l.set()
	l.open(web, "203.0.113.10:80", "203.0.113.1")
	nothingNear()
	l.closed(db, "203.0.113.10:80")
	l.closed(bWeb, "203.0.113.10:80") // another lab's gateway is still shut
	l.open(l.host, "198.51.100.30:80", "198.51.100.1")
	writes := l.d.writes.Load()
	l.set()
	if n := l.d.writes.Load() - writes; n != 0 {
		t.Errorf("the same config again wrote %d times", n)
	}
	// Who sits on the bridge itself, behind no router, meets the guard alone.
	machine, ranges := l.refused()
	l.closed(l.peer, "203.0.113.1:80")
	l.closed(l.peer, "198.51.100.1:80")
	l.closed(l.peer, "10.77.0.10:80")
	l.open(l.peer, "203.0.113.10:80", "203.0.113.1")
	l.open(l.peer, "198.51.100.20:80", "198.51.100.240")
	if m, r := l.refused(); m < machine+2 || r == ranges {
		t.Errorf("the guard refused %d and %d more packets", m-machine, r-ranges)
	}
	status, err := l.d.Status(context.Background())
	if err != nil || !slices.Equal(status.Machine, []netip.Addr{addr("203.0.113.1")}) {
		t.Errorf("the machine has %v, %v", status.Machine, err)
	}

	// Another process takes over; what is open stays open.
	c, err := dial(web, "203.0.113.10:80", patient)
	l.must(err)
	defer c.Close()
	if _, err := line(c, patient); err != nil {
		t.Fatal(err)
	}
	echo := func() error {
		if _, err := c.Write([]byte("still\n")); err != nil {
			return err
		}
		_, err := line(c, wait)
		return err
	}
	l.restart()
	if !l.guardStands() {
		t.Error("a new process has no guard")
	}
	l.set()
	l.must(echo())

	// Somebody takes the machine's rules for nobody's.
	nft := &damage{lab: l}
	nft.nft(l.host, func(c *nftables.Conn) {
		c.DelTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: site.HostTable()})
	})
	if found, err := l.d.Drift(context.Background(), nil); err != nil || len(found) != 1 || !strings.Contains(found[0].What.String(), site.HostTable()) {
		t.Errorf("the guard is gone, and drift says %v, %v", found, err)
	}
	before = arrived()
	l.closed(web, "203.0.113.10:80") // by routing
	l.closed(l.peer, "10.77.0.10:80")
	if n := arrived() - before; n != 0 {
		t.Errorf("without the guard %d packets came to the internet", n)
	}
	l.set()
	if found, err := l.d.Drift(context.Background(), nil); err != nil || len(found) > 0 || !l.guardStands() {
		t.Errorf("mended, drift says %v, %v; guard stands: %v", found, err, l.guardStands())
	}

	gateway().Internet = false
	l.set()
	if echo() == nil {
		t.Error("an open connection outlives internet: real")
	}
	before = arrived()
	l.closed(web, "203.0.113.10:80")
	if n := arrived() - before; n != 0 || l.guardStands() {
		t.Errorf("offline again, %d packets came to the internet; guard stands: %v", n, l.guardStands())
	}
	nothingNear()

	gateway().Internet = true
	l.set()
	l.restart()
	l.must(l.d.Clear(context.Background()))
	if gates, err := gatesOf(l.handle(l.host), site); err != nil || len(gates) > 0 || l.guardStands() {
		t.Errorf("Clear left the guard, or rules of routing: %v, %v", gates, err)
	}
}

// A guard that somebody removes is back at once.
func TestGuardIsMended(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.forwards()
	far := l.neighbour("far", "203.0.113.1/24", "203.0.113.10/24")
	l.serve(far, ":80")
	l.vpc(vpcA).Gateway.Internet = true
	l.set()
	start := time.Now()
	(&damage{lab: l}).nft(l.host, func(c *nftables.Conn) {
		c.DelTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: site.HostTable()})
	})
	l.eventually("the guard is back", l.guardStands)
	t.Logf("the guard was back after %v", time.Since(start).Round(100*time.Microsecond))
	l.open(l.guests[web], "203.0.113.10:80", "203.0.113.1")
	l.closed(l.guests[web], "203.0.113.1:80")
}

// Where the guard can't be made to stand, no gateway is opened.
func TestUnguarded(t *testing.T) {
	broken := errors.New("no namespace")
	d, err := New(Options{Site: site, Pins: NewDirPins(t.TempDir(), nil), HostNS: func() (netns.NsHandle, error) { return 0, broken }})
	if err != nil {
		t.Fatal(err)
	}
	v := seedVPC(1)
	v.Gateway.Internet = true
	c := &dataplane.Config{Site: string(site), Public: public, VPCs: []dataplane.VPC{v, twinVPC()}}
	got, err := d.guarded(c)
	if !errors.Is(err, broken) || got.VPCs[0].Gateway.Internet {
		t.Errorf("unguarded, the config has the internet real %v, error %v", got.VPCs[0].Gateway.Internet, err)
	}
	if !c.VPCs[0].Gateway.Internet {
		t.Error("the config that was handed over is changed")
	}
}
