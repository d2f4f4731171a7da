//go:build linux

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// router is one VPC in the kernel. Everything that it knows can be found out
// again; it remembers only what saves looking.
type router struct {
	d  *Driver
	id sim.VPCID

	mu    sync.Mutex // held across I/O: one change of a router at a time
	ns    netns.NsHandle
	want  *desired // nil: not in the config
	done  *desired // what was programmed without an error
	rules ruleState
	watch *watch // of the rules; nil: none yet
	lost  *watch // of the links; nil: none yet
	edge  edge
	// owners says which interface last had an address; adopted: the namespace is
	// older than this process, so any address may have had another owner.
	owners  map[netip.Addr]sim.ENIID
	adopted bool
	// left are the interfaces that Leave has taken down, until they are joined again.
	// Who holds them may be forgotten a moment later.
	left map[sim.ENIID]bool
}

// nobody owns an address whose last owner has gone, with all its connections.
const nobody = sim.ENIID("")

// desired is a VPC with what it takes from the rest of the config.
type desired struct {
	public netip.Prefix
	vpc    dataplane.VPC
}

func newRouter(d *Driver, id sim.VPCID) *router {
	return &router{d: d, id: id, ns: netns.None(), owners: make(map[netip.Addr]sim.ENIID), left: make(map[sim.ENIID]bool)}
}

func (r *router) hold(public netip.Prefix, v dataplane.VPC) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.want = &desired{public, v}
	maps.DeleteFunc(r.left, func(id sim.ENIID, _ bool) bool { return !r.has(id) })
}

// set programs the VPC. What fails is named, what does not depend on it is done.
func (r *router) set(public netip.Prefix, v dataplane.VPC) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.want = &desired{public, v}
	r.done = nil
	if err := r.base(); err != nil {
		return about(string(r.id), err)
	}
	h, err := r.handle()
	if err != nil {
		return about(string(r.id), err)
	}
	defer h.Close()
	up, linksErr := r.links(h)
	goneErr := about(string(r.id), r.disownGone(h))
	gatewayErr := r.gateway(h)
	err = errors.Join(linksErr, goneErr, gatewayErr, about(string(r.id), r.routing(h, up)))
	if err == nil {
		r.done = r.want
	}
	return err
}

// base brings up what everything else stands on: the namespace, the rules, and
// only then forwarding. If it fails, nothing else may be done.
func (r *router) base() error {
	if err := r.open(true); err != nil {
		return err
	}
	if r.done == r.want {
		if same, err := r.rules.untouched(r.ns); same || err != nil {
			return err
		}
	}
	if err := r.wrote(r.rules.apply(r.ns, r.tables()...)); err != nil {
		return err
	}
	h, err := r.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	if err := errors.Join(r.setGates(h), r.watchRouter()); err != nil {
		return err
	}
	n, err := setSysctls(r.ns, slices.Concat(flowSysctls, routerSysctls)...)
	r.d.writes.Add(int64(n))
	if err != nil {
		return err
	}
	return r.addresses(h)
}

// tables are all of the router's.
func (r *router) tables() []table {
	return []table{ruleset(r.d.o.Site, r.want.public, r.want.vpc), arpTable(r.d.o.Site, r.want.vpc)}
}

