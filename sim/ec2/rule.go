package ec2

import (
	"strconv"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// ruleRequest is what the four operations on rules have in common. The rules are
// given as permissions, or one of them by the members from protocol to cidr.
type ruleRequest struct {
	group, groupName *string
	permissions      []wire.IpPermission
	protocol         *string
	from, to         *int
	cidr             *string
	tags             []wire.TagSpecification
}

// rules takes permissions apart: each has ports and any number of peers, each
// peer makes a rule.
func (p *parser) rules(c *call, r ruleRequest) []sim.SecurityGroupRule {
	permissions := r.permissions
	if r.cidr != nil || r.protocol != nil {
		if len(permissions) > 0 {
			p.fail(sim.CodeInvalidParameterCombination, "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'")
		}
		permissions = []wire.IpPermission{{IpProtocol: r.protocol, FromPort: r.from, ToPort: r.to, IpRanges: []wire.IpRange{{CidrIp: r.cidr}}}}
	}
	var out []sim.SecurityGroupRule
	for _, perm := range permissions {
		base := sim.SecurityGroupRule{Protocol: p.protocol(perm.IpProtocol), FromPort: -1, ToPort: -1}
		p.ports(&base, perm)
		for _, peer := range perm.IpRanges {
			rule := base
			rule.CIDR, rule.Description = p.cidr("cidrIp", peer.CidrIp), text(peer.Description)
			out = append(out, rule)
		}
		for _, peer := range perm.UserIdGroupPairs {
			rule := base
			rule.Group, rule.Description = p.peerGroup(c, peer), text(peer.Description)
			out = append(out, rule)
		}
		if len(perm.IpRanges)+len(perm.UserIdGroupPairs) == 0 {
			p.fail(sim.CodeMissingParameter, "Source group ID missing.")
		}
	}
	return out
}

func (p *parser) ports(rule *sim.SecurityGroupRule, perm wire.IpPermission) {
	if perm.FromPort != nil {
		rule.FromPort = *perm.FromPort
	}
	if perm.ToPort != nil {
		rule.ToPort = *perm.ToPort
	}
	ported := rule.Protocol == sim.ProtocolTCP || rule.Protocol == sim.ProtocolUDP
	if ported && (perm.FromPort == nil || perm.ToPort == nil) {
		p.fail(sim.CodeInvalidParameterValue, "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
	}
}

func (p *parser) peerGroup(c *call, peer wire.UserIdGroupPair) sim.SecurityGroupID {
	if user := text(peer.UserId); user != "" && user != string(c.account) {
		p.fail("InvalidGroup.NotFound", "You have specified a security group of another account (%s); labsim has no rules across accounts", user)
	}
	group, err := groupOf(peer.GroupId, peer.GroupName)
	if err != nil && p.err == nil {
		p.err = err
	}
	return group
}

var protocols = map[sim.Protocol]string{sim.ProtocolAll: "-1", sim.ProtocolICMP: "icmp", sim.ProtocolTCP: "tcp", sim.ProtocolUDP: "udp", 58: "icmpv6"}

// protocol parses a protocol's name or number.
func (p *parser) protocol(s *string) sim.Protocol {
	name := strings.ToLower(text(s))
	if name == "" {
		p.fail(sim.CodeMissingParameter, "The request must contain the parameter ipProtocol")
	}
	if name == "all" {
		return sim.ProtocolAll
	}
	for number, known := range protocols {
		if name == known {
			return number
		}
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < -1 || n > 255 {
		p.fail("InvalidPermission.Malformed", "Unsupported IP protocol \"%s\"  - supported: [-1, tcp, udp, icmp, icmpv6, 0 to 255]", text(s))
	}
	return sim.Protocol(n)
}

func protocolName(p sim.Protocol) string {
	if name, ok := protocols[p]; ok {
		return name
	}
	return strconv.Itoa(int(p))
}

func peerCIDR(r sim.SecurityGroupRule) []string {
	if !r.CIDR.IsValid() {
		return nil
	}
	return []string{r.CIDR.String()}
}

// traffic is what a rule allows, whoever the peer is.
type traffic struct {
	protocol sim.Protocol
	from, to int
}

// permissions puts rules together: those of the same traffic are one permission
// with several peers.
func (c *call) permissions(g sim.SecurityGroup, egress bool) []wire.IpPermission {
	out := []wire.IpPermission{}
	at := map[traffic]int{}
	for _, r := range g.Rules {
		if r.Egress != egress {
			continue
		}
		t := traffic{r.Protocol, r.FromPort, r.ToPort}
		n, ok := at[t]
		if !ok {
			n = len(out)
			at[t] = n
			out = append(out, permission(t))
		}
		c.addPeer(&out[n], r)
	}
	return out
}

func permission(t traffic) wire.IpPermission {
	out := wire.IpPermission{IpProtocol: new(protocolName(t.protocol)), IpRanges: []wire.IpRange{}, Ipv6Ranges: []wire.Ipv6Range{},
		PrefixListIds: []wire.PrefixListId{}, UserIdGroupPairs: []wire.UserIdGroupPair{}}
	if t.protocol != sim.ProtocolAll {
		out.FromPort, out.ToPort = &t.from, &t.to
	}
	return out
}

func (c *call) addPeer(out *wire.IpPermission, r sim.SecurityGroupRule) {
	if r.Group == "" {
		out.IpRanges = append(out.IpRanges, wire.IpRange{CidrIp: new(r.CIDR.String()), Description: optional(r.Description)})
		return
	}
	out.UserIdGroupPairs = append(out.UserIdGroupPairs, wire.UserIdGroupPair{GroupId: new(string(r.Group)),
		UserId: optional(c.SecurityGroups.Row(r.Group).Owner), Description: optional(r.Description)})
}

// ruleOf is a rule with its group.
type ruleOf struct {
	group sim.SecurityGroup
	rule  sim.SecurityGroupRule
}

var ruleFilters = filters[ruleOf]{
	"group-id":               func(_ *call, r ruleOf) []string { return str(r.group.ID) },
	"security-group-rule-id": func(_ *call, r ruleOf) []string { return str(r.rule.ID) },
}

func describeSecurityGroupRules(c *call, in *wire.DescribeSecurityGroupRulesRequest) (*wire.DescribeSecurityGroupRulesResult, error) {
	match, err := compile(c, ruleFilters, func(r ruleOf) sim.Tags { return r.rule.Tags }, in.Filters)
	if err != nil {
		return nil, err
	}
	rules := map[string]ruleOf{}
	for _, g := range c.SecurityGroups.All() {
		for _, r := range g.Rules {
			if g.Owner == c.account {
				rules[string(r.ID)] = ruleOf{g, r}
			}
		}
	}
	var found []string
	for _, id := range in.SecurityGroupRuleIds {
		if _, ok := rules[id]; !ok {
			return nil, world.Missing(sim.PrefixSecurityGroupRule, id)
		}
	}
	for id, r := range rules {
		if (len(in.SecurityGroupRuleIds) == 0 || contains(in.SecurityGroupRuleIds, id)) && match(r) {
			found = append(found, id)
		}
	}
	found, next, err := page{max: in.MaxResults, token: in.NextToken}.cut(sorted(found))
	return &wire.DescribeSecurityGroupRulesResult{NextToken: next,
		SecurityGroupRules: convert(found, func(id string) wire.SecurityGroupRule { return c.rule(rules[id]) })}, err
}

func (c *call) rule(r ruleOf) wire.SecurityGroupRule {
	out := wire.SecurityGroupRule{SecurityGroupRuleId: new(string(r.rule.ID)),
		SecurityGroupRuleArn: new(c.arn(r.group.Owner, "security-group-rule", string(r.rule.ID))), GroupId: new(string(r.group.ID)), GroupOwnerId: new(string(r.group.Owner)),
		IsEgress: &r.rule.Egress, IpProtocol: new(protocolName(r.rule.Protocol)), FromPort: &r.rule.FromPort, ToPort: &r.rule.ToPort,
		Description: optional(r.rule.Description), Tags: tagSet(r.rule.Tags)}
	if r.rule.Group == "" {
		out.CidrIpv4 = new(r.rule.CIDR.String())
	} else {
		out.ReferencedGroupInfo = &wire.ReferencedSecurityGroup{GroupId: new(string(r.rule.Group)), UserId: optional(c.SecurityGroups.Row(r.rule.Group).Owner)}
	}
	return out
}
