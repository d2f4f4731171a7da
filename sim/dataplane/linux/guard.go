//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Counters of the guard.
const (
	refusedMachine = "refused:machine"     // addresses of the machine itself
	refusedRange   = "refused:range"       // what is no address of the internet
	refusedFlows   = "refused:connections" // more connections than a source may have
)

// What an instance may begin with the real internet. The engine translates it, so
// the machine itself has to track it, in the table that all on it share, and keeps
// what is closed for up to two minutes.
const (
	maxHostFlows  = 1024 // at a time
	hostFlowRate  = 50   // a second,
	hostFlowBurst = 1024 // after a first burst
)

// hostTable is what the site has in the engine's namespace while there is an
// internet gateway, and the guard with it while instances reach the real internet.
//
// What goes from edge to edge by the internet's bridge is shown to the machine's
// rules where br_netfilter is on. It is nobody's to translate, and not tracked.
func hostTable(site sim.Site, public netip.Prefix, internet bool) table {
	c := chain{name: "c_untracked", hook: base(nftables.ChainTypeFilter, "prerouting", nftables.ChainHookPrerouting, -300, nftables.ChainPolicyAccept),
		rules: []rule{newRule(iif(site.Bridge()), daddr(public), unicast, noTrack)}}
	t := table{family: nftables.TableFamilyIPv4, name: site.HostTable(), chains: []chain{c}}
	if internet {
		t.counters = []string{refusedMachine, refusedRange, refusedFlows}
		t.sets = []set{dynamicSet("flows", "ipv4_addr", nftables.TypeIPAddr, maxSources, 0), dynamicSet("rate", "ipv4_addr", nftables.TypeIPAddr, maxSources, 0)}
		t.chains = append(t.chains, guardChain(site, public))
	}
	return t
}

const guardName = "c_guard"

// guardChain is the guard. An edge has a default route only while it stands. It
// refuses what comes from the internet's bridge and is for the machine itself or for
// what lies around it. The answers of connections that the machine has opened pass;
// so does what is for the internet, or for another edge.
//
// It asks before the engine's own address translation, so that a published port
// of the machine is the machine's address still. Translating the sender is the
// engine's: Docker does so for all that leaves the bridge.
func guardChain(site sim.Site, public netip.Prefix) chain {
	c := chain{name: guardName, hook: base(nftables.ChainTypeFilter, "prerouting", nftables.ChainHookPrerouting, -150, nftables.ChainPolicyAccept)}
	c.rules = []rule{
		newRule(iifNot(site.Bridge()), accept),
		newRule(reply, markGuarded, accept),
		// Before the site's own range: the bridge has an address in it.
		newRule(notUnicast, count(refusedMachine), drop),
		newRule(daddr(public), accept),
	}
	for _, p := range sim.BeyondReach {
		c.rules = append(c.rules, newRule(daddr(p), count(refusedRange), drop))
	}
	c.rules = append(c.rules,
		newRule(markGuarded),
		newRule(confirmed, accept),
		newRule(note(keySaddr, "rate", overRate(hostFlowRate, hostFlowBurst)), count(refusedFlows), drop),
		newRule(note(keySaddr, "flows", overCount(maxHostFlows)), count(refusedFlows), drop))
	return c
}

// wantsInternet reports whether an instance of c may reach the real internet.
func wantsInternet(c *dataplane.Config) bool {
	return slices.ContainsFunc(c.VPCs, func(v dataplane.VPC) bool { return v.Gateway != nil && v.Gateway.Internet })
}

// hasGateway reports whether there is an edge on the bridge.
func hasGateway(c *dataplane.Config) bool {
	return slices.ContainsFunc(c.VPCs, func(v dataplane.VPC) bool { return v.Gateway != nil })
}

// guard is what stands in the engine's namespace.
type guard struct {
	d *Driver

	mu    sync.Mutex // held across I/O: one change at a time
	rules ruleState
	want  *table // nil: nothing is to stand
	watch *watch
}

// guarded returns c as it may be programmed: where the guard is wanted and can't
// be made to stand, that is an error, and all gateways stay shut. A guard that isn't
// wanted any more is left to unguard.
func (d *Driver) guarded(c *dataplane.Config) (*dataplane.Config, error) {
	if !wantsInternet(c) {
		return c, nil
	}
	err := d.guard.put(hostTable(d.o.Site, c.Public, true), true)
	if err == nil {
		return c, nil
	}
	shut := *c
	shut.VPCs = slices.Clone(c.VPCs)
	for i, v := range shut.VPCs {
		if v.Gateway != nil {
			g := *v.Gateway
			g.Internet = false
			shut.VPCs[i].Gateway = &g
		}
	}
	return &shut, fmt.Errorf("the machine can't be guarded, so nothing reaches the internet: %w", err)
}

// unguard takes away what in the engine's namespace c doesn't want: the guard, or all.
func (d *Driver) unguard(c *dataplane.Config) error {
	switch {
	case wantsInternet(c):
		return nil
	case hasGateway(c):
		return d.guard.put(hostTable(d.o.Site, c.Public, false), false)
	}
	return d.guard.remove()
}

// put makes the table as it has to be, and has routing drop what an open guard has
// not marked.
func (g *guard) put(t table, open bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.want = &t
	return g.d.inHost(func(ns netns.NsHandle) error {
		changed, err := g.rules.apply(ns, t)
		if changed {
			g.d.writes.Add(1)
		}
		return errors.Join(err, g.setGate(ns, open), g.watched(ns))
	})
}

