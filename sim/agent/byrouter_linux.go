package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
)

// byRouter has what runs in ns send also to its own subnet by way of the router,
// which is where these packets go in any case. As long as the subnet is a link to
// its kernel, a scan of it makes an entry in the table of neighbours for each
// address, and that table, of 1,024 entries, is all the machine's.
// It may be killed anywhere; done again it finds nothing to do.
func byRouter(ns *os.File, subnet netip.Prefix) error {
	h, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	gw := gateway(subnet).Addr()
	whole, router := ipNet(subnet), ipNet(netip.PrefixFrom(gw, gw.BitLen()))
	routes, err := h.RouteListFiltered(unix.AF_INET, &netlink.Route{Dst: whole}, netlink.RT_FILTER_DST)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Scope != netlink.SCOPE_LINK {
			continue
		}
		// The router first: it must be reached while the other is exchanged.
		for _, way := range []netlink.Route{
			{LinkIndex: r.LinkIndex, Dst: router, Scope: netlink.SCOPE_LINK, Src: r.Src},
			{LinkIndex: r.LinkIndex, Dst: whole, Gw: router.IP, Src: r.Src},
		} {
			if err := h.RouteReplace(&way); err != nil {
				return fmt.Errorf("route %s: %w", way.Dst, err)
			}
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	p = p.Masked()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// programmed comes after the interface was put into a sandbox that runs, as one
// does that is joined again. At the start of a container it comes too early; its
// first process then calls in (guests.serve).
func (a *Agent) programmed(_ context.Context, in endpointRef) (any, error) {
	e, ok := a.records.endpoint(in.EndpointID)
	if !ok || e.Sandbox == "" {
		return object{}, nil
	}
	var ns *os.File
	err := a.engine.in(func() (err error) {
		ns, err = os.Open(e.Sandbox)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return object{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return object{}, a.narrow(ns, e.ENI)
}

// narrow is byRouter for the subnet of an interface.
func (a *Agent) narrow(ns *os.File, id sim.ENIID) error {
	held := a.held()
	eni, _ := held.eni(id)
	sub, ok := held.subnet(eni.Subnet)
	if !ok {
		return unknownENI(id)
	}
	if err := byRouter(ns, sub.CIDR); err != nil {
		return fmt.Errorf("%s: send by the router: %w", id, err)
	}
	return nil
}
