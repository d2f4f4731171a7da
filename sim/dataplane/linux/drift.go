//go:build linux

package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Drift compares the kernel with the held config and writes nothing. joined are
// the interfaces that guests hold now, each with its guest's network namespace
// where that is known: without a guest an interface has no link.
func (d *Driver) Drift(_ context.Context, joined map[sim.ENIID]*os.File) ([]dataplane.Drift, error) {
	all := d.all()
	slices.SortFunc(all, func(a, b *router) int { return strings.Compare(string(a.id), string(b.id)) })
	out, err := d.guard.drift()
	errs := []error{err}
	for _, r := range all {
		found, err := r.drift(joined)
		out = append(out, found...)
		errs = append(errs, about(string(r.id), err))
	}
	return out, errors.Join(errs...)
}

// A survey is one router being compared, causes before what follows from them.
type survey struct {
	*router
	h     *netlink.Handle
	found []dataplane.Drift
}

func (s *survey) add(resource string, what sim.Text) {
	s.found = append(s.found, dataplane.Drift{Resource: resource, What: what})
}

func (r *router) drift(joined map[sim.ENIID]*os.File) ([]dataplane.Drift, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want == nil {
		return nil, nil
	}
	s := &survey{router: r}
	if err := r.open(false); errors.Is(err, fs.ErrNotExist) {
		s.add(string(r.id), sim.T("the router of %s is gone", string(r.id)))
		return s.found, nil
	} else if err != nil {
		return nil, err
	}
	h, err := r.handle()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	s.h = h
	up, linksErr := s.links(joined)
	gateway, gatewayErr := s.gateway()
	return s.found, errors.Join(linksErr, gatewayErr, s.rules(), s.routing(up, gateway), s.base())
}

// links looks at both ends of each interface and returns those that stand.
func (s *survey) links(joined map[sim.ENIID]*os.File) (upLinks, error) {
	all, err := retry(s.h.LinkList)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]netlink.Link)
	for _, l := range all {
		byName[l.Attrs().Name] = l
	}
	up := make(upLinks)
	for _, e := range s.want.vpc.ENIs {
		l, ok := byName[s.d.o.Site.RouterLink(e.ID)]
		guest, held := joined[e.ID]
		if ok && l.Attrs().Flags&net.FlagUp != 0 {
			up[l.Attrs().Name] = l.Attrs().Index
		}
		n, ofSubnet := s.subnet(e.Subnet)
		switch {
		case !held:
		case !ok && guest != nil: // Set puts it back
			s.add(string(e.ID), sim.T("network interface %s of %s has no link to its router", string(e.ID), string(e.Instance)))
		case !ok:
			s.broken(e, sim.T("network interface %s of %s has no link to its router", string(e.ID), string(e.Instance)))
		case l.Attrs().Flags&net.FlagUp == 0:
			s.add(string(e.ID), sim.T("the link of network interface %s of %s is down in the router", string(e.ID), string(e.Instance)))
		case ofSubnet && l.Attrs().Group != deviceGroup(n):
			s.add(string(e.ID), sim.T("the link of network interface %s of %s is not counted to its subnet in the router", string(e.ID), string(e.Instance)))
		case guest != nil:
			if err := s.guestEnd(e, l, netns.NsHandle(guest.Fd())); err != nil {
				return up, about(string(e.ID), err)
			}
		}
	}
	return up, nil
}

// broken adds what only the engine can put back, when it starts the guest anew.
func (s *survey) broken(e dataplane.ENI, what sim.Text) {
	s.found = append(s.found, dataplane.Drift{Resource: string(e.ID), Reboot: e.Instance, What: what})
}

// guestEnd looks at an interface from inside: nobody in a guest may change it,
// but who has the machine may.
func (s *survey) guestEnd(e dataplane.ENI, l netlink.Link, ns netns.NsHandle) error {
	h, err := handleAt(ns)
	if err != nil {
		return err
	}
	defer h.Close()
	id, of := string(e.ID), string(e.Instance)
	end, err := h.LinkByIndex(l.Attrs().ParentIndex)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		s.broken(e, sim.T("the link of network interface %s is not in %s", id, of))
		return nil
	}
	if err != nil {
		return err
	}
	addrs, err := retry(func() ([]netlink.Addr, error) { return h.AddrList(end, netlink.FAMILY_V4) })
	if err != nil {
		return err
	}
	routes, err := retry(func() ([]netlink.Route, error) { return h.RouteList(end, netlink.FAMILY_V4) })
	if err != nil {
		return err
	}
	isDefault := func(x netlink.Route) bool { k, _ := describe(x); return k.to == sim.Everywhere && x.Gw != nil }
	switch {
	case end.Attrs().Flags&net.FlagUp == 0:
		s.broken(e, sim.T("the link of network interface %s is down in %s", id, of))
	case !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IP.Equal(e.Addr.AsSlice()) }):
		s.broken(e, sim.T("network interface %s has lost its address %s in %s", id, e.Addr.String(), of))
	case !slices.ContainsFunc(routes, isDefault):
		s.broken(e, sim.T("the route to the router, by network interface %s, is missing in %s", id, of))
	}
	return nil
}

