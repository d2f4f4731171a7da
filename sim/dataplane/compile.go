package dataplane

import (
	"cmp"
	"net/netip"
	"slices"

	"labsim/sim"
	"labsim/sim/world"
)

// CompileOptions are what a config says beyond the world.
type CompileOptions struct {
	Site   sim.Site
	Region sim.Region
	Public netip.Prefix // the site's public range
	// EdgePIDs are the first processes of the edge containers that run.
	EdgePIDs map[sim.InternetGatewayID]int
}

// Compile returns what the node has to program for s. Equal worlds and options
// give configs that are equal byte for byte.
//
// An interface is part of the config from the moment it is attached to an
// instance until that instance is terminated, whatever the instance does in
// between: so its rules stand before it starts, and while it stops.
func Compile(s *world.State, o CompileOptions) *Config {
	c := &Config{Site: string(o.Site), Version: uint64(s.Version), Region: o.Region, Public: o.Public}
	for _, v := range s.VPCs.All() {
		c.VPCs = append(c.VPCs, compileVPC(s, o, v))
	}
	for _, v := range s.Volumes.All() {
		c.Volumes = append(c.Volumes, compileVolume(v, o.Region))
	}
	return c
}

func compileVPC(s *world.State, o CompileOptions, v sim.VPC) VPC {
	out := VPC{ID: v.ID, CIDRs: v.CIDRs}
	if v.DNSSupport {
		out.DNS = sim.DNSAddr(v.CIDR())
	}
	enis := wiredENIs(s, v.ID)
	out.Subnets, out.Tables = compileSubnets(s, v.ID)
	out.Groups = compileGroups(s, v.ID, enis)
	out.ENIs = make([]ENI, 0, len(enis))
	for _, w := range enis {
		out.ENIs = append(out.ENIs, compileENI(w))
	}
	out.Metadata = make([]Metadata, 0, len(enis))
	for _, w := range slices.SortedFunc(slices.Values(enis), byAddr) {
		out.Metadata = append(out.Metadata, compileMetadata(s, o.Region, v, w))
	}
	out.Gateway = compileGateway(s, o, v.ID, enis)
	out.Names = compileNames(o.Region, v, enis)
	return out
}

// wired is an interface that a guest has, or will have.
type wired struct {
	sim.ENI
	instance sim.Instance
}

func byAddr(a, b *wired) int { return a.PrivateIP.Compare(b.PrivateIP) }

func wiredENIs(s *world.State, v sim.VPCID) []*wired {
	var out []*wired
	for _, e := range s.ENIsOfVPC(v) {
		if i, ok := s.Wired(e); ok {
			out = append(out, &wired{e, i})
		}
	}
	return out
}

func compileENI(w *wired) ENI {
	return ENI{ID: w.ID, Subnet: w.Subnet, Instance: w.instance.ID, Addr: w.PrivateIP, MAC: w.MAC,
		Groups: w.SecurityGroups, Public: w.PublicIP, SourceDestCheck: w.SourceDestCheck,
		Bandwidth: bandwidth(w.instance.Type)}
}

func compileSubnets(s *world.State, v sim.VPCID) (subnets []Subnet, tables []RouteTable) {
	used := map[sim.RouteTableID]bool{}
	for _, n := range s.SubnetsOf(v) {
		t := s.RouteTableFor(n)
		subnets = append(subnets, Subnet{ID: n.ID, CIDR: n.CIDR, Number: n.Number, Table: t.ID})
		used[t.ID] = true
	}
	for _, t := range s.RouteTablesOf(v) {
		if used[t.ID] {
			tables = append(tables, compileTable(s, t))
		}
	}
	return subnets, tables
}

func compileTable(s *world.State, t sim.RouteTable) RouteTable {
	out := RouteTable{ID: t.ID, Number: t.Number}
	for _, r := range t.Routes {
		route := Route{Destination: r.Destination}
		switch l := s.Leads(t, r); l.Kind {
		case world.LeadLocal:
			continue
		case world.LeadExit:
			route.Kind = RouteGateway
		case world.LeadENI:
			route.Kind, route.ENI = RouteENI, l.ENI.ID
		case world.LeadBlackhole:
			route.Kind = RouteBlackhole
		}
		out.Routes = append(out.Routes, route)
	}
	slices.SortFunc(out.Routes, func(a, b Route) int {
		return cmp.Or(a.Destination.Addr().Compare(b.Destination.Addr()), cmp.Compare(a.Destination.Bits(), b.Destination.Bits()))
	})
	return out
}

// compileGroups keeps the members of a group only where a rule refers to it: a
// big group that nobody refers to costs the kernel nothing.
func compileGroups(s *world.State, v sim.VPCID, enis []*wired) []SecurityGroup {
	var out []SecurityGroup
	referenced := map[sim.SecurityGroupID]bool{}
	for _, g := range s.SecurityGroupsOf(v) {
		c := SecurityGroup{ID: g.ID}
		for _, r := range g.Rules {
			if r.Group != "" && s.SecurityGroups.Row(r.Group).VPC != v {
				continue // matches nobody: the group is gone, or of another VPC
			}
			referenced[r.Group] = true
			rule := Rule{ID: r.ID, Protocol: r.Protocol, FromPort: r.FromPort, ToPort: r.ToPort, CIDR: r.CIDR, Group: r.Group}
			if r.Egress {
				c.Egress = append(c.Egress, rule)
			} else {
				c.Ingress = append(c.Ingress, rule)
			}
		}
		out = append(out, c)
	}
	members := map[sim.SecurityGroupID][]netip.Addr{}
	for _, w := range enis {
		for _, g := range w.SecurityGroups {
			if referenced[g] {
				members[g] = append(members[g], w.PrivateIP)
			}
		}
	}
	for i := range out {
		m := members[out[i].ID]
		slices.SortFunc(m, netip.Addr.Compare)
		out[i].Members = m
	}
	return out
}

func compileGateway(s *world.State, o CompileOptions, v sim.VPCID, enis []*wired) *Gateway {
	g, ok := s.GatewayOf(v)
	if !ok {
		return nil
	}
	out := &Gateway{ID: g.ID, Container: o.Site.Edge(g.ID), PID: o.EdgePIDs[g.ID], Internet: g.Tags.Value(sim.TagInternet) == sim.InternetReal}
	for _, w := range enis {
		if w.PublicIP.IsValid() {
			out.Publics = append(out.Publics, PublicAddr{Public: w.PublicIP, Private: w.PrivateIP})
		}
	}
	slices.SortFunc(out.Publics, func(a, b PublicAddr) int { return a.Public.Compare(b.Public) })
	return out
}

// compileNames returns what the VPC's resolver knows. A public name means the
// private address there (VPC User Guide, "DNS attributes").
func compileNames(r sim.Region, v sim.VPC, enis []*wired) []Name {
	if !v.DNSSupport {
		return nil
	}
	var out []Name
	for _, w := range enis {
		out = append(out, Name{Name: sim.PrivateDNSName(r, w.PrivateIP), Addr: w.PrivateIP})
		if v.DNSHostnames && w.PublicIP.IsValid() {
			out = append(out, Name{Name: sim.PublicDNSName(r, w.PublicIP), Addr: w.PrivateIP})
		}
	}
	slices.SortFunc(out, func(a, b Name) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func compileVolume(v sim.Volume, r sim.Region) Volume {
	return Volume{ID: v.ID, Account: v.Owner, Region: r, SizeGiB: v.Size, Lab: v.Tags.Value(sim.TagLab),
		Name: v.Tags.Value(sim.TagName), Tags: v.Tags, Delete: v.Status.Deleting}
}
