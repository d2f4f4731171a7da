package path

import (
	"net/netip"

	"labsim/sim"
	"labsim/sim/world"
)

// Counters of the router's own drops, as dataplane.Counter says.
const (
	dropNoRoute = "drop:no-route"
	dropCheck   = "drop:source-dest-check"
	dropRouter  = "drop:router"
)

// route is what a subnet's table does with an address.
type route struct {
	kind  world.LeadKind // "": no route matches
	table sim.RouteTable
	dst   netip.Prefix // zero: likewise
	eni   sim.ENI      // of LeadENI
}

func (r route) name() string { return name(r.table.Tags, r.table.ID) }

func (r route) hop(text sim.Text) Hop {
	h := Hop{Kind: KindRoute, Resource: string(r.table.ID), Text: text}
	if r.dst.IsValid() {
		h.Rule = r.dst.String()
	}
	return h
}

// drop names the counter of packets that the route doesn't bring anywhere; ""
// where that is not the router's to say.
func (r route) drop() string {
	switch {
	case r.kind == "" || r.kind == world.LeadBlackhole:
		return dropNoRoute
	case r.kind == world.LeadENI && r.eni.SourceDestCheck:
		return dropCheck
	}
	return ""
}

// route returns the route of an interface's subnet to dst: the longest prefix
// wins; a route of the owner's wins over the local one of the same length.
func (t *tracer) route(e sim.ENI, dst netip.Addr) route {
	table := t.s.RouteTableFor(t.s.Subnets.Row(e.Subnet))
	out := route{table: table}
	for _, c := range t.s.VPCs.Row(e.VPC).CIDRs {
		if c.Contains(dst) && c.Bits() > out.dst.Bits() {
			out.kind, out.dst = world.LeadLocal, c
		}
	}
	for _, r := range table.Routes {
		if r.Target.Kind == sim.TargetLocal || !r.Destination.Contains(dst) || r.Destination.Bits() < out.dst.Bits() {
			continue
		}
		l := t.s.Leads(table, r)
		out.kind, out.dst, out.eni = l.Kind, r.Destination, l.ENI
	}
	return out
}

// router reports whether dst is the VPC's router itself, and follows the packet
// there. Security groups don't filter what goes there (VPC User Guide,
// "Security groups").
func (t *tracer) router(from at, dst netip.Addr) bool {
	v := t.s.VPCs.Row(from.eni.VPC)
	h := Hop{Kind: KindRouter, Resource: string(v.ID)}
	dns := dst == sim.DNSLinkLocal || dst == sim.DNSAddr(v.CIDR())
	switch {
	case dst == sim.MetadataAddr && t.q.Protocol == sim.ProtocolTCP && t.q.Port == 80:
		h.Text = sim.T("%s is the instance metadata service; security groups don't filter it", dst.String())
	case dns && !v.DNSSupport:
		h.Text = sim.T("the VPC's resolver is switched off (DNS support)")
		h.Counter = dropRouter
		t.stop(h, dnsSupport(v))
		return true
	case dns && t.q.Port == 53 && (t.q.Protocol == sim.ProtocolUDP || t.q.Protocol == sim.ProtocolTCP):
		h.Text = sim.T("%s is the VPC's resolver; security groups don't filter it", dst.String())
	case dst == sim.MetadataAddr || dns || t.isRouter(v.ID, dst):
		h.Text = sim.T("%s is the VPC's router: it doesn't answer %s", dst.String(), t.traffic())
		h.Counter = dropRouter
		t.stop(h)
		return true
	default:
		return false
	}
	t.pass(h)
	return true
}

func (t *tracer) isRouter(v sim.VPCID, a netip.Addr) bool {
	for _, n := range t.s.SubnetsOf(v) {
		if sim.RouterAddr(n.CIDR) == a {
			return true
		}
	}
	return false
}
