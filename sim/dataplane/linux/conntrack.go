//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// flowFilter chooses connections that are to be forgotten.
type flowFilter func(orig, reply flowEnds) bool

// flowEnds are the addresses of one direction.
type flowEnds struct{ src, dst netip.Addr }

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (f flowFilter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	return f(endsOf(flow.Forward), endsOf(flow.Reverse))
}

func endsOf(t netlink.IPTuple) flowEnds {
	src, _ := netip.AddrFromSlice(t.SrcIP)
	dst, _ := netip.AddrFromSlice(t.DstIP)
	return flowEnds{src.Unmap(), dst.Unmap()}
}

// touches chooses the connections from or to one of the addresses.
func touches(addrs map[netip.Addr]bool) flowFilter {
	return func(orig, _ flowEnds) bool { return addrs[orig.src] || addrs[orig.dst] }
}

// mistranslated chooses the connections whose translation isn't what the
// gateway has now: those of an address that got, lost or changed its owner.
func mistranslated(public netip.Prefix, owner map[netip.Addr]netip.Addr) flowFilter {
	return func(orig, reply flowEnds) bool {
		// An address that isn't ours here isn't translated.
		private, ours := owner[orig.dst]
		if !ours {
			private = orig.dst
		}
		in := public.Contains(orig.dst) && reply.src != private
		out := public.Contains(reply.dst) && reply.dst != orig.src && owner[reply.dst] != orig.src
		return in || out
	}
}

func (r *router) forgetFlows(h *netlink.Handle, f flowFilter) error {
	var err error
	for range 8 { // an interrupted dump has missed some
		_, err = h.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, f)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("forget connections: %w", err)
	}
	return nil
}
