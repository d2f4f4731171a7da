//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// vpcMTU is the size of packets inside a VPC (EC2 User Guide, "Network MTU").
const vpcMTU = 9001

// routerMAC is what every interface sees of its router. The links are point to
// point, so one address does for all.
var routerMAC = net.HardwareAddr{0x0a, 0x58, 0, 0, 0, 1}

// join makes the interface's veth pair. An old one is never used again: its
// guest's end may lie in a sandbox that the engine has forgotten.
func (r *router) join(e dataplane.ENI) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want == nil || !r.has(e.ID) {
		return errors.New("its VPC is being removed")
	}
	if err := r.base(); err != nil {
		return err
	}
	h, err := r.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	host, err := r.d.o.HostNS()
	if err != nil {
		return fmt.Errorf("open the engine's network namespace: %w", err)
	}
	defer host.Close()
	l, err := r.makeLink(h, e, ends{r.d.o.Site.RouterLink(e.ID), r.d.o.Site.GuestLink(e.ID), host})
	if err != nil {
		return err
	}
	if err := r.disown(h, e); err != nil {
		return err
	}
	if err := errors.Join(r.stand(h, l, e, nil), r.routesTo(h, l)); err != nil {
		r.deleteLink(h, l) // no half an interface: the engine gives up on an error
		return err
	}
	delete(r.left, e.ID)
	return nil
}

func (r *router) has(id sim.ENIID) bool {
	for _, e := range r.want.vpc.ENIs {
		if e.ID == id {
			return true
		}
	}
	return false
}

// ends are the names of a pair's ends, and where the guest's lies.
type ends struct {
	router, guest string
	ns            netns.NsHandle
}

func (r *router) makeLink(h *netlink.Handle, e dataplane.ENI, of ends) (netlink.Link, error) {
	s, ok := r.subnet(e.Subnet)
	if !ok {
		return nil, fmt.Errorf("subnet %s is not in the config", e.Subnet)
	}
	mac, err := net.ParseMAC(e.MAC)
	if err != nil {
		return nil, err
	}
	a := netlink.NewLinkAttrs()
	a.Name, a.Alias = of.router, string(e.ID)
	a.MTU, a.TxQLen, a.HardwareAddr, a.Group = vpcMTU, 1000, routerMAC, deviceGroup(s)
	pair := &netlink.Veth{LinkAttrs: a, PeerName: of.guest, PeerHardwareAddr: mac,
		PeerNamespace: netlink.NsFd(int(of.ns)), PeerMTU: vpcMTU}
	err = r.wrote(true, h.LinkAdd(pair))
	if errors.Is(err, unix.EEXIST) {
		if err = r.deleteStale(h, of); err == nil {
			err = r.wrote(true, h.LinkAdd(pair))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make interface: %w", err)
	}
	return h.LinkByName(a.Name)
}

// deleteStale removes either end of an earlier pair; the other one goes with it.
func (r *router) deleteStale(h *netlink.Handle, of ends) error {
	if l, err := h.LinkByName(of.router); err == nil {
		if err := r.deleteLink(h, l); err != nil {
			return err
		}
	}
	g, err := handleAt(of.ns)
	if err != nil {
		return err
	}
	defer g.Close()
	if l, err := g.LinkByName(of.guest); err == nil {
		return r.deleteLink(g, l)
	}
	return nil
}

func (r *router) deleteLink(h *netlink.Handle, l netlink.Link) error {
	err := h.LinkDel(l)
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) { // its peer went in this moment
		return nil
	}
	return r.wrote(true, err)
}

// disown forgets the connections that an earlier owner of the address had: what
// is tracked passes the security groups unasked.
func (r *router) disown(h *netlink.Handle, e dataplane.ENI) error {
	owner, known := r.owners[e.Addr]
	if known && owner != nobody && owner != e.ID || !known && r.adopted {
		if err := r.forgetFlows(h, touches(map[netip.Addr]bool{e.Addr: true})); err != nil {
			return err
		}
	}
	r.owners[e.Addr] = e.ID
	return nil
}

