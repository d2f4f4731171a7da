package lab

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

func (d *differ) group(g SecurityGroup) {
	if is, ok := d.acc.groups[g.Name]; ok {
		d.changes.known("security-group", g.Name, wire.Value(is.GroupId))
		return
	}
	d.add(StepInstances, Create, "security-group", g.Name, func(ctx context.Context, r *run) error {
		var out wire.CreateSecurityGroupResult
		if err := r.do(ctx, "CreateSecurityGroup", &wire.CreateSecurityGroupRequest{GroupName: &g.Name, Description: &g.Description,
			VpcId: ptr(r.id("vpc", g.VPC)), TagSpecifications: r.tags("security-group", g.Name)}, &out); err != nil {
			return err
		}
		r.learn("security-group", g.Name, wire.Value(out.GroupId))
		return nil
	})
}

// rules authorizes what the file has and the group lacks, and revokes the rest.
func (d *differ) rules(g SecurityGroup) {
	is, stands := d.acc.groups[g.Name]
	egress := g.Egress
	if !g.EgressSet { // what a new group has
		egress = []Rule{{Protocol: sim.ProtocolAll, From: -1, To: -1, CIDR: sim.Everywhere}}
	}
	nowIn, nowOut := d.described(is.IpPermissions), d.described(is.IpPermissionsEgress)
	if !stands {
		nowOut = map[string]Rule{}
		r := Rule{Protocol: sim.ProtocolAll, From: -1, To: -1, CIDR: sim.Everywhere}
		nowOut[r.key()] = r
	}
	for _, x := range []struct {
		direction string
		want      []Rule
		now       map[string]Rule
	}{{"Ingress", g.Ingress, nowIn}, {"Egress", egress, nowOut}} {
		missing := map[string]Rule{}
		for _, r := range x.want {
			if _, ok := x.now[r.key()]; !ok {
				missing[r.key()] = r
			}
			delete(x.now, r.key())
		}
		d.ruleChange(g, "Authorize", x.direction, missing)
		d.ruleChange(g, "Revoke", x.direction, x.now)
	}
}

func (d *differ) ruleChange(g SecurityGroup, verb, direction string, rules map[string]Rule) {
	if len(rules) == 0 {
		return
	}
	v := Update
	if _, stands := d.acc.groups[g.Name]; !stands {
		v = Create
	}
	d.add(StepInstances, v, "security-group", g.Name, func(ctx context.Context, r *run) error {
		var perms []wire.IpPermission
		for _, k := range slices.Sorted(maps.Keys(rules)) {
			perms = append(perms, rules[k].permission(r))
		}
		return r.permissions(ctx, verb+"SecurityGroup"+direction, r.id("security-group", g.Name), perms)
	})
	var list []string
	for _, k := range sortedKeys(rules) {
		list = append(list, rules[k].String())
	}
	d.detail(sim.Cmd("%s-%s %s", strings.ToLower(verb), strings.ToLower(direction), strings.Join(list, ", ")))
}

// permissions calls one of the four operations that change a group's rules.
func (r *run) permissions(ctx context.Context, action, group string, perms []wire.IpPermission) error {
	var in any
	switch action {
	case "AuthorizeSecurityGroupIngress":
		in = &wire.AuthorizeSecurityGroupIngressRequest{GroupId: &group, IpPermissions: perms}
	case "AuthorizeSecurityGroupEgress":
		in = &wire.AuthorizeSecurityGroupEgressRequest{GroupId: &group, IpPermissions: perms}
	case "RevokeSecurityGroupIngress":
		in = &wire.RevokeSecurityGroupIngressRequest{GroupId: &group, IpPermissions: perms}
	default:
		in = &wire.RevokeSecurityGroupEgressRequest{GroupId: &group, IpPermissions: perms}
	}
	return r.do(ctx, action, in, nil)
}

// String is a rule for people: tcp/22 0.0.0.0/0.
func (r Rule) String() string {
	peer := cmp.Or(r.Group, r.CIDR.String())
	switch {
	case r.Protocol == sim.ProtocolAll:
		return "all " + peer
	case r.From == -1:
		return protocolName(r.Protocol) + " " + peer
	case r.From == r.To:
		return fmt.Sprintf("%s/%d %s", protocolName(r.Protocol), r.From, peer)
	}
	return fmt.Sprintf("%s/%d-%d %s", protocolName(r.Protocol), r.From, r.To, peer)
}

// key identifies a rule by its values, as EC2 does.
func (r Rule) key() string {
	peer := r.CIDR.String()
	if r.Group != "" {
		peer = r.Group
	}
	return fmt.Sprintf("%d %d-%d %s", r.Protocol, r.From, r.To, peer)
}

func (r Rule) permission(run *run) wire.IpPermission {
	p := wire.IpPermission{IpProtocol: ptr(protocolName(r.Protocol))}
	if r.Protocol != sim.ProtocolAll {
		p.FromPort, p.ToPort = ptr(r.From), ptr(r.To)
	}
	if r.Group == "" {
		p.IpRanges = []wire.IpRange{{CidrIp: ptr(r.CIDR.String())}}
		return p
	}
	id := r.Group
	if known, ok := run.ids["security-group/"+r.Group]; ok {
		id = known
	}
	p.UserIdGroupPairs = []wire.UserIdGroupPair{{GroupId: &id}}
	return p
}

// described turns EC2's permissions into rules, groups by their names in the
// lab, or by their ids where they are none of the lab's.
func (d *differ) described(perms []wire.IpPermission) map[string]Rule {
	names := map[string]string{}
	for name, g := range d.acc.groups {
		names[wire.Value(g.GroupId)] = name
	}
	out := map[string]Rule{}
	for _, p := range perms {
		r := Rule{Protocol: protocolNumber(wire.Value(p.IpProtocol)), From: -1, To: -1}
		if p.FromPort != nil && r.Protocol != sim.ProtocolAll {
			r.From, r.To = *p.FromPort, wire.Value(p.ToPort)
		}
		for _, c := range p.IpRanges {
			x := r
			x.CIDR, _, _ = sim.ParseCIDR(wire.Value(c.CidrIp))
			out[x.key()] = x
		}
		for _, g := range p.UserIdGroupPairs {
			x := r
			x.Group = cmpOr(names[wire.Value(g.GroupId)], wire.Value(g.GroupId))
			out[x.key()] = x
		}
	}
	return out
}

func protocolName(p sim.Protocol) string {
	switch p {
	case sim.ProtocolTCP:
		return "tcp"
	case sim.ProtocolUDP:
		return "udp"
	case sim.ProtocolICMP:
		return "icmp"
	}
	return strconv.Itoa(int(p))
}

func protocolNumber(s string) sim.Protocol {
	for _, p := range []sim.Protocol{sim.ProtocolTCP, sim.ProtocolUDP, sim.ProtocolICMP} {
		if s == protocolName(p) {
			return p
		}
	}
	n, _ := strconv.Atoi(s)
	return sim.Protocol(n)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
