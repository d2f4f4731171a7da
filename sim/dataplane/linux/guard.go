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
	refusedMachine = "refused:machine" // addresses of the machine itself
	refusedRange   = "refused:range"   // what is no address of the internet
)

// guardTable is the guard: the table in the engine's namespace that stands while
// instances reach the real internet. An edge has a default route only while it
// does. The guard refuses what comes from the internet's bridge and is for the
// machine itself or for what lies around it. The answers of connections that
// the machine has opened pass; so does what is for the internet, or for another
// edge, which a bridge shows to these rules where br_netfilter is on.
//
// It asks before the engine's own address translation, so that a published port
// of the machine is the machine's address still. Translating the sender is the
// engine's: Docker does so for all that leaves the bridge.
func guardTable(site sim.Site, public netip.Prefix) table {
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
	return table{family: nftables.TableFamilyIPv4, name: site.HostTable(),
		counters: []string{refusedMachine, refusedRange}, chains: []chain{c}}
}

// wantsInternet reports whether an instance of c may reach the real internet.
func wantsInternet(c *dataplane.Config) bool {
	return slices.ContainsFunc(c.VPCs, func(v dataplane.VPC) bool { return v.Gateway != nil && v.Gateway.Internet })
}

// guarded returns c as it may be programmed: where the guard is wanted and can't
// be made to stand, that is an error, and all gateways stay shut.
func (d *Driver) guarded(c *dataplane.Config) (*dataplane.Config, error) {
	if !wantsInternet(c) {
		return c, nil
	}
	t := guardTable(d.o.Site, c.Public)
	d.guarding = &t
	err := d.inHost(func(ns netns.NsHandle) error {
		changed, err := d.guard.apply(ns, t)
		if changed {
			d.writes.Add(1)
		}
		return err
	})
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

// unguard takes the guard away, also one of an earlier process.
func (d *Driver) unguard() error {
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
