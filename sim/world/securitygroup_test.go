package world

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
)

func tcp(from, to int, cidr string) sim.SecurityGroupRule {
	return sim.SecurityGroupRule{Protocol: sim.ProtocolTCP, FromPort: from, ToPort: to, CIDR: prefix(cidr)}
}

func TestCreateSecurityGroupRules(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	web := r.group(v, "web")
	want := []sim.SecurityGroupRule{{Egress: true, Protocol: sim.ProtocolAll, FromPort: -1, ToPort: -1, CIDR: sim.Everywhere}}
	if diff := cmp.Diff(want, web.Rules, byValue); diff != "" {
		t.Error("rules of a new group (-want +got):\n" + diff)
	}
	r.group(r.vpc("10.0.0.0/16"), "web") // another VPC, the same name
	for _, c := range []struct {
		vpc                     sim.VPCID
		name, about, code, text string
	}{
		{v.ID, "web", "x", "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC '" + string(v.ID) + "'"},
		{v.ID, "", "x", "MissingParameter", "GroupName"},
		{v.ID, "db", "", "MissingParameter", "GroupDescription"},
		{v.ID, "default", "x", "InvalidParameterValue", "Cannot use reserved security group name: default"},
		{v.ID, "sg-db", "x", "InvalidParameterValue", "may not be in the format sg-*"},
		{v.ID, "웹", "x", "InvalidParameterValue", "GroupName"},
		{v.ID, "db", "<b>", "InvalidParameterValue", "GroupDescription"},
		{v.ID, strings.Repeat("d", 256), "x", "InvalidParameterValue", "GroupName"},
		{"", "db", "x", "VPCIdNotSpecified", "No default VPC for this user"},
		{"vpc-none", "db", "x", "InvalidVpcID.NotFound", ""},
	} {
		r.refused(c.code, c.text, drop(func(tx *Tx) (sim.SecurityGroup, error) {
			return tx.CreateSecurityGroup(CreateSecurityGroup{VPC: c.vpc, Name: c.name, Description: c.about})
		}))
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	web, far := r.group(v, "web"), r.group(r.vpc("10.1.0.0/16"), "far")
	ssh := tcp(22, 22, "0.0.0.0/0")
	authorize := func(rules ...sim.SecurityGroupRule) func(*Tx) error {
		return drop(func(tx *Tx) ([]sim.SecurityGroupRule, error) {
			return tx.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: web.ID, Rules: rules})
		})
	}
	r.run(authorize(ssh))
	icmp := func(typ, code int) sim.SecurityGroupRule {
		return sim.SecurityGroupRule{Protocol: sim.ProtocolICMP, FromPort: typ, ToPort: code, CIDR: sim.Everywhere}
	}
	for name, c := range map[string]struct {
		rules      []sim.SecurityGroupRule
		code, text string
	}{
		"none":           {nil, "MissingParameter", "ipPermissions"},
		"duplicate":      {[]sim.SecurityGroupRule{ssh}, "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists`},
		"twice":          {[]sim.SecurityGroupRule{tcp(80, 80, "10.0.0.0/8"), tcp(80, 80, "10.9.9.9/8")}, "InvalidParameterValue", "The same permission must not appear multiple times"},
		"range":          {[]sim.SecurityGroupRule{tcp(80, 22, "0.0.0.0/0")}, "InvalidParameterValue", "Invalid TCP/UDP port range (80:22)"},
		"port":           {[]sim.SecurityGroupRule{tcp(80, 65536, "0.0.0.0/0")}, "InvalidParameterValue", "65536"},
		"no ports":       {[]sim.SecurityGroupRule{tcp(-1, -1, "0.0.0.0/0")}, "InvalidParameterValue", "-1"},
		"icmp type":      {[]sim.SecurityGroupRule{icmp(256, -1)}, "InvalidParameterValue", "ICMP type (256)"},
		"icmp code":      {[]sim.SecurityGroupRule{icmp(-1, 3)}, "InvalidParameterValue", "ICMP code (3)"},
		"protocol":       {[]sim.SecurityGroupRule{{Protocol: 300, CIDR: sim.Everywhere}}, "InvalidPermission.Malformed", "300"},
		"no peer":        {[]sim.SecurityGroupRule{{Protocol: sim.ProtocolAll}}, "MissingParameter", "Source group ID missing."},
		"unknown group":  {[]sim.SecurityGroupRule{{Protocol: sim.ProtocolAll, Group: "sg-0123456789abcdef0"}}, "InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist"},
		"malformed id":   {[]sim.SecurityGroupRule{{Protocol: sim.ProtocolAll, Group: "web"}}, "InvalidGroupId.Malformed", `Invalid id: "web" (expecting "sg-...")`},
		"other VPC":      {[]sim.SecurityGroupRule{{Protocol: sim.ProtocolAll, Group: far.ID}}, "InvalidGroup.NotFound", "belong to different networks"},
		"bad comment":    {[]sim.SecurityGroupRule{{Protocol: sim.ProtocolAll, CIDR: sim.Everywhere, Description: "<>"}}, "InvalidParameterValue", "Invalid rule description"},
		"first is right": {[]sim.SecurityGroupRule{tcp(443, 443, "0.0.0.0/0"), ssh}, "InvalidPermission.Duplicate", ""},
	} {
		t.Run(name, func(t *testing.T) { r.t = t; r.refused(c.code, c.text, authorize(c.rules...)) })
	}
}

