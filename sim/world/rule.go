package world

import (
	"fmt"
	"iter"
	"slices"

	"labsim/sim"
)

var ruleNoun = noun{prefix: sim.PrefixSecurityGroupRule, name: "security-group-rule", malformed: "InvalidSecurityGroupRuleId.Malformed",
	missing: "InvalidSecurityGroupRuleId.NotFound", format: "The security group rule ID '%s' does not exist"}

// rules are the parts of security groups.
type rules struct{}

func (rules) speak() noun { return ruleNoun }

func (rules) tags(s *State) iter.Seq[Tagged] {
	return func(yield func(Tagged) bool) {
		for _, g := range s.SecurityGroups.All() {
			for _, r := range g.Rules {
				if !yield(Tagged{ruleNoun.name, string(r.ID), g.Owner, r.Tags}) {
					return
				}
			}
		}
	}
}

func (rules) retag(tx *Tx, id string, change changeTags) error {
	g, ok := tx.SecurityGroups.first(groupsByRule, id)
	if err := ruleNoun.found(ok && tx.owns(g.Owner), id); err != nil {
		return err
	}
	g.Rules = slices.Clone(g.Rules)
	r := &g.Rules[slices.IndexFunc(g.Rules, func(r sim.SecurityGroupRule) bool { return string(r.ID) == id })]
	var err error
	if r.Tags, err = change(r.Tags); err != nil {
		return err
	}
	put(tx, tx.SecurityGroups, g.ID, g)
	return nil
}

// AuthorizeSecurityGroup adds rules (EC2 API, AuthorizeSecurityGroupIngress and
// ...Egress). Of each rule, ID and Egress are filled in here.
type AuthorizeSecurityGroup struct {
	Group  sim.SecurityGroupID
	Egress bool
	Rules  []sim.SecurityGroupRule
	Tags   sim.Tags // of each new rule
}