// remove takes all away, also what an earlier process has made.
func (g *guard) remove() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unwatch()
	return g.d.inHost(func(ns netns.NsHandle) error {
		if err := g.setGate(ns, false); err != nil {
			return err
		}
		c, err := nftables.New(nftables.WithNetNSFd(int(ns)))
		if err != nil {
			return err
		}
		t := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: g.d.o.Site.HostTable()}
		tables, err := c.ListTablesOfFamily(t.Family)
		if err != nil {
			return fmt.Errorf("list tables of the engine's network namespace: %w", err)
		}
		g.rules, g.want = ruleState{}, nil
		if !slices.ContainsFunc(tables, func(x *nftables.Table) bool { return x.Name == t.Name }) {
			return nil
		}
		c.DelTable(t)
		g.d.writes.Add(1)
		if err := c.Flush(); err != nil {
			return fmt.Errorf("remove table %s: %w", t.Name, err)
		}
		return nil
	})
}

// watched has the table put back as soon as somebody else changes it.
func (g *guard) watched(ns netns.NsHandle) (err error) {
	if g.watch == nil && !g.d.blind.Load() {
		g.watch, err = watchRules(ns, g.mend)
	}
	return err
}

func (g *guard) unwatch() {
	g.watch.close()
	g.watch = nil
}

func (g *guard) mend(news uint32) (looked bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.want == nil || g.d.blind.Load() || g.rules.is(news) {
		return false
	}
	mended := false
	err := g.d.inHost(func(ns netns.NsHandle) (err error) {
		mended, err = g.rules.mend(ns, *g.want)
		return err
	})
	g.d.mended(string(g.d.o.Site), mended, err)
	return true
}

// The machine's routing drops what comes from the bridge and has no mark of the
// guard: so without its rules nothing is forwarded. (What is for the machine's own
// addresses is asked for first, and can't be dropped so.)
const (
	prioGuard = 5
	guardMark = 1 << 5 // a bit that neither Docker nor usual VPNs use
)

// markGuarded leaves other bits to whom they belong.
var markGuarded = part{fmt.Sprintf("meta mark set mark | %#x", guardMark), []expr.Any{
	meta(expr.MetaKeyMARK),
	&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(^uint32(guardMark)), Xor: binaryutil.NativeEndian.PutUint32(guardMark)},
	&expr.Meta{Key: expr.MetaKeyMARK, Register: reg, SourceRegister: true}}}

func gateOf(site sim.Site) netlink.Rule {
	x, mask := netlink.NewRule(), uint32(guardMark)
	x.Priority, x.IifName, x.Mask, x.Type = prioGuard, site.Bridge(), &mask, unix.RTN_BLACKHOLE
	return *x
}

// gatesOf returns the rules of routing for what comes from the bridge.
func gatesOf(h *netlink.Handle, site sim.Site) ([]netlink.Rule, error) {
	have, err := retry(func() ([]netlink.Rule, error) { return h.RuleList(netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list the machine's rules of routing: %w", err)
	}
	return slices.DeleteFunc(have, func(x netlink.Rule) bool { return x.IifName != site.Bridge() }), nil
}

// setGate makes that rule, or removes it.
func (g *guard) setGate(ns netns.NsHandle, want bool) error {
	h, err := handleAt(ns)
	if err != nil {
		return err
	}
	defer h.Close()
	have, err := gatesOf(h, g.d.o.Site)
	if err != nil {
		return err
	}
	gate, stands := gateOf(g.d.o.Site), false
	var errs []error
	for _, x := range have {
		if want && keyOf(x) == keyOf(gate) && !stands {
			stands = true
			continue
		}
		g.d.writes.Add(1)
		errs = append(errs, deleteRule(h, x))
	}
	if want && !stands {
		g.d.writes.Add(1)
		errs = append(errs, addRule(h, gate))
	}
	return errors.Join(errs...)
}

// drift compares the guard with what it has to be, where it has to stand.
func (g *guard) drift() (found []dataplane.Drift, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.want == nil {
		return nil, nil
	}
	site := g.d.o.Site
	err = g.d.inHost(func(ns netns.NsHandle) error {
		differences, err := g.rules.differences(ns, *g.want)
		if err != nil {
			return err
		}
		h, err := handleAt(ns)
		if err != nil {
			return err
		}
		defer h.Close()
		gates, err := gatesOf(h, site)
		open := g.want.chain(guardName) != nil
		right := len(gates) == 0 && !open || len(gates) == 1 && open && keyOf(gates[0]) == keyOf(gateOf(site))
		if len(differences) > 0 || !right {
			found = []dataplane.Drift{{Resource: string(site),
				What: sim.T("the rules that keep instances from this machine and its networks while they reach the internet (table %s) are not what they should be", site.HostTable())}}
		}
		return err
	})
	return found, err
}

// inHost calls f with the engine's network namespace.
func (d *Driver) inHost(f func(netns.NsHandle) error) error {
	ns, err := d.o.HostNS()
	if err != nil {
		return fmt.Errorf("open the engine's network namespace: %w", err)
	}
	return errors.Join(f(ns), ns.Close())
}

// machine lists the addresses of the engine's machine that would else be the
// internet's.
func (d *Driver) machine() (out []netip.Addr, err error) {
	err = d.inHost(func(ns netns.NsHandle) error {
		h, err := handleAt(ns)
		if err != nil {
			return err
		}
		defer h.Close()
		all, err := retry(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_V4) })
		if err != nil {
			return fmt.Errorf("list the machine's addresses: %w", err)
		}
		for _, a := range all {
			if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok && sim.OnInternet(ip) {
				out = append(out, ip)
			}
		}
		return nil
	})
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out), err
}
