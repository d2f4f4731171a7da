//go:build linux

package linux

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Names in an edge: its leg to the internet, made by the engine, and its leg to
// the router, made here.
const (
	internetLink = "eth0"
	vpcLink      = "vpc0"
)

// internetMTU is the size of packets beyond the gateway.
const internetMTU = 1500

// The pair between router and edge has no addresses of its own. hop stands for
// the other end on both sides; it is never on the wire, as the neighbours are
// fixed and ARP is off.
var (
	hop       = netip.MustParseAddr("169.254.255.1")
	routerLeg = net.HardwareAddr{0x0a, 0x58, 0, 0, 0, 2}
	edgeLeg   = net.HardwareAddr{0x0a, 0x58, 0, 0, 0, 3}
)

// edge is what a router knows of its edge's namespace.
type edge struct {
	ns      string // which one
	rules   ruleState
	watch   *watch                    // of the rules; nil: none yet
	publics map[netip.Addr]netip.Addr // public to private, as translated now; nil: unknown
	pid     int
	moved   []netip.Addr // to be announced
	inForce bool
}

// edgeSysctls, besides forwarding.
var edgeSysctls = append([]sysctl{
	{"net/ipv6/conf/all/disable_ipv6", "1"},
	{"net/ipv6/conf/default/disable_ipv6", "1"},
	{"net/ipv4/conf/all/rp_filter", "0"},
	{"net/ipv4/conf/default/rp_filter", "0"},
	{"net/ipv4/conf/" + internetLink + "/rp_filter", "0"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv4/conf/" + internetLink + "/send_redirects", "0"},
	{"net/ipv4/neigh/" + internetLink + "/proxy_delay", "0"},
}, flowSysctls...)

// gateway attaches the edge, or takes the gateway's link away where the config
// has no gateway or its edge isn't there: the routes go with the link.
func (r *router) gateway(h *netlink.Handle) error {
	g := r.want.vpc.Gateway
	if g == nil || g.PID == 0 {
		r.forgetEdge()
		return about(string(r.id), r.detach(h))
	}
	if err := r.attach(h, *g); err != nil {
		r.forgetEdge()
		return about(string(g.ID), errors.Join(err, r.detach(h)))
	}
	return nil
}

// forgetEdge drops what is known of the edge.
func (r *router) forgetEdge() {
	r.edge.watch.close()
	r.edge = edge{}
}

// watchEdge has the edge's rules put back as soon as somebody else changes them.
func (r *router) watchEdge(ns netns.NsHandle) (err error) {
	if r.edge.watch == nil && !r.d.blind.Load() {
		r.edge.watch, err = watchRules(ns, r.mendEdge)
	}
	return err
}

func (r *router) detach(h *netlink.Handle) error {
	l, err := h.LinkByName(gatewayLink)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.deleteLink(h, l)
}

func (r *router) attach(h *netlink.Handle, g dataplane.Gateway) error {
	ns, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/ns/net", g.PID))
	if err != nil {
		return fmt.Errorf("the edge container %s is not running: %w", g.Container, err)
	}
	defer ns.Close()
	eh, err := handleAt(ns)
	if err != nil {
		return err
	}
	defer eh.Close()
	eth0, err := r.checkEdge(ns, eh, g)
	if err != nil {
		return err
	}
	if id := ns.UniqueId(); r.edge.ns != id {
		r.forgetEdge()
		r.edge.ns = id
	}
	inside, outside := pairOf(h, eh)
	fresh := inside == nil
	// A new edge may have forwarded before it had rules. What is tracked from that
	// time is never translated: it must not begin, and is forgotten below.
	if fresh {
		if err := r.edgeSysctls(ns, sysctl{"net/ipv4/ip_forward", "0"}); err != nil {
			return err
		}
	}
	if err := r.edgeSysctls(ns, edgeSysctls...); err != nil {
		return err
	}
	if err := r.wrote(r.edge.rules.apply(ns, edgeTables(r.want.public, g)...)); err != nil {
		return err
	}
	if err := errors.Join(r.setGates(eh), r.watchEdge(ns)); err != nil {
		return err
	}
	if fresh {
		if inside, outside, err = r.makePair(h, eh, ns); err != nil {
			return err
		}
	}
	err = errors.Join(r.leg(h, inside, edgeLeg), r.leg(eh, outside, routerLeg),
		r.setRoutes(eh, r.edgeRoutes(eth0, outside, g)), r.proxies(eh, eth0, g))
	if err != nil {
		return err
	}
	if err := r.translate(eh, g, fresh); err != nil {
		return err
	}
	if err := r.edgeSysctls(ns, sysctl{"net/ipv4/ip_forward", "1"}); err != nil {
		return err
	}
	r.edge.pid, r.edge.inForce = g.PID, true
	return nil
}

// checkEdge makes sure that the process is an edge: a number that was used again
// for another process must not have its namespace programmed.
func (r *router) checkEdge(ns netns.NsHandle, eh *netlink.Handle, g dataplane.Gateway) (netlink.Link, error) {
	host, err := r.d.o.HostNS()
	if err != nil {
		return nil, fmt.Errorf("open the engine's network namespace: %w", err)
	}
	defer host.Close()
	if sameNS(ns, host) {
		return nil, fmt.Errorf("process %d is not the edge container %s: it has the engine's own network", g.PID, g.Container)
	}
	eth0, err := eh.LinkByName(internetLink)
	if err != nil {
		return nil, fmt.Errorf("edge container %s: %s: %w", g.Container, internetLink, err)
	}
	addrs, err := retry(func() ([]netlink.Addr, error) { return eh.AddrList(eth0, netlink.FAMILY_V4) })
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if ip, _ := netip.AddrFromSlice(a.IP.To4()); r.want.public.Contains(ip) {
			return eth0, nil
		}
	}
	return nil, fmt.Errorf("process %d is not the edge container %s: its %s has no address in %s", g.PID, g.Container, internetLink, r.want.public)
}

