//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

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
		t.sets = []set{dynamicSet("flows", "ipv4_addr", nftables.TypeIPAddr, 65535, 0), dynamicSet("rate", "ipv4_addr", nftables.TypeIPAddr, 65535, 0)}
		t.chains = append(t.chains, guardChain(site, public))
	}
	return t
}

// guardChain is the guard. An edge has a default route only while it stands. It
// refuses what comes from the internet's bridge and is for the machine itself or for
// what lies around it. The answers of connections that the machine has opened pass;
// so does what is for the internet, or for another edge.
//
// It asks before the engine's own address translation, so that a published port
// of the machine is the machine's address still. Translating the sender is the
// engine's: Docker does so for all that leaves the bridge.
func guardChain(site sim.Site, public netip.Prefix) chain {
	c := chain{name: "c_guard", hook: base(nftables.ChainTypeFilter, "prerouting", nftables.ChainHookPrerouting, -150, nftables.ChainPolicyAccept)}
	c.rules = []rule{
		newRule(iifNot(site.Bridge()), accept),
		newRule(reply, accept),
		// Before the site's own range: the bridge has an address in it.
		newRule(notUnicast, count(refusedMachine), drop),
		newRule(daddr(public), accept),
	}
	for _, p := range sim.BeyondReach {
		c.rules = append(c.rules, newRule(daddr(p), count(refusedRange), drop))
	}
	c.rules = append(c.rules,
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

// guarded returns c as it may be programmed: where the guard is wanted and can't
// be made to stand, that is an error, and all gateways stay shut. A guard that isn't
// wanted any more is left to unguard.
func (d *Driver) guarded(c *dataplane.Config) (*dataplane.Config, error) {
	if !wantsInternet(c) {
		return c, nil
	}
	err := d.putHostTable(hostTable(d.o.Site, c.Public, true))
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

// putHostTable makes the site's table in the engine's namespace as it has to be.
func (d *Driver) putHostTable(t table) error {
	d.guarding = &t
	return d.inHost(func(ns netns.NsHandle) error {
		changed, err := d.guard.apply(ns, t)
		if changed {
			d.writes.Add(1)
		}
		return err
	})
}

// unguard takes away what of the table in the engine's namespace c doesn't want:
// the guard, or all.
func (d *Driver) unguard(c *dataplane.Config) error {
	switch {
	case wantsInternet(c):
		return nil
	case hasGateway(c):
		return d.putHostTable(hostTable(d.o.Site, c.Public, false))
	}
	return d.removeHostTable()
}

// removeHostTable removes that table, also one of an earlier process.
func (d *Driver) removeHostTable() error {
	return d.inHost(func(ns netns.NsHandle) error {
		c, err := nftables.New(nftables.WithNetNSFd(int(ns)))
		if err != nil {
			return err
		}
		t := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: d.o.Site.HostTable()}
		tables, err := c.ListTablesOfFamily(t.Family)
		if err != nil {
			return fmt.Errorf("list tables of the engine's network namespace: %w", err)
		}
		d.guard, d.guarding = ruleState{}, nil
		if !slices.ContainsFunc(tables, func(x *nftables.Table) bool { return x.Name == t.Name }) {
			return nil
		}
		c.DelTable(t)
		d.writes.Add(1)
		if err := c.Flush(); err != nil {
			return fmt.Errorf("remove table %s: %w", t.Name, err)
		}
		return nil
	})
}

// guardDrift compares the guard with what it has to be, where it has to stand.
func (d *Driver) guardDrift() (found []dataplane.Drift, err error) {
	d.setting.Lock()
	defer d.setting.Unlock()
	if d.guarding == nil {
		return nil, nil
	}
	err = d.inHost(func(ns netns.NsHandle) error {
		differences, err := d.guard.differences(ns, *d.guarding)
		if len(differences) > 0 {
			found = []dataplane.Drift{{Resource: string(d.o.Site),
				What: sim.T("the rules that keep instances from this machine and its networks while they reach the internet (table %s) are not what they should be", d.o.Site.HostTable())}}
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
