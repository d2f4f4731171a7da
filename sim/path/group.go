package path

import (
	"net/netip"
	"strings"

	"labsim/sim"
)

// group asks the groups of an interface, in their order, for a rule that
// accepts the packet from or to peer.
func (t *tracer) group(a at, egress bool, peer netip.Addr) {
	kind, counter := KindIngress, ":ingress"
	if egress {
		kind, counter = KindEgress, ":egress"
	}
	g, r, ok := t.permits(a, egress, peer)
	t.entry = r
	if ok {
		t.allow(Hop{Kind: kind, Resource: string(g.ID), Rule: string(r.ID), Counter: string(r.ID), Text: t.allows(g, r)})
		return
	}
	h := Hop{Kind: kind, Counter: "drop:" + string(a.eni.ID) + counter}
	if len(a.eni.SecurityGroups) > 0 {
		h.Resource = string(a.eni.SecurityGroups[0])
	}
	if egress {
		h.Text = sim.T("no outbound rule of %s's security groups (%s) allows %s to %s", t.label(a), t.groupNames(a.eni), t.traffic(), peer.String())
	} else {
		h.Text = sim.T("no inbound rule of %s's security groups (%s) allows %s from %s", t.label(a), t.groupNames(a.eni), t.traffic(), peer.String())
	}
	t.stop(h, t.authorize(a.eni, egress, peer)...)
}

func (t *tracer) allows(g sim.SecurityGroup, r sim.SecurityGroupRule) sim.Text {
	if r.Egress {
		return sim.T("security group %s allows %s to %s", name(g.Tags, g.Name), service(r), t.peer(r))
	}
	return sim.T("security group %s allows %s from %s", name(g.Tags, g.Name), service(r), t.peer(r))
}

// matches reports whether a rule of a group in VPC v accepts the query's packet.
func (t *tracer) matches(r sim.SecurityGroupRule, v sim.VPCID, peer netip.Addr) bool {
	if r.Protocol != sim.ProtocolAll && (r.Protocol != t.q.Protocol || !t.portMatches(r)) {
		return false
	}
	if r.Group == "" {
		return r.CIDR.Contains(peer)
	}
	return t.member(r.Group, v, peer)
}

// portMatches compares ports; for ICMP the type and code of an echo request.
func (t *tracer) portMatches(r sim.SecurityGroupRule) bool {
	switch t.q.Protocol {
	case sim.ProtocolTCP, sim.ProtocolUDP:
		return r.FromPort == -1 || r.FromPort <= t.q.Port && t.q.Port <= r.ToPort
	case sim.ProtocolICMP:
		return r.FromPort == -1 || r.FromPort == echoRequest && (r.ToPort == -1 || r.ToPort == 0)
	}
	return true
}

const echoRequest = 8

// member reports whether the private address belongs to a member of a group. A
// packet that came through the gateway bears a public one, and belongs to none.
func (t *tracer) member(g sim.SecurityGroupID, v sim.VPCID, a netip.Addr) bool {
	if t.s.SecurityGroups.Row(g).VPC != v {
		return false
	}
	for _, e := range t.s.ENIsOfGroup(g) {
		if e.PrivateIP == a && e.VPC == v && wired(t.s, e) {
			return true
		}
	}
	return false
}

// peer names whom a rule is about.
func (t *tracer) peer(r sim.SecurityGroupRule) any {
	if r.Group == "" {
		return r.CIDR.String()
	}
	g := t.s.SecurityGroups.Row(r.Group)
	return sim.T("members of %s", name(g.Tags, g.Name))
}

func (t *tracer) groupNames(e sim.ENI) string {
	var out []string
	for _, id := range e.SecurityGroups {
		g := t.s.SecurityGroups.Row(id)
		out = append(out, name(g.Tags, g.Name))
	}
	return strings.Join(out, ", ")
}
