package world

import (
	"labsim/sim"
)

// CreateSecurityGroup asks for a security group (EC2 API, CreateSecurityGroup).
type CreateSecurityGroup struct {
	VPC         sim.VPCID
	Name        string
	Description string
	Tags        sim.Tags
}

func (tx *Tx) CreateSecurityGroup(in CreateSecurityGroup) (out sim.SecurityGroup, err error) {
	return out, errUnfinished
}

func (tx *Tx) DeleteSecurityGroup(id sim.SecurityGroupID) error { return errUnfinished }

// AuthorizeSecurityGroup adds rules (EC2 API, AuthorizeSecurityGroupIngress and
// ...Egress). Of each rule, ID and Egress are filled in here.
type AuthorizeSecurityGroup struct {
	Group  sim.SecurityGroupID
	Egress bool
	Rules  []sim.SecurityGroupRule
	Tags   sim.Tags // of each new rule
}

func (tx *Tx) AuthorizeSecurityGroup(in AuthorizeSecurityGroup) (out []sim.SecurityGroupRule, err error) {
	return out, errUnfinished
}

// RevokeSecurityGroup removes rules by their values or by their ids (EC2 API,
// RevokeSecurityGroupIngress and ...Egress). It returns what was removed.
type RevokeSecurityGroup struct {
	Group   sim.SecurityGroupID
	Egress  bool
	Rules   []sim.SecurityGroupRule
	RuleIDs []sim.SecurityGroupRuleID
}

func (tx *Tx) RevokeSecurityGroup(in RevokeSecurityGroup) (out []sim.SecurityGroupRule, err error) {
	return out, errUnfinished
}
