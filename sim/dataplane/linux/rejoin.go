//go:build linux

package linux

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// An interface whose router was lost, or whose link was taken out of it, has a guest
// that runs on without a network, or on a router that nobody keeps any more. Its pair
// is made again with the guest's end where the engine had put the first one.

// freeLink has the kernel choose the first free name of those that the engine gives.
const freeLink = "eth%d"

// draft is the name of a router's end whose guest's end isn't finished. Whoever is
// killed meanwhile leaves it to the next Set, which removes what has no known name.
func (r *router) draft(id sim.ENIID) string { return "n" + r.d.o.Site.RouterLink(id) }

// rejoin puts back what the router lacks of its links.
func (r *router) rejoin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.relinkMissing()
}

// mendLinks does that when somebody else has taken a link out of the router.
func (r *router) mendLinks(uint32) (looked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want == nil || !r.ns.IsOpen() || r.d.blind.Load() {
		return false
	}
	for _, p := range Problems(about(string(r.id), r.relinkMissing())) {
		r.d.mended(p.Resource, false, errors.New(p.Message))
	}
	return true
}

func (r *router) relinkMissing() error {
	if r.want == nil {
		return nil // Set will
	}
	if err := r.base(); err != nil {
		return err
	}
	h, err := r.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	all, err := retry(h.LinkList)
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	there := make(map[string]bool)
	for _, l := range all {
		there[l.Attrs().Name] = true
	}
	return r.relink(h, there, make(upLinks))
}

// relink makes those links anew that are not there and that a guest holds, and adds
// them to up.
func (r *router) relink(h *netlink.Handle, there map[string]bool, up upLinks) error {
	if r.d.o.Guest == nil {
		return nil
	}
	var errs []error
	for _, e := range r.want.vpc.ENIs {
		name := r.d.o.Site.RouterLink(e.ID)
		if there[name] || r.left[e.ID] {
			continue
		}
		guest, ok := r.d.o.Guest(e.ID)
		if !ok {
			continue
		}
		l, err := r.relinkOne(h, e, guest)
		guest.Close()
		if err != nil {
			errs = append(errs, about(string(e.ID), fmt.Errorf("put its link back: %w", err)))
			continue
		}
		up[name] = l.Attrs().Index
		r.d.mended(string(e.ID), true, nil)
	}
	return errors.Join(errs...)
}

// relinkOne is join for a guest that runs. The router's end is up last, and until then
// has a name by which nothing routes to it.
func (r *router) relinkOne(h *netlink.Handle, e dataplane.ENI, guest netns.NsHandle) (netlink.Link, error) {
	g, err := handleAt(guest)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	name, err := nameIn(g, e)
	if err != nil {
		return nil, err
	}
	l, err := r.makeLink(h, e, ends{r.draft(e.ID), name, guest})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(r.disown(h, e), r.furnish(g, l.Attrs().ParentIndex, e)); err != nil {
		return nil, errors.Join(err, r.deleteLink(h, l))
	}
	if err := r.wrote(true, h.LinkSetName(l, r.d.o.Site.RouterLink(e.ID))); err != nil {
		return nil, errors.Join(err, r.deleteLink(h, l))
	}
	if l, err = h.LinkByIndex(l.Attrs().Index); err != nil { // by its new name
		return nil, err
	}
	return l, errors.Join(r.stand(h, l, e, nil), r.routesTo(h, l))
}

// nameIn returns the name of the guest's end: that of the old one, which makeLink
// replaces, where the lost router stands still and with it the old pair.
func nameIn(g *netlink.Handle, e dataplane.ENI) (string, error) {
	mac, err := net.ParseMAC(e.MAC)
	if err != nil {
		return "", err
	}
	all, err := retry(g.LinkList)
	if err != nil {
		return "", fmt.Errorf("list interfaces of its guest: %w", err)
	}
	for _, l := range all {
		if l.Type() == "veth" && bytes.Equal(l.Attrs().HardwareAddr, mac) { // the others are of networks that are not ours
			return l.Attrs().Name, nil
		}
	}
	return freeLink, nil
}

// furnish gives the guest's end what the engine and the agent give it: its address,
// and the router as the way to everything.
func (r *router) furnish(g *netlink.Handle, index int, e dataplane.ENI) error {
	l, err := g.LinkByIndex(index)
	if err != nil {
		return err
	}
	s, _ := r.subnet(e.Subnet) // makeLink found it
	address := netlink.Addr{IPNet: ipNet(s.CIDR)}
	address.IP = e.Addr.AsSlice()
	if err := r.wrote(true, g.AddrAdd(l, &address)); err != nil {
		return fmt.Errorf("add %s: %w", e.Addr, err)
	}
	if err := r.wrote(true, g.LinkSetUp(l)); err != nil {
		return fmt.Errorf("set %s up: %w", l.Attrs().Name, err)
	}
	if err := r.wrote(true, byRouter(g, s.CIDR)); err != nil {
		return err
	}
	return r.wrote(true, g.RouteReplace(&netlink.Route{LinkIndex: index, Gw: sim.RouterAddr(s.CIDR).AsSlice()}))
}