func (r *router) edgeSysctls(ns netns.NsHandle, settings ...sysctl) error {
	n, err := setSysctls(ns, settings...)
	r.d.writes.Add(int64(n))
	return err
}

// pairOf returns both ends of the gateway's pair, or nil where they are not ends
// of one.
func pairOf(h, eh *netlink.Handle) (inside, outside netlink.Link) {
	i, err := h.LinkByName(gatewayLink)
	if err != nil {
		return nil, nil
	}
	o, err := eh.LinkByName(vpcLink)
	if err != nil {
		return nil, nil
	}
	// Indexes alone could agree by chance with another edge's.
	if i.Attrs().ParentIndex != o.Attrs().Index || o.Attrs().ParentIndex != i.Attrs().Index || i.Attrs().Alias != o.Attrs().Alias {
		return nil, nil
	}
	return i, o
}

func (r *router) makePair(h, eh *netlink.Handle, ns netns.NsHandle) (inside, outside netlink.Link, err error) {
	if err := r.detach(h); err != nil {
		return nil, nil, err
	}
	if l, err := eh.LinkByName(vpcLink); err == nil {
		if err := r.deleteLink(eh, l); err != nil {
			return nil, nil, err
		}
	}
	a := netlink.NewLinkAttrs()
	a.Name, a.HardwareAddr, a.MTU, a.TxQLen = gatewayLink, routerLeg, internetMTU, 1000
	if err := r.wrote(true, h.LinkAdd(&netlink.Veth{LinkAttrs: a, PeerName: vpcLink, PeerHardwareAddr: edgeLeg,
		PeerNamespace: netlink.NsFd(int(ns)), PeerMTU: internetMTU})); err != nil {
		return nil, nil, fmt.Errorf("make link to the edge: %w", err)
	}
	if inside, err = h.LinkByName(gatewayLink); err != nil {
		return nil, nil, err
	}
	if outside, err = eh.LinkByName(vpcLink); err != nil {
		return nil, nil, err
	}
	alias := string(r.id) + " " + ns.UniqueId()
	return inside, outside, errors.Join(h.LinkSetAlias(inside, alias), eh.LinkSetAlias(outside, alias))
}

// leg sets one end up. Its neighbour is set again where it is up already, too: it
// costs no more than looking.
func (r *router) leg(h *netlink.Handle, l netlink.Link, peer net.HardwareAddr) error {
	if l.Attrs().RawFlags&unix.IFF_NOARP == 0 {
		if err := r.wrote(true, h.LinkSetARPOff(l)); err != nil {
			return fmt.Errorf("switch ARP off on %s: %w", l.Attrs().Name, err)
		}
	}
	if l.Attrs().Flags&net.FlagUp == 0 {
		if err := r.wrote(true, h.LinkSetUp(l)); err != nil {
			return fmt.Errorf("set %s up: %w", l.Attrs().Name, err)
		}
	}
	have, err := retry(func() ([]netlink.Neigh, error) { return h.NeighList(l.Attrs().Index, netlink.FAMILY_V4) })
	if err != nil {
		return err
	}
	for _, n := range have {
		if n.IP.Equal(hop.AsSlice()) && n.State&netlink.NUD_PERMANENT != 0 && n.HardwareAddr.String() == peer.String() {
			return nil
		}
	}
	if err := r.wrote(true, h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: hop.AsSlice(), HardwareAddr: peer, State: netlink.NUD_PERMANENT})); err != nil {
		return fmt.Errorf("set neighbour on %s: %w", l.Attrs().Name, err)
	}
	return nil
}

