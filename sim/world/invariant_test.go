package world

import (
	"fmt"
	"net/netip"
	"slices"

	"labsim/sim"
)

// invariants returns what is wrong with a state; it must always be nothing.
func invariants(s *State) []string {
	c := &checker{State: s}
	c.vpcs()
	c.enis()
	c.groups()
	c.addresses()
	c.instances()
	for _, k := range kinds {
		k.(interface{ check(*checker) }).check(c)
	}
	return c.wrong
}

type checker struct {
	*State
	wrong []string
}

func (c *checker) want(ok bool, format string, args ...any) {
	if !ok {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

func (c *checker) vpcs() {
	for id := range c.VPCs.All() {
		mains, defaults, gateways := 0, 0, 0
		explicit, tableNumbers, subnetNumbers := map[sim.SubnetID]bool{}, map[uint32]bool{}, map[uint32]bool{}
		for _, t := range c.RouteTablesOf(id) {
			c.want(!tableNumbers[t.Number] && t.Number > 0, "%s: number %d is not its own", t.ID, t.Number)
			tableNumbers[t.Number] = true
			for _, a := range t.Associations {
				if a.Main {
					mains++
					continue
				}
				c.want(c.Subnets.Row(a.Subnet).VPC == id, "%s is associated with %s, which is not in its VPC", t.ID, a.Subnet)
				c.want(!explicit[a.Subnet], "%s has two route tables", a.Subnet)
				explicit[a.Subnet] = true
			}
		}
		for _, n := range c.SubnetsOf(id) {
			c.want(!subnetNumbers[n.Number] && n.Number > 0, "%s: number %d is not its own", n.ID, n.Number)
			subnetNumbers[n.Number] = true
			for _, m := range c.SubnetsOf(id) {
				c.want(m.ID == n.ID || !m.CIDR.Overlaps(n.CIDR), "%s and %s overlap", m.ID, n.ID)
			}
		}
		for _, g := range c.SecurityGroupsOf(id) {
			if g.Name == DefaultGroupName {
				defaults++
			}
		}
		for _, g := range c.InternetGateways.All() {
			if g.VPC == id {
				gateways++
			}
		}
		c.want(mains == 1 && defaults == 1 && gateways <= 1, "%s has %d main tables, %d default groups, %d gateways", id, mains, defaults, gateways)
	}
}

func (c *checker) enis() {
	private, macs := map[string]sim.ENIID{}, map[string]sim.ENIID{}
	for id, e := range c.ENIs.All() {
		n, ok := c.Subnets.Get(e.Subnet)
		c.want(ok && n.VPC == e.VPC && n.Zone == e.Zone && n.Owner == e.Owner, "%s doesn't fit its subnet %s", id, e.Subnet)
		c.want(ok && sim.CheckSubnetAddr(e.PrivateIP, n.CIDR) == nil, "%s has %s, which is not for interfaces of %s", id, e.PrivateIP, n.CIDR)
		for where, by := range map[string]map[string]sim.ENIID{fmt.Sprint(e.Subnet, " ", e.PrivateIP): private, fmt.Sprint(e.VPC, " ", e.MAC): macs} {
			c.want(by[where] == "", "%s and %s share %s", id, by[where], where)
			by[where] = id
		}
		c.want(len(e.SecurityGroups) >= 1 && len(e.SecurityGroups) <= maxGroupsPerENI, "%s carries %d groups", id, len(e.SecurityGroups))
		for _, g := range e.SecurityGroups {
			c.want(c.SecurityGroups.Row(g).VPC == e.VPC, "%s carries %s, which is not in its VPC", id, g)
		}
	}
}

func (c *checker) groups() {
	for id, g := range c.SecurityGroups.All() {
		for n, r := range g.Rules {
			c.want(r.Group == "" || c.SecurityGroups.Row(r.Group).VPC == g.VPC, "a rule of %s names %s, which is not in its VPC", id, r.Group)
			c.want(!slices.ContainsFunc(g.Rules[:n], sameRule(r)), "%s has a rule twice: %s", id, ruleText(r))
		}
	}
}

func (c *checker) addresses() {
	used := map[netip.Addr]string{}
	take := func(ip netip.Addr, by string) {
		c.want(used[ip] == "", "%s is mapped to %s and %s", ip, used[ip], by)
		used[ip] = by
	}
	for id, a := range c.Addresses.All() {
		take(a.PublicIP, string(id))
		c.want((a.Association == "") == (a.ENI == ""), "%s: association %q, interface %q", id, a.Association, a.ENI)
		if a.ENI != "" {
			e, ok := c.ENIs.Get(a.ENI)
			c.want(ok && e.Allocation == id && e.PublicIP == a.PublicIP && e.PrivateIP == a.PrivateIP, "%s and its interface %s disagree", id, a.ENI)
		}
	}
	for id, e := range c.ENIs.All() {
		switch {
		case e.Allocation != "":
			c.want(c.Addresses.Row(e.Allocation).ENI == id, "%s has the address of %s, which is not its", id, e.Allocation)
		case e.PublicIP.IsValid():
			take(e.PublicIP, string(id))
		}
	}
}

func (c *checker) instances() {
	attached := map[sim.VolumeID]sim.InstanceID{}
	for id, i := range c.Instances.All() {
		e, ok := c.PrimaryENI(id)
		gone := i.Status.State == sim.StateTerminated
		c.want(ok != gone, "%s is %s and has an interface: %t", id, i.Status.State, ok)
		c.want(gone != i.Status.TerminatedSince.IsZero(), "%s is %s since %s", id, i.Status.State, i.Status.TerminatedSince)
		c.want(gone || e.Subnet == i.Subnet, "%s is in %s, its interface in %s", id, i.Subnet, e.Subnet)
		c.want(i.Status.State != sim.StateStopped || e.Allocation != "" || !e.PublicIP.IsValid(), "%s is stopped with the automatic address %s", id, e.PublicIP)
		c.want(wants[i.Status.State] == "" || wants[i.Status.State] == i.Desired, "%s is %s, wanted %s", id, i.Status.State, i.Desired)
		for _, d := range i.BlockDevices {
			v, ok := c.Volumes.Get(d.Volume)
			c.want(ok && v.Zone == i.Zone && !v.Status.Deleting, "%s has %s, which is not there for it", id, d.Volume)
			c.want(attached[d.Volume] == "", "%s is attached to %s and %s", d.Volume, attached[d.Volume], id)
			attached[d.Volume] = id
		}
	}
}

// wants is what the owner wants of an instance in that state.
var wants = map[sim.InstanceState]sim.DesiredState{
	sim.StatePending: sim.DesiredRunning, sim.StateRunning: sim.DesiredRunning, sim.StateStopping: sim.DesiredStopped,
	sim.StateStopped: sim.DesiredStopped, sim.StateShuttingDown: sim.DesiredTerminated, sim.StateTerminated: sim.DesiredTerminated,
}

// check compares the indexes and counts of a table with what a scan finds, and what
// its rows say of themselves with where they stand.
func (k *kind[K, V]) check(c *checker) {
	t := *k.in(c.State)
	want, owned := make([][]string, len(k.indexes)), map[string]int{}
	for id, row := range t.All() {
		for n, ix := range k.indexes {
			for _, key := range ix.keys(row) {
				want[n] = append(want[n], key+"\x00"+string(id))
			}
		}
		if k.quota.limit > 0 && (k.quota.counts == nil || k.quota.counts(row)) {
			owned[string(k.owner(row))]++
		}
		if k.head != nil {
			h := k.head(&row)
			c.want(*h.id == id && *h.owner != "" && sim.ValidID(k.prefix, string(id)), "%s is the row of %s, owner %q", id, *h.id, *h.owner)
		}
	}
	for n := range k.indexes {
		slices.Sort(want[n])
		got := t.sets[n].Keys()
		c.want(slices.Equal(slices.Compact(want[n]), got), "index %d of %s: %q, want %q", n, k.table, got, want[n])
	}
	t.owned.Scan(func(owner string, n int) bool {
		c.want(n == owned[owner], "%s has %d rows of %s for its quota, want %d", owner, n, k.table, owned[owner])
		delete(owned, owner)
		return true
	})
	c.want(len(owned) == 0, "rows of %s that count for no quota: %v", k.table, owned)
}
