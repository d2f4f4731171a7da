//go:build linux

package linux

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Whoever has the machine may flush all nftables rules of a namespace, and without
// rules a kernel that forwards lets everything pass. So routing asks for a mark that
// only our rules give, before it asks for anything else. The routing rules of a
// router and of an edge begin with
//
//	10, what comes from here (iif lo): go on with 30
//	20, what has no mark: blackhole
//	30: the table of local addresses, else the first one (0)
//
// ARP asks for the route to whom it answers for, so it is silent, too.
const (
	prioFromHere = 10
	prioUnmarked = 20
	prioLocal    = 30
)

// passed is the mark of what isn't marked with its subnet.
const passed = 1

var markPassed = setMark(passed)

func setMark(m uint32) part {
	return part{fmt.Sprintf("meta mark set %d", m), []expr.Any{
		&expr.Immediate{Register: reg, Data: binaryutil.NativeEndian.PutUint32(m)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg, SourceRegister: true}}}
}

// gates are those rules in the order in which they are made.
func gates() []netlink.Rule {
	local, fromHere, unmarked := netlink.NewRule(), netlink.NewRule(), netlink.NewRule()
	local.Priority, local.Table = prioLocal, unix.RT_TABLE_LOCAL
	fromHere.Priority, fromHere.IifName, fromHere.Goto = prioFromHere, noRouteLink, prioLocal
	all := ^uint32(0)
	unmarked.Priority, unmarked.Mask, unmarked.Type = prioUnmarked, &all, unix.RTN_BLACKHOLE
	return []netlink.Rule{*local, *fromHere, *unmarked}
}

// gateKey is what tells one of these rules from another.
type gateKey struct {
	priority, table, goTo int
	iif                   string
	mark, mask            uint32
}

func keyOf(x netlink.Rule) gateKey {
	k := gateKey{priority: x.Priority, table: x.Table, goTo: x.Goto, iif: x.IifName, mark: x.Mark}
	if x.Mask != nil {
		k.mask = *x.Mask
	}
	return k
}

// gateDiff returns which of the gates are missing, and which rules stand before the
// choice of a route table and are none.
func gateDiff(h *netlink.Handle) (missing, stale []netlink.Rule, err error) {
	have, err := retry(func() ([]netlink.Rule, error) { return h.RuleList(netlink.FAMILY_V4) })
	if err != nil {
		return nil, nil, fmt.Errorf("list rules of routing: %w", err)
	}
	missing = gates()
	for _, x := range have {
		if x.Priority >= rulePriority {
			continue
		}
		is := func(g netlink.Rule) bool { return keyOf(g) == keyOf(x) }
		if i := slices.IndexFunc(missing, is); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else {
			stale = append(stale, x)
		}
	}
	return missing, stale, nil
}

// setGates has routing ask for the mark.
func (r *router) setGates(h *netlink.Handle) error {
	missing, stale, err := gateDiff(h)
	if err != nil {
		return err
	}
	for _, x := range missing {
		if err := r.wrote(true, addRule(h, x)); err != nil {
			return err
		}
	}
	var errs []error
	for _, x := range stale {
		errs = append(errs, r.wrote(true, deleteRule(h, x)))
	}
	return errors.Join(errs...)
}

func addRule(h *netlink.Handle, x netlink.Rule) error {
	x.Family = netlink.FAMILY_V4
	if err := h.RuleAdd(&x); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add rule of routing %d: %w", x.Priority, err)
	}
	return nil
}

func deleteRule(h *netlink.Handle, x netlink.Rule) error {
	x.Family = netlink.FAMILY_V4
	if err := h.RuleDel(&x); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove rule of routing %d: %w", x.Priority, err)
	}
	return nil
}
