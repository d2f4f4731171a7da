//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// The way of a packet through the router's tables:
//
//	rules 10 to 30: see gates.go
//	rule 200, by the mark of the subnet: the subnet's route table
//	    the VPC's own blocks: throw, that is, go on with the main table
//	    the routes of the table
//	    default, metric 9999: no route
//	main: a /32 for each interface; the rest of the VPC's blocks: blackhole
//
// What comes from the gateway has a mark that chooses no table. A packet without a route is sent to
// lo and dropped, with a count, on the way: a blackhole would not count it.
const (
	rulePriority   = 200
	lastResort     = 9999 // metric
	tableOffset    = 1000 // kernel tables of route tables; 253 to 255 are taken
	subnetOffset   = 100  // device groups and marks of subnets; 0 means none
	kernelProtocol = 2    // RTPROT_KERNEL
)

func deviceGroup(s dataplane.Subnet) uint32 { return subnetOffset + s.Number }
func subnetMark(s dataplane.Subnet) uint32  { return subnetOffset + s.Number }

// A routeKey is what a table has one route for.
type routeKey struct {
	table  int
	to     netip.Prefix
	metric int
}

// A routeValue is where that route leads.
type routeValue struct {
	kind int // unix.RTN_*
	link int // index
	via  netip.Addr
}

// routing brings rules and routes to what the config and the links that stand
// ask for. New ones are made before old ones go.
func (r *router) routing(h *netlink.Handle, up upLinks) error {
	want, err := r.routes(h, up)
	return errors.Join(err, r.setRoutes(h, want), r.setRules(h))
}

// routesTo adds the routes that lead to one more link.
func (r *router) routesTo(h *netlink.Handle, l netlink.Link) error {
	index := l.Attrs().Index
	want, err := r.routes(h, upLinks{l.Attrs().Name: index})
	if err != nil {
		return err
	}
	for k, v := range want {
		if v.link != index {
			continue
		}
		if err := r.wrote(true, h.RouteReplace(v.route(k))); err != nil {
			return fmt.Errorf("route to %s in table %d: %w", k.to, k.table, err)
		}
	}
	return nil
}

// routes returns what there should be for the interfaces that are up, with the
// gateway's link as it is now.
func (r *router) routes(h *netlink.Handle, up upLinks) (map[routeKey]routeValue, error) {
	v := r.want.vpc
	lo, err := h.LinkByName(noRouteLink)
	if err != nil {
		return nil, err
	}
	nowhere := routeValue{kind: unix.RTN_UNICAST, link: lo.Attrs().Index}
	gateway := nowhere
	if l, err := h.LinkByName(gatewayLink); err == nil && l.Attrs().Flags&net.FlagUp != 0 {
		gateway = routeValue{unix.RTN_UNICAST, l.Attrs().Index, hop}
	}
	want := make(map[routeKey]routeValue)
	links := make(map[sim.ENIID]int)
	addrs := make(map[sim.ENIID]netip.Addr)
	for _, p := range v.CIDRs {
		want[routeKey{unix.RT_TABLE_MAIN, p, 0}] = routeValue{kind: unix.RTN_BLACKHOLE}
	}
	for _, e := range v.ENIs {
		if i, ok := up[r.d.o.Site.RouterLink(e.ID)]; ok {
			links[e.ID], addrs[e.ID] = i, e.Addr
			want[routeKey{unix.RT_TABLE_MAIN, prefix32(e.Addr), 0}] = routeValue{kind: unix.RTN_UNICAST, link: i}
		}
	}
	var errs []error
	for _, t := range v.Tables {
		n := tableOffset + int(t.Number)
		want[routeKey{n, sim.Everywhere, lastResort}] = nowhere
		for _, p := range v.CIDRs {
			want[routeKey{n, p, 0}] = routeValue{kind: unix.RTN_THROW}
		}
		for _, route := range t.Routes {
			to := nowhere
			switch route.Kind {
			case dataplane.RouteBlackhole:
			case dataplane.RouteGateway:
				to = gateway
			case dataplane.RouteENI:
				if i, ok := links[route.ENI]; ok {
					to = routeValue{unix.RTN_UNICAST, i, addrs[route.ENI]}
				}
			default:
				errs = append(errs, about(string(t.ID), fmt.Errorf("route to %s: kind %q is not supported", route.Destination, route.Kind)))
			}
			want[routeKey{n, route.Destination.Masked(), 0}] = to
		}
	}
	return want, errors.Join(errs...)
}