// edgeRoutes: the VPC and its public addresses lie behind the pair. The latter
// only so that the kernel answers ARP for them. There is no default route unless
// the internet is real: what lies beyond the public range, the host's other
// addresses included, is else not the internet.
func (r *router) edgeRoutes(eth0, l netlink.Link, g dataplane.Gateway) map[routeKey]routeValue {
	behind := routeValue{kind: unix.RTN_UNICAST, link: l.Attrs().Index, via: hop}
	want := make(map[routeKey]routeValue)
	for _, p := range r.want.vpc.CIDRs {
		want[routeKey{unix.RT_TABLE_MAIN, p, 0}] = behind
	}
	for _, p := range g.Publics {
		want[routeKey{unix.RT_TABLE_MAIN, prefix32(p.Public), 0}] = behind
	}
	if g.Internet {
		want[routeKey{unix.RT_TABLE_MAIN, sim.Everywhere, 0}] = routeValue{unix.RTN_UNICAST, eth0.Attrs().Index, sim.AddrAt(r.want.public, 1)}
	}
	return want
}

// proxies has the edge answer ARP for the public addresses.
func (r *router) proxies(eh *netlink.Handle, eth0 netlink.Link, g dataplane.Gateway) error {
	missing, stale, err := proxyDiff(eh, eth0, g)
	if err != nil {
		return err
	}
	entry := func(a netip.Addr) *netlink.Neigh {
		return &netlink.Neigh{LinkIndex: eth0.Attrs().Index, IP: a.AsSlice(), Family: netlink.FAMILY_V4,
			Flags: netlink.NTF_PROXY, State: netlink.NUD_PERMANENT}
	}
	var errs []error
	for _, a := range stale {
		errs = append(errs, r.wrote(true, eh.NeighDel(entry(a))))
	}
	for _, a := range missing {
		errs = append(errs, r.wrote(true, eh.NeighSet(entry(a))))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("answer ARP for public addresses: %w", err)
	}
	return nil
}

// proxyDiff returns for which addresses the edge should answer and does not, and
// the other way round.
func proxyDiff(eh *netlink.Handle, eth0 netlink.Link, g dataplane.Gateway) (missing, stale []netip.Addr, err error) {
	have, err := retry(func() ([]netlink.Neigh, error) {
		return eh.NeighProxyList(eth0.Attrs().Index, netlink.FAMILY_V4)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list proxied addresses: %w", err)
	}
	answered := make(map[netip.Addr]bool)
	for _, n := range have {
		a, _ := netip.AddrFromSlice(n.IP.To4())
		answered[a] = true
	}
	for _, p := range g.Publics {
		if !answered[p.Public] {
			missing = append(missing, p.Public)
		}
		delete(answered, p.Public)
	}
	return missing, slices.Collect(maps.Keys(answered)), nil
}

// translate forgets the connections whose translation is no longer right, and
// notes the addresses whose place has changed.
func (r *router) translate(eh *netlink.Handle, g dataplane.Gateway, fresh bool) error {
	now := make(map[netip.Addr]netip.Addr)
	for _, p := range g.Publics {
		now[p.Public] = p.Private
		if _, was := r.edge.publics[p.Public]; fresh || !was {
			r.edge.moved = append(r.edge.moved, p.Public)
		}
	}
	switch {
	case fresh:
		if err := r.wrote(true, eh.ConntrackTableFlush(netlink.ConntrackTable)); err != nil {
			return fmt.Errorf("forget connections of the edge: %w", err)
		}
	case r.edge.publics == nil || !holdsAll(now, r.edge.publics):
		if err := r.forgetFlows(eh, mistranslated(r.want.public, now)); err != nil {
			return err
		}
	}
	r.edge.publics = now
	return nil
}

// holdsAll reports whether what was translated still is, and so. A connection of
// an address that was not translated can't be there: the edge drops it. To look
// for some would cost more than the rest of a launch's work here.
func holdsAll(now, before map[netip.Addr]netip.Addr) bool {
	for public, private := range before {
		if now[public] != private {
			return false
		}
	}
	return true
}