func TestRuleLimitIsPerDirection(t *testing.T) {
	r := newRegion(t)
	web := r.group(r.vpc("10.0.0.0/16"), "web")
	add := func(egress bool, port int) func(*Tx) error {
		return drop(func(tx *Tx) ([]sim.SecurityGroupRule, error) {
			return tx.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: web.ID, Egress: egress, Rules: []sim.SecurityGroupRule{tcp(port, port, "0.0.0.0/0")}})
		})
	}
	for port := range maxRulesPerGroup {
		r.run(add(false, port))
	}
	r.refused("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.", add(false, 1000))
	r.run(add(true, 1000))
}

func TestRevoke(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	web := r.group(v, "web")
	added := do(r, func(tx *Tx) ([]sim.SecurityGroupRule, error) {
		return tx.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: web.ID, Rules: []sim.SecurityGroupRule{
			tcp(22, 22, "0.0.0.0/0"), tcp(80, 80, "10.5.5.5/8"), {Protocol: 47, FromPort: 5, ToPort: 5, Group: web.ID}}})
	})
	revoke := func(in RevokeSecurityGroup) func(*Tx) error {
		in.Group = web.ID
		return drop(func(tx *Tx) ([]sim.SecurityGroupRule, error) { return tx.RevokeSecurityGroup(in) })
	}
	r.refused("InvalidPermission.NotFound", "The specified rule does not exist in this security group.",
		revoke(RevokeSecurityGroup{Rules: []sim.SecurityGroupRule{tcp(22, 22, "0.0.0.0/0"), tcp(23, 23, "0.0.0.0/0")}}))
	r.refused("InvalidPermission.NotFound", "", revoke(RevokeSecurityGroup{Egress: true, Rules: []sim.SecurityGroupRule{tcp(22, 22, "0.0.0.0/0")}}))
	r.refused("InvalidSecurityGroupRuleId.NotFound", "does not exist", revoke(RevokeSecurityGroup{RuleIDs: []sim.SecurityGroupRuleID{"sgr-0123456789abcdef0"}}))
	r.refused("InvalidSecurityGroupRuleId.NotFound", "", revoke(RevokeSecurityGroup{Egress: true, RuleIDs: []sim.SecurityGroupRuleID{added[0].ID}}))
	r.refused("MissingParameter", "", revoke(RevokeSecurityGroup{}))

	described := tcp(80, 80, "10.0.0.0/8")
	described.Description = "a description is not part of what a rule is"
	r.run(revoke(RevokeSecurityGroup{Rules: []sim.SecurityGroupRule{described, {Protocol: 47, Group: web.ID}}}))
	r.run(revoke(RevokeSecurityGroup{RuleIDs: []sim.SecurityGroupRuleID{added[0].ID}}))
	if n := rulesOf(r.View().SecurityGroups.Row(web.ID), false); n != 0 {
		t.Errorf("%d ingress rules are left, want none", n)
	}
}

func TestDeleteSecurityGroup(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	web, db := r.group(v, "web"), r.group(v, "db")
	del := func(id sim.SecurityGroupID) func(*Tx) error {
		return func(tx *Tx) error { return tx.DeleteSecurityGroup(id) }
	}
	def := r.View().DefaultGroup(v.ID)
	r.refused("CannotDelete", fmt.Sprintf("the specified group: %q name: \"default\" cannot be deleted by a user", def.ID), del(def.ID))
	r.run(drop(func(tx *Tx) ([]sim.SecurityGroupRule, error) {
		return tx.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: db.ID, Rules: []sim.SecurityGroupRule{
			{Protocol: sim.ProtocolAll, Group: web.ID}, {Protocol: sim.ProtocolAll, Group: db.ID}}})
	}))
	r.refused("DependencyViolation", "resource "+string(web.ID)+" has a dependent object", del(web.ID))
	i := r.running(n, func(in *RunInstances) { in.SecurityGroups = []sim.SecurityGroupID{db.ID} })
	r.refused("DependencyViolation", "has a dependent object", del(db.ID))
	r.run(func(tx *Tx) error {
		return tx.ModifyInstanceAttribute(ModifyInstanceAttribute{Instance: i.ID, SecurityGroups: []sim.SecurityGroupID{web.ID, web.ID}})
	})
	if diff := cmp.Diff([]sim.SecurityGroupID{web.ID}, r.eni(i.ID).SecurityGroups); diff != "" {
		t.Error("groups of the interface (-want +got):\n" + diff)
	}
	r.run(del(db.ID)) // its rule for itself doesn't keep it
	r.refused("InvalidGroup.NotFound", "", del(db.ID))
}