func (r *router) setRoutes(h *netlink.Handle, want map[routeKey]routeValue) error {
	missing, stale, err := routeDiff(h, want)
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range missing {
		if err := r.wrote(true, h.RouteReplace(want[k].route(k))); err != nil {
			errs = append(errs, fmt.Errorf("route to %s in table %d: %w", k.to, k.table, err))
		}
	}
	for _, x := range stale {
		if err := h.RouteDel(&x); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove route to %s in table %d: %w", x.Dst, x.Table, err))
		}
		r.d.writes.Add(1)
	}
	return errors.Join(errs...)
}

// routeDiff returns which routes lack or lead elsewhere, and which are too many.
func routeDiff(h *netlink.Handle, want map[routeKey]routeValue) (missing []routeKey, stale []netlink.Route, err error) {
	have, err := retry(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list routes: %w", err)
	}
	right := make(map[routeKey]bool)
	for _, x := range have {
		if x.Table == unix.RT_TABLE_LOCAL || x.Protocol == kernelProtocol {
			continue
		}
		k, v := describe(x)
		w, wanted := want[k]
		switch {
		case wanted && w == v:
			right[k] = true
		case !wanted:
			stale = append(stale, x)
		}
	}
	for k := range want {
		if !right[k] {
			missing = append(missing, k)
		}
	}
	return missing, stale, nil
}

func describe(x netlink.Route) (routeKey, routeValue) {
	to := sim.Everywhere
	if x.Dst != nil {
		a, _ := netip.AddrFromSlice(x.Dst.IP.To4())
		bits, _ := x.Dst.Mask.Size()
		to = netip.PrefixFrom(a, bits)
	}
	via, _ := netip.AddrFromSlice(x.Gw.To4())
	v := routeValue{kind: x.Type, via: via}
	if x.Type == unix.RTN_UNICAST {
		v.link = x.LinkIndex
	}
	return routeKey{x.Table, to, x.Priority}, v
}

func (v routeValue) route(k routeKey) *netlink.Route {
	x := &netlink.Route{Table: k.table, Dst: ipNet(k.to), Priority: k.metric, Type: v.kind, LinkIndex: v.link}
	switch {
	case v.kind != unix.RTN_UNICAST:
	case v.via.IsValid():
		x.Gw, x.Flags = v.via.AsSlice(), int(netlink.FLAG_ONLINK)
	default:
		x.Scope = netlink.SCOPE_LINK
	}
	return x
}

// A choice is a rule of routing: a subnet's mark chooses its route table.
type choice struct {
	mark  uint32
	table int
}

// choices returns what each subnet should choose.
func (r *router) choices() (map[choice]sim.SubnetID, error) {
	numbers := make(map[sim.RouteTableID]int)
	for _, t := range r.want.vpc.Tables {
		numbers[t.ID] = tableOffset + int(t.Number)
	}
	var errs []error
	want := make(map[choice]sim.SubnetID)
	for _, s := range r.want.vpc.Subnets {
		n, ok := numbers[s.Table]
		if !ok {
			errs = append(errs, about(string(s.ID), fmt.Errorf("route table %s is not in the config", s.Table)))
			continue
		}
		want[choice{subnetMark(s), n}] = s.ID
	}
	return want, errors.Join(errs...)
}

// ruleDiff takes out of want what is there, and returns which rules are too many.
func ruleDiff(h *netlink.Handle, want map[choice]sim.SubnetID) (stale []netlink.Rule, err error) {
	have, err := retry(func() ([]netlink.Rule, error) { return h.RuleList(netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list rules of routing: %w", err)
	}
	for _, x := range have {
		if x.Priority != rulePriority {
			continue
		}
		c := choice{x.Mark, x.Table}
		if _, ok := want[c]; ok {
			delete(want, c)
		} else {
			stale = append(stale, x)
		}
	}
	return stale, nil
}

// setRules has each subnet's mark choose its route table.
func (r *router) setRules(h *netlink.Handle) error {
	want, err := r.choices()
	errs := []error{err}
	stale, err := ruleDiff(h, want)
	if err != nil {
		return err
	}
	for c := range want {
		x := netlink.NewRule()
		x.Family, x.Priority, x.Mark, x.Table = netlink.FAMILY_V4, rulePriority, c.mark, c.table
		if err := r.wrote(true, h.RuleAdd(x)); err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("rule of routing for mark %d: %w", c.mark, err))
		}
	}
	for _, x := range stale {
		x.Family = netlink.FAMILY_V4
		if err := r.wrote(true, h.RuleDel(&x)); err != nil {
			errs = append(errs, fmt.Errorf("remove rule of routing for mark %d: %w", x.Mark, err))
		}
	}
	return errors.Join(errs...)
}