// AuthorizeSecurityGroup returns the new rules.
func (tx *Tx) AuthorizeSecurityGroup(in AuthorizeSecurityGroup) ([]sim.SecurityGroupRule, error) {
	g, err := get(tx, tx.SecurityGroups, in.Group)
	if err != nil {
		return nil, err
	}
	if len(in.Rules) == 0 {
		return nil, missing("ipPermissions")
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	var added []sim.SecurityGroupRule
	for _, r := range in.Rules {
		r.Egress, r.Tags = in.Egress, tags
		if r, err = tx.checkRule(g, r); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(added, sameRule(r)) {
			return nil, sim.Errorf(sim.CodeInvalidParameterValue, "The same permission must not appear multiple times")
		}
		if slices.ContainsFunc(g.Rules, sameRule(r)) {
			return nil, sim.Errorf("InvalidPermission.Duplicate", "the specified rule %q already exists", ruleText(r))
		}
		if r.ID, err = newID[sim.SecurityGroupRuleID](tx, sim.PrefixSecurityGroupRule); err != nil {
			return nil, err
		}
		added = append(added, r)
	}
	g.Rules = append(slices.Clone(g.Rules), added...)
	if rulesOf(g, in.Egress) > maxRulesPerGroup {
		return nil, sim.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	put(tx, tx.SecurityGroups, g.ID, g)
	return added, nil
}

// RevokeSecurityGroup removes rules by their values or by their ids (EC2 API,
// RevokeSecurityGroupIngress and ...Egress). It returns what was removed.
type RevokeSecurityGroup struct {
	Group   sim.SecurityGroupID
	Egress  bool
	Rules   []sim.SecurityGroupRule
	RuleIDs []sim.SecurityGroupRuleID
}

// RevokeSecurityGroup removes all the rules that are named, or none.
func (tx *Tx) RevokeSecurityGroup(in RevokeSecurityGroup) ([]sim.SecurityGroupRule, error) {
	g, err := get(tx, tx.SecurityGroups, in.Group)
	if err != nil {
		return nil, err
	}
	if len(in.Rules) == 0 && len(in.RuleIDs) == 0 {
		return nil, missing("ipPermissions")
	}
	var gone []sim.SecurityGroupRule
	for _, id := range in.RuleIDs {
		at := slices.IndexFunc(g.Rules, func(r sim.SecurityGroupRule) bool { return r.ID == id && r.Egress == in.Egress })
		if at < 0 {
			return nil, ruleNoun.found(false, string(id))
		}
		gone = append(gone, g.Rules[at])
	}
	for _, r := range in.Rules {
		r.Egress = in.Egress
		at := slices.IndexFunc(g.Rules, sameRule(canonical(r)))
		if at < 0 {
			return nil, sim.Errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		gone = append(gone, g.Rules[at])
	}
	g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r sim.SecurityGroupRule) bool {
		return slices.ContainsFunc(gone, func(x sim.SecurityGroupRule) bool { return x.ID == r.ID })
	})
	put(tx, tx.SecurityGroups, g.ID, g)
	return gone, nil
}

// canonical gives equal rules equal values: all ports where the protocol has
// none, and no host bits.
func canonical(r sim.SecurityGroupRule) sim.SecurityGroupRule {
	switch r.Protocol {
	case sim.ProtocolTCP, sim.ProtocolUDP, sim.ProtocolICMP:
	default:
		r.FromPort, r.ToPort = -1, -1
	}
	if r.Group != "" || !r.CIDR.IsValid() {
		return r
	}
	r.CIDR = r.CIDR.Masked()
	return r
}

// checkRule returns the rule in its canonical form, or why it can't be.
func (tx *Tx) checkRule(g sim.SecurityGroup, r sim.SecurityGroupRule) (sim.SecurityGroupRule, error) {
	r = canonical(r)
	if err := checkPorts(r); err != nil {
		return r, err
	}
	switch {
	case r.Group != "":
		peer, err := get(tx, tx.SecurityGroups, r.Group)
		if err != nil {
			return r, err
		}
		if peer.VPC != g.VPC {
			return r, sim.Errorf("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
		}
	case !r.CIDR.IsValid() || !r.CIDR.Addr().Is4():
		return r, sim.Errorf(sim.CodeMissingParameter, "Source group ID missing.")
	}
	if !sim.IsGroupText(r.Description) {
		return r, sim.Errorf(sim.CodeInvalidParameterValue, "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
	}
	return r, nil
}

// checkPorts: TCP and UDP have a range of ports, ICMP a type and a code.
func checkPorts(r sim.SecurityGroupRule) error {
	switch r.Protocol {
	case sim.ProtocolTCP, sim.ProtocolUDP:
		for _, p := range []int{r.FromPort, r.ToPort} {
			if p < 0 || p > 65535 {
				return sim.Errorf(sim.CodeInvalidParameterValue, "TCP/UDP port (%d) out of range", p)
			}
		}
		if r.FromPort > r.ToPort {
			return sim.Errorf(sim.CodeInvalidParameterValue, "Invalid TCP/UDP port range (%d:%d)", r.FromPort, r.ToPort)
		}
	case sim.ProtocolICMP:
		if r.FromPort < -1 || r.FromPort > 255 {
			return sim.Errorf(sim.CodeInvalidParameterValue, "ICMP type (%d) out of range", r.FromPort)
		}
		if r.ToPort < -1 || r.ToPort > 255 || r.FromPort == -1 && r.ToPort != -1 {
			return sim.Errorf(sim.CodeInvalidParameterValue, "ICMP code (%d) out of range", r.ToPort)
		}
	default:
		if r.Protocol < -1 || r.Protocol > 255 {
			return sim.Errorf("InvalidPermission.Malformed", "Unsupported IP protocol \"%d\"", r.Protocol)
		}
	}
	return nil
}

// sameRule compares by what a rule allows; its description and tags don't matter.
func sameRule(r sim.SecurityGroupRule) func(sim.SecurityGroupRule) bool {
	return func(x sim.SecurityGroupRule) bool {
		return x.Egress == r.Egress && x.Protocol == r.Protocol && x.FromPort == r.FromPort && x.ToPort == r.ToPort &&
			x.CIDR == r.CIDR && x.Group == r.Group
	}
}

// ruleText is how EC2's messages write a rule.
func ruleText(r sim.SecurityGroupRule) string {
	peer := string(r.Group)
	if peer == "" {
		peer = r.CIDR.String()
	}
	switch r.Protocol {
	case sim.ProtocolAll:
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	case sim.ProtocolICMP:
		return fmt.Sprintf("peer: %s, ICMP, type: %d, code: %d, ALLOW", peer, r.FromPort, r.ToPort)
	case sim.ProtocolTCP:
		return fmt.Sprintf("peer: %s, TCP, from port: %d, to port: %d, ALLOW", peer, r.FromPort, r.ToPort)
	case sim.ProtocolUDP:
		return fmt.Sprintf("peer: %s, UDP, from port: %d, to port: %d, ALLOW", peer, r.FromPort, r.ToPort)
	}
	return fmt.Sprintf("peer: %s, PROTOCOL %d, ALLOW", peer, r.Protocol)
}

func rulesOf(g sim.SecurityGroup, egress bool) int {
	n := 0
	for _, r := range g.Rules {
		if r.Egress == egress {
			n++
		}
	}
	return n
}
