package path

import (
	"net/netip"

	"labsim/sim"
)

// permits returns the rule of an interface's groups that accepts the packet from or
// to peer: an open one, or else the first.
func (t *tracer) permits(a at, egress bool, peer netip.Addr) (sim.SecurityGroup, sim.SecurityGroupRule, bool) {
	for _, open := range []bool{true, false} {
		for _, id := range a.eni.SecurityGroups {
			g := t.s.SecurityGroups.Row(id)
			for _, r := range g.Rules {
				if r.Egress == egress && sim.OpenRule(r.Protocol, r.CIDR) == open && t.matches(r, a.eni.VPC, peer) {
					return g, r, true
				}
			}
		}
	}
	return sim.SecurityGroup{}, sim.SecurityGroupRule{}, false
}

// stateful says why the groups of the receiver let the answer out.
func (t *tracer) stateful(to at) sim.Text {
	in, out := t.entry, t.letsAllOut(to.eni)
	if sim.OpenTo(in.Protocol, in.CIDR, t.q.Protocol) && out != "" {
		return sim.T("rule %s lets the answer out: security groups don't track this connection, and it ends as soon as rule %s is removed", string(out), string(in.ID))
	}
	return sim.T("security groups are stateful: the answer needs no rule")
}

// letsAllOut returns the first rule of an interface's groups that lets all of the
// query's protocol out to everyone; "" where there is none.
func (t *tracer) letsAllOut(e sim.ENI) sim.SecurityGroupRuleID {
	for _, id := range e.SecurityGroups {
		for _, r := range t.s.SecurityGroups.Row(id).Rules {
			if r.Egress && sim.OpenTo(r.Protocol, r.CIDR, t.q.Protocol) && sim.AllPorts(r.FromPort, r.ToPort) {
				return r.ID
			}
		}
	}
	return ""
}
