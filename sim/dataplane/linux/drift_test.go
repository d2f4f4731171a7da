//go:build linux

package linux

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
)

// damage is a hand in the kernel: the router's, the edge's, the guests'.
type damage struct {
	*lab
	router, edge     netns.NsHandle
	rh, eh           *netlink.Handle
	vpcTable, igwTab *nftables.Table
}

// nft changes rules of a namespace.
func (x *damage) nft(ns netns.NsHandle, f func(c *nftables.Conn)) {
	x.t.Helper()
	c, err := nftables.New(nftables.WithNetNSFd(int(ns)))
	x.must(err)
	f(c)
	x.must(c.Flush())
}

func (x *damage) link(h *netlink.Handle, name string) netlink.Link {
	x.t.Helper()
	l, err := h.LinkByName(name)
	x.must(err)
	return l
}

// dropRule deletes the rule of a chain that has this counter.
func (x *damage) dropRule(chain, counter string) {
	x.t.Helper()
	x.nft(x.router, func(c *nftables.Conn) {
		rules, err := c.GetRules(x.vpcTable, &nftables.Chain{Name: chain})
		x.must(err)
		i := slices.IndexFunc(rules, func(r *nftables.Rule) bool {
			return slices.ContainsFunc(r.Exprs, func(e expr.Any) bool { o, ok := e.(*expr.Objref); return ok && o.Name == counter })
		})
		if i < 0 {
			x.t.Fatalf("chain %s has no rule %s", chain, counter)
		}
		x.must(c.DelRule(&nftables.Rule{Table: x.vpcTable, Chain: rules[i].Chain, Handle: rules[i].Handle}))
	})
}