// disownGone does that for the owners that the config no longer has, so that the
// next one's Join need not look: the kernel takes long to look through its table.
// Without rules for them their addresses begin no connections any more.
func (r *router) disownGone(h *netlink.Handle) error {
	now := make(map[netip.Addr]sim.ENIID)
	for _, e := range r.want.vpc.ENIs {
		now[e.Addr] = e.ID
	}
	gone := make(map[netip.Addr]bool)
	for a, owner := range r.owners {
		if owner != nobody && owner != now[a] {
			gone[a] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := r.forgetFlows(h, touches(gone)); err != nil {
		return err
	}
	for a := range gone {
		r.owners[a] = nobody
	}
	return nil
}

// stand makes the router's end work. ARP for it is answered at once; the guest's
// own address needs none. neighbours is what the kernel has, if already asked.
func (r *router) stand(h *netlink.Handle, l netlink.Link, e dataplane.ENI, neighbours []netlink.Neigh) error {
	mac, err := net.ParseMAC(e.MAC)
	if err != nil {
		return err
	}
	a := l.Attrs()
	if s, ok := r.subnet(e.Subnet); ok && a.Group != deviceGroup(s) {
		if err := r.wrote(true, h.LinkSetGroup(l, int(deviceGroup(s)))); err != nil {
			return fmt.Errorf("set group of %s: %w", a.Name, err)
		}
	}
	if a.Flags&net.FlagUp == 0 {
		n, err := setSysctls(r.ns, sysctl{"net/ipv4/neigh/" + a.Name + "/proxy_delay", "0"})
		r.d.writes.Add(int64(n))
		if err != nil {
			return err
		}
		if err := r.wrote(true, h.LinkSetUp(l)); err != nil {
			return fmt.Errorf("set %s up: %w", a.Name, err)
		}
	}
	for _, n := range neighbours {
		if n.LinkIndex == a.Index && n.IP.Equal(e.Addr.AsSlice()) && n.State&netlink.NUD_PERMANENT != 0 && n.HardwareAddr.String() == mac.String() {
			return nil
		}
	}
	if err := r.wrote(true, h.NeighSet(&netlink.Neigh{LinkIndex: a.Index, IP: e.Addr.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT})); err != nil {
		return fmt.Errorf("set neighbour %s: %w", e.Addr, err)
	}
	return nil
}

// upLinks are the links that stand, by name.
type upLinks map[string]int // index

// links makes the interfaces that are there as the config says, and removes
// those that it doesn't have. It makes none that no guest holds: that is Join's.
func (r *router) links(h *netlink.Handle) (upLinks, error) {
	all, err := retry(h.LinkList)
	if err != nil {
		return nil, about(string(r.id), fmt.Errorf("list interfaces: %w", err))
	}
	neighbours, err := retry(func() ([]netlink.Neigh, error) { return h.NeighList(0, netlink.FAMILY_V4) })
	if err != nil {
		return nil, about(string(r.id), fmt.Errorf("list neighbours: %w", err))
	}
	up := make(upLinks)
	byName := make(map[string]dataplane.ENI)
	for _, e := range r.want.vpc.ENIs {
		byName[r.d.o.Site.RouterLink(e.ID)] = e
	}
	var errs []error
	there := make(map[string]bool)
	for _, l := range all {
		name := l.Attrs().Name
		there[name] = true
		if l.Type() != "veth" || name == gatewayLink {
			continue
		}
		if e, ok := byName[name]; !ok {
			errs = append(errs, about(l.Attrs().Alias, r.deleteLink(h, l)))
		} else if err := r.stand(h, l, e, neighbours); err != nil {
			errs = append(errs, about(string(e.ID), err))
		} else {
			up[name] = l.Attrs().Index
		}
	}
	errs = append(errs, r.relink(h, there, up))
	return up, errors.Join(errs...)
}

// leave removes the interface's pair, wherever its guest's end is.
func (r *router) leave(id sim.ENIID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left[id] = true
	if !r.ns.IsOpen() {
		if err := r.open(false); err != nil {
			return nil // no router, no link
		}
	}
	h, err := r.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	if l, err := h.LinkByName(r.d.o.Site.RouterLink(id)); err == nil {
		return r.deleteLink(h, l)
	}
	return nil
}