// gateway looks at the edge and reports whether the router's link to it stands.
func (s *survey) gateway() (linked bool, err error) {
	g := s.want.vpc.Gateway
	if g == nil {
		return false, nil
	}
	id := string(g.ID)
	ns, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/ns/net", g.PID))
	if g.PID == 0 || err != nil {
		s.add(id, sim.T("the edge container of internet gateway %s is not running", id))
		return false, nil
	}
	defer ns.Close()
	eh, err := handleAt(ns)
	if err != nil {
		return false, err
	}
	defer eh.Close()
	eth0, err := s.checkEdge(ns, eh, *g)
	if err != nil {
		s.add(id, sim.T("the edge container of internet gateway %s has no way to the internet side", id))
		return false, nil
	}
	inside, outside := pairOf(s.h, eh)
	switch {
	case inside == nil:
		s.add(id, sim.T("the link between the router and internet gateway %s is missing", id))
		return false, nil
	case inside.Attrs().Flags&net.FlagUp == 0 || outside.Attrs().Flags&net.FlagUp == 0 || eth0.Attrs().Flags&net.FlagUp == 0:
		s.add(id, sim.T("a link of internet gateway %s is down", id))
		return inside.Attrs().Flags&net.FlagUp != 0, nil
	}
	return true, s.edge(ns, eh, eth0, outside, *g)
}

func (s *survey) edge(ns netns.NsHandle, eh *netlink.Handle, eth0, outside netlink.Link, g dataplane.Gateway) error {
	id := string(g.ID)
	rules, err := s.router.edge.rules.differences(ns, edgeTables(s.want.public, g)...)
	if err != nil {
		return err
	}
	if len(rules) > 0 {
		s.add(id, sim.T("the translation of public addresses by internet gateway %s is not what it should be", id))
	}
	settings, err := sysctlDiff(ns, append(slices.Clone(edgeSysctls), sysctl{"net/ipv4/ip_forward", "1"})...)
	if err != nil {
		return err
	}
	for _, x := range settings {
		s.add(id, sim.T("the kernel's setting %s is %s in the edge of internet gateway %s", x.path, x.value, id))
	}
	missing, stale, err := routeDiff(eh, s.edgeRoutes(eth0, outside, g))
	if err != nil {
		return err
	}
	shut, open, err := gateDiff(eh)
	if err != nil {
		return err
	}
	if len(missing)+len(stale)+len(shut)+len(open) > 0 {
		s.add(id, sim.T("the routes in the edge of internet gateway %s are not what they should be", id))
	}
	silent, more, err := proxyDiff(eh, eth0, g)
	if err != nil {
		return err
	}
	if len(silent)+len(more) > 0 {
		s.add(id, sim.T("internet gateway %s does not answer for the public addresses that it has", id))
	}
	return nil
}