// routerSysctls, the one that opens the door last. A new namespace takes some of
// the host's values, so none may be left out because it is the kernel's default.
var routerSysctls = []sysctl{
	{"net/ipv6/conf/all/disable_ipv6", "1"},
	{"net/ipv6/conf/default/disable_ipv6", "1"},
	{"net/ipv4/conf/all/rp_filter", "0"}, // c_spoof is stricter, and knows the exceptions
	{"net/ipv4/conf/default/rp_filter", "0"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv4/conf/all/accept_redirects", "0"},
	{"net/ipv4/conf/default/accept_redirects", "0"},
	{"net/ipv4/conf/all/proxy_arp", "1"},
	{"net/ipv4/ip_forward", "1"},
}

// open finds the namespace, or makes it. A pin that was lost while we hold the
// namespace is put back: guests hang on it.
func (r *router) open(create bool) error {
	ns, err := r.d.o.Pins.Open(string(r.id))
	switch {
	case err == nil && r.ns.IsOpen() && sameNS(ns, r.ns):
		return ns.Close()
	case err == nil:
		r.forget()
		r.ns, r.adopted = ns, true
		return nil
	case !errors.Is(err, fs.ErrNotExist), !create:
		return err
	case r.ns.IsOpen():
		return r.wrote(true, r.d.o.Pins.Pin(string(r.id), r.ns))
	}
	if ns, err = newNS(); err != nil {
		return err
	}
	if err := r.wrote(true, r.d.o.Pins.Pin(string(r.id), ns)); err != nil {
		ns.Close()
		return err
	}
	r.forget()
	r.ns, r.adopted = ns, false
	return nil
}

// watchRouter has rules and links put back as soon as somebody else changes them.
func (r *router) watchRouter() (err error) {
	if r.d.blind.Load() {
		return nil
	}
	if r.watch == nil {
		if r.watch, err = watchRules(r.ns, r.mend); err != nil {
			return err
		}
	}
	if r.lost == nil {
		r.lost, err = watchLinks(r.ns, r.mendLinks)
	}
	return err
}

// unwatch ends that, for the edge, too: a watch keeps its namespace alive.
func (r *router) unwatch() {
	r.watch.close()
	r.lost.close()
	r.watch, r.lost = nil, nil
	r.forgetEdge()
}

// forget drops what is known of the namespace.
func (r *router) forget() {
	r.unwatch()
	if r.ns.IsOpen() {
		r.ns.Close()
	}
	r.ns, r.rules, r.done = netns.None(), ruleState{}, nil
	clear(r.owners)
}

func (r *router) handle() (*netlink.Handle, error) { return handleAt(r.ns) }

func handleAt(ns netns.NsHandle) (*netlink.Handle, error) {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return h, nil
}

// wrote counts a change, if it was one, and passes its error on.
func (r *router) wrote(changed bool, err error) error {
	if changed {
		r.d.writes.Add(1)
	}
	return err
}

// addresses are the router's own, all on lo: the first one of each subnet, the
// metadata service, the resolver.
func (r *router) addresses(h *netlink.Handle) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	if lo.Attrs().Flags&net.FlagUp == 0 {
		if err := r.wrote(true, h.LinkSetUp(lo)); err != nil {
			return fmt.Errorf("set lo up: %w", err)
		}
	}
	want := r.ownAddresses()
	have, err := retry(func() ([]netlink.Addr, error) { return h.AddrList(lo, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range have {
		addr, _ := netip.AddrFromSlice(a.IP.To4())
		if addr.IsLoopback() {
			continue
		}
		if want[addr] {
			delete(want, addr)
		} else if err := r.wrote(true, h.AddrDel(lo, &a)); err != nil {
			return fmt.Errorf("remove address %s: %w", addr, err)
		}
	}
	for a := range want {
		if err := r.wrote(true, h.AddrReplace(lo, &netlink.Addr{IPNet: ipNet(prefix32(a))})); err != nil {
			return fmt.Errorf("add address %s: %w", a, err)
		}
	}
	return nil
}

// ownAddresses has those of the resolver also where the VPC has none: else they would
// be routed, to a middlebox for instance.
func (r *router) ownAddresses() map[netip.Addr]bool {
	want := map[netip.Addr]bool{sim.MetadataAddr: true}
	for _, a := range resolverAddrs(r.want.vpc) {
		want[a] = true
	}
	for _, s := range r.want.vpc.Subnets {
		want[sim.RouterAddr(s.CIDR)] = true
	}
	return want
}

// remove takes the router away. Its links go first: sockets in the namespace
// may keep it alive for a while.
func (r *router) remove() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.want, r.done = nil, nil
	if err := r.open(false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if r.ns.IsOpen() {
		if err := r.removeLinks(); err != nil {
			return err
		}
	}
	err := r.wrote(true, r.d.o.Pins.Unpin(string(r.id)))
	if err == nil {
		r.forget()
	}
	return err
}

func (r *router) removeLinks() error {
	h, err := r.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	links, err := retry(h.LinkList)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range links {
		if l.Type() == "veth" {
			errs = append(errs, r.deleteLink(h, l))
		}
	}
	return errors.Join(errs...)
}

// status looks which interfaces are up and whether the gateway is in force.
func (r *router) status() (links []sim.ENIID, gateway sim.InternetGatewayID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want == nil {
		return nil, "", nil
	}
	if err := r.open(false); err != nil {
		return nil, "", err
	}
	h, err := r.handle()
	if err != nil {
		return nil, "", err
	}
	defer h.Close()
	all, err := retry(h.LinkList)
	if err != nil {
		return nil, "", err
	}
	up := make(map[string]bool)
	for _, l := range all {
		up[l.Attrs().Name] = l.Attrs().Flags&net.FlagUp != 0
	}
	for _, e := range r.want.vpc.ENIs {
		if up[r.d.o.Site.RouterLink(e.ID)] {
			links = append(links, e.ID)
		}
	}
	if g := r.want.vpc.Gateway; g != nil && r.edge.inForce && up[gatewayLink] {
		gateway = g.ID
	}
	return links, gateway, nil
}

// retry repeats a dump that the kernel says was interrupted by a change.
func retry[T any](dump func() ([]T, error)) ([]T, error) {
	for range 8 {
		out, err := dump()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return dump()
}

func (r *router) subnet(id sim.SubnetID) (dataplane.Subnet, bool) {
	i := slices.IndexFunc(r.want.vpc.Subnets, func(s dataplane.Subnet) bool { return s.ID == id })
	if i < 0 {
		return dataplane.Subnet{}, false
	}
	return r.want.vpc.Subnets[i], true
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}