// TestDrift breaks one thing at a time: it is named, and Set mends it.
func TestDrift(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.ignore()
	l.eni(web).Instance, l.eni(db).Instance = "i-0web", "i-0db"
	l.set()
	x := &damage{lab: l, vpcTable: &nftables.Table{Family: nftables.TableFamilyINet, Name: "vpc"},
		igwTab: &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "igw"}}
	var err error
	x.router, err = l.d.o.Pins.Open(string(vpcA))
	l.must(err)
	defer x.router.Close()
	x.edge, err = netns.GetFromPid(l.vpc(vpcA).Gateway.PID)
	l.must(err)
	defer x.edge.Close()
	x.rh, x.eh = l.handle(x.router), l.handle(x.edge)
	joined := map[sim.ENIID]*os.File{}
	for id, ns := range l.guests {
		fd, err := dup(ns)
		l.must(err)
		joined[id] = os.NewFile(uintptr(fd), "netns")
		defer joined[id].Close()
	}
	drift := func() (texts []string) {
		t.Helper()
		found, err := l.d.Drift(context.Background(), joined)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			texts = append(texts, d.What.String())
			if d.Reboot != "" {
				t.Errorf("%q wants a reboot of %s, and Set mends it", d.What, d.Reboot)
			}
		}
		return texts
	}
	site := l.d.o.Site
	chain := func(name string) *nftables.Chain { return &nftables.Chain{Table: x.vpcTable, Name: name} }
	open := []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}

	for _, c := range []struct {
		name  string
		do    func()
		want  string
		least bool // more follows from it
	}{
		{name: "a rule", do: func() { x.dropRule("in-sg-0db", "sgr-0db") }, want: "the rule sgr-0db of security group sg-0db is not in the router"},
		{name: "a rule more", do: func() {
			x.nft(x.router, func(c *nftables.Conn) {
				c.AddRule(&nftables.Rule{Table: x.vpcTable, Chain: chain("in-sg-0db"), Exprs: open})
			})
		}, want: "security group sg-0db has a rule in the router that labsim did not make"},
		{name: "a member", do: func() {
			x.nft(x.router, func(c *nftables.Conn) {
				a := addr("10.0.1.10").As4()
				x.must(c.SetDeleteElements(&nftables.Set{Table: x.vpcTable, Name: "members-sg-0web"}, []nftables.SetElement{{Key: a[:]}}))
			})
		}, want: "the members of security group sg-0web"},
		{name: "an interface's groups", do: func() {
			x.nft(x.router, func(c *nftables.Conn) { c.FlushSet(&nftables.Set{Table: x.vpcTable, Name: "eni_in"}) })
		}, want: "network interface " + string(db) + " of", least: true},
		{name: "a policy", do: func() {
			x.nft(x.router, func(c *nftables.Conn) {
				accept := nftables.ChainPolicyAccept
				b := chain("c_ingress")
				b.Type, b.Hooknum, b.Priority, b.Policy = nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityRef(prioIngress), &accept
				c.AddChain(b)
			})
		}, want: "the rules that every packet of " + string(vpcA) + " meets (c_ingress)"},
		{name: "all rules", do: func() { x.nft(x.router, func(c *nftables.Conn) { c.DelTable(x.vpcTable) }) },
			want: "the rules of " + string(vpcA) + " are gone"},
		{name: "the default route", do: func() {
			x.must(x.rh.RouteDel(&netlink.Route{Table: tableOffset + 2, Dst: ipNet(sim.Everywhere), LinkIndex: x.link(x.rh, gatewayLink).Attrs().Index}))
		}, want: "the route to 0.0.0.0/0 of route table rtb-0pub is not in the router"},
		{name: "the way to an interface", do: func() {
			x.must(x.rh.RouteDel(&netlink.Route{Dst: ipNet(prefix32(addr("10.0.2.10"))), Scope: netlink.SCOPE_LINK,
				LinkIndex: x.link(x.rh, site.RouterLink(db)).Attrs().Index}))
		}, want: "the route to 10.0.2.10/32 is not in the router"},
		{name: "a route more", do: func() {
			x.must(x.rh.RouteAdd(&netlink.Route{Table: tableOffset + 1, Dst: ipNet(prefix("192.0.2.0/24")), Type: unix.RTN_BLACKHOLE}))
		}, want: "a route to 192.0.2.0/24 stands in route table rtb-0priv"},
		{name: "a subnet's choice", do: func() {
			r := netlink.NewRule()
			r.Family, r.Priority, r.Mark, r.Table = netlink.FAMILY_V4, rulePriority, subnetOffset+1, tableOffset+2
			x.must(x.rh.RuleDel(r))
		}, want: "subnet subnet-0pub does not use its route table"},
		{name: "what asks for a mark", do: func() { x.must(deleteRule(x.rh, gates()[2])) },
			want: "would pass packets without asking its rules"},
		{name: "a routing rule more", do: func() {
			r := netlink.NewRule()
			r.Family, r.Priority, r.Table = netlink.FAMILY_V4, 1, unix.RT_TABLE_MAIN
			x.must(x.rh.RuleAdd(r))
		}, want: "rules of routing that labsim did not make"},
		{name: "ARP rules", do: func() {
			x.nft(x.router, func(c *nftables.Conn) { c.DelTable(&nftables.Table{Family: nftables.TableFamilyARP, Name: "vpc"}) })
		}, want: "the rules of " + string(vpcA) + " are gone"},
		{name: "what counts connections", do: func() {
			x.nft(x.router, func(c *nftables.Conn) { c.FlushChain(chain(allowedChain)) })
		}, want: "the rules that every packet of " + string(vpcA) + " meets (allowed)"},
		{name: "the edge's marks", do: func() { x.must(deleteRule(x.eh, gates()[2])) }, want: "the routes in the edge"},
		{name: "forwarding", do: func() { _, err := setSysctls(x.router, sysctl{"net/ipv4/ip_forward", "0"}); x.must(err) },
			want: "accept_redirects is 1 in the router", least: true}, // the kernel ties it to ip_forward,
		{name: "an address of the router", do: func() {
			x.must(x.rh.AddrDel(x.link(x.rh, "lo"), &netlink.Addr{IPNet: ipNet(prefix32(sim.MetadataAddr))}))
		}, want: "lacks addresses of its own"},
		{name: "a link deleted", do: func() { x.must(x.rh.LinkDel(x.link(x.rh, site.RouterLink(db)))) },
			want: "network interface " + string(db) + " of i-0db has no link to its router"},
		{name: "a link down", do: func() { x.must(x.rh.LinkSetDown(x.link(x.rh, site.RouterLink(db)))) },
			want: "the link of network interface " + string(db) + " of"},
		{name: "the edge's rules", do: func() { x.nft(x.edge, func(c *nftables.Conn) { c.FlushTable(x.igwTab) }) },
			want: "the translation of public addresses by internet gateway igw-0a"},
		{name: "the edge's link", do: func() { x.must(x.eh.LinkDel(x.link(x.eh, vpcLink))) },
			want: "the link between the router and internet gateway igw-0a is missing"},
		{name: "the edge's link down", do: func() { x.must(x.eh.LinkSetDown(x.link(x.eh, vpcLink))) },
			want: "a link of internet gateway igw-0a is down", least: true},
		{name: "the edge's routes", do: func() { x.must(x.eh.RouteDel(&netlink.Route{Dst: ipNet(prefix("10.0.0.0/16"))})) },
			want: "the routes in the edge"},
		{name: "the edge's ARP", do: func() {
			x.must(x.eh.NeighDel(&netlink.Neigh{LinkIndex: x.link(x.eh, internetLink).Attrs().Index, IP: addr("198.51.100.20").AsSlice(),
				Family: netlink.FAMILY_V4, Flags: netlink.NTF_PROXY}))
		}, want: "does not answer for the public addresses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.t = t
			c.do()
			got := drift()
			if len(got) == 0 || !strings.Contains(got[0], c.want) || len(got) > 1 && !c.least {
				t.Errorf("drift %q, want %q", got, c.want)
			}
			l.set()
			if got := drift(); len(got) > 0 {
				t.Fatalf("drift after Set: %q", got)
			}
			l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
			if strings.Contains(c.name, "rule") {
				l.closed(l.guests[other], "10.0.2.10:5432")
			}
			l.open(l.peer, "198.51.100.20:80", "198.51.100.240")
		})
	}

	t.Run("somebody else's table is no drift", func(t *testing.T) {
		l.t = t
		x.nft(x.router, func(c *nftables.Conn) { c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "other"}) })
		if got := drift(); len(got) > 0 { // the whole ruleset was read and compared
			t.Errorf("drift: %q", got)
		}
	})

	guestEnd := func() netlink.Link { return x.link(l.handle(l.guests[web]), "eth0") }
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"the guest's end down", func() { x.must(l.handle(l.guests[web]).LinkSetDown(guestEnd())) }, "is down in"},
		{"the link deleted, and its guest not connected", func() {
			x.must(x.rh.LinkDel(x.link(x.rh, site.RouterLink(web))))
			l.holds(web, false)
			joined[web] = nil
		}, "has no link to its router"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.t = t
			c.do()
			l.set()
			found, err := l.d.Drift(context.Background(), joined)
			l.must(err)
			of := l.eni(web).Instance
			if len(found) != 1 || found[0].Reboot != of || !strings.Contains(found[0].What.String(), c.want) {
				t.Errorf("drift %+v, want one that a reboot of %s mends", found, of)
			}
		})
	}
}