// routing compares routes and the rules that choose a table, as far as the links
// that they lead to stand.
func (s *survey) routing(up upLinks, gateway bool) error {
	want, err := s.routes(s.h, up)
	if err != nil {
		return err
	}
	tables := make(map[int]sim.RouteTableID)
	for _, t := range s.want.vpc.Tables {
		n := tableOffset + int(t.Number)
		tables[n] = t.ID
		for _, x := range t.Routes {
			if !gateway && x.Kind == dataplane.RouteGateway {
				delete(want, routeKey{n, x.Destination.Masked(), 0})
			}
		}
	}
	missing, stale, err := routeDiff(s.h, want)
	if err != nil {
		return err
	}
	slices.SortFunc(missing, func(a, b routeKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for _, k := range missing {
		if t, ok := tables[k.table]; ok {
			s.add(string(t), sim.T("the route to %s of route table %s is not in the router", k.to.String(), string(t)))
		} else {
			s.add(string(s.id), sim.T("the route to %s is not in the router of %s", k.to.String(), string(s.id)))
		}
	}
	for _, x := range stale {
		k, v := describe(x)
		if _, replaced := want[k]; replaced || !gateway && v.via == hop {
			continue // named above
		}
		if t, ok := tables[k.table]; ok {
			s.add(string(t), sim.T("a route to %s stands in route table %s of the router, and labsim did not make it", k.to.String(), string(t)))
		} else {
			s.add(string(s.id), sim.T("a route to %s stands in the router of %s, and labsim did not make it", k.to.String(), string(s.id)))
		}
	}
	return s.choosing()
}

func (s *survey) choosing() error {
	want, err := s.choices()
	if err != nil {
		return err
	}
	stale, err := ruleDiff(s.h, want)
	if err != nil {
		return err
	}
	missing, more, err := gateDiff(s.h)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		s.add(string(s.id), sim.T("the router of %s would pass packets without asking its rules, if they were gone", string(s.id)))
	}
	for _, n := range want {
		s.add(string(n), sim.T("subnet %s does not use its route table in the router", string(n)))
	}
	if len(want)+len(missing) == 0 && len(stale)+len(more) > 0 {
		s.add(string(s.id), sim.T("the router of %s has rules of routing that labsim did not make", string(s.id)))
	}
	return nil
}

// base looks at what the router has of its own.
func (s *survey) base() error {
	settings, err := sysctlDiff(s.ns, slices.Concat(flowSysctls, routerSysctls)...)
	if err != nil {
		return err
	}
	for _, x := range settings {
		s.add(string(s.id), sim.T("the kernel's setting %s is %s in the router of %s", x.path, x.value, string(s.id)))
	}
	lo, err := s.h.LinkByName("lo")
	if err != nil {
		return err
	}
	have, err := retry(func() ([]netlink.Addr, error) { return s.h.AddrList(lo, netlink.FAMILY_V4) })
	if err != nil {
		return err
	}
	want := s.ownAddresses()
	for _, a := range have {
		addr, _ := netip.AddrFromSlice(a.IP.To4())
		delete(want, addr)
	}
	if lo.Attrs().Flags&net.FlagUp == 0 || len(want) > 0 {
		s.add(string(s.id), sim.T("the router of %s lacks addresses of its own", string(s.id)))
	}
	return nil
}

// rules names the resources whose part of the router's table is changed, each once.
func (s *survey) rules() error {
	differences, err := s.router.rules.differences(s.ns, s.tables()...)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, x := range differences {
		d := s.named(x)
		if !seen[d.What.String()] {
			seen[d.What.String()] = true
			s.found = append(s.found, d)
		}
	}
	return nil
}

// named says whose a part of the table is.
func (s *survey) named(x difference) dataplane.Drift {
	vpc := string(s.id)
	for _, g := range s.want.vpc.Groups {
		id := string(g.ID)
		switch {
		case x.set == members(g.ID):
			return dataplane.Drift{Resource: id, What: sim.T("the members of security group %s are not what they should be in the router", id)}
		case !slices.Contains(chainsOf(g.ID), x.chain):
			continue
		case x.text == "":
			return dataplane.Drift{Resource: id, What: sim.T("security group %s has a rule in the router that labsim did not make", id)}
		}
		for _, r := range slices.Concat(g.Ingress, g.Egress) {
			if strings.Contains(x.text, fmt.Sprintf("%q", r.ID)) {
				return dataplane.Drift{Resource: string(r.ID), What: sim.T("the rule %s of security group %s is not in the router", string(r.ID), id)}
			}
		}
	}
	for _, e := range s.want.vpc.ENIs {
		link := s.d.o.Site.RouterLink(e.ID)
		if x.chain == eniIn(link) || x.chain == eniOut(link) || x.set != "" && strings.HasPrefix(x.text, link) {
			return dataplane.Drift{Resource: string(e.ID),
				What: sim.T("network interface %s of %s is not bound to its security groups in the router", string(e.ID), string(e.Instance))}
		}
	}
	if x.chain == "" && x.set == "" {
		return dataplane.Drift{Resource: vpc, What: sim.T("the rules of %s are gone from its router", vpc)}
	}
	return dataplane.Drift{Resource: vpc, What: sim.T("the rules that every packet of %s meets (%s) are not what they should be", vpc, x.chain+x.set)}
}
