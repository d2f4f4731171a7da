//go:build linux

package linux

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
)

// ByRouter has what runs in ns send also to its own subnet by way of the router,
// which is where these packets go in any case. As long as the subnet is a link to
// its kernel, a scan of it makes an entry in the table of neighbours for each
// address, and that table, of 1,024 entries, is all the machine's.
// It may be killed anywhere; done again it finds nothing to do.
func ByRouter(ns netns.NsHandle, subnet netip.Prefix) error {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	return byRouter(h, subnet)
}

func byRouter(h *netlink.Handle, subnet netip.Prefix) error {
	whole, router := ipNet(subnet), ipNet(prefix32(sim.RouterAddr(subnet)))
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
