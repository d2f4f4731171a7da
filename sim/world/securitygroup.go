package world

import (
	"slices"
	"strings"

	"labsim/sim"
)

// DefaultGroupName is the name of the group that each VPC is made with.
const DefaultGroupName = "default"

// CreateSecurityGroup asks for a security group (EC2 API, CreateSecurityGroup).
type CreateSecurityGroup struct {
	VPC         sim.VPCID
	Name        string
	Description string
	Tags        sim.Tags
}

// CreateSecurityGroup makes a group that lets everything out and nothing in.
func (tx *Tx) CreateSecurityGroup(in CreateSecurityGroup) (sim.SecurityGroup, error) {
	if err := checkGroupName(in.Name, in.Description); err != nil {
		return sim.SecurityGroup{}, err
	}
	if in.VPC == "" {
		return sim.SecurityGroup{}, sim.Errorf("VPCIdNotSpecified", "No default VPC for this user")
	}
	v, err := get(tx, tx.VPCs, in.VPC)
	if err != nil {
		return sim.SecurityGroup{}, err
	}
	if tx.SecurityGroups.has(groupsByName, groupKey(v.ID, in.Name)) {
		return sim.SecurityGroup{}, sim.Errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", in.Name, v.ID)
	}
	if tx.SecurityGroups.countBy(groupsByVPC, string(v.ID)) >= maxGroupsPerVPC {
		return sim.SecurityGroup{}, sim.Errorf("SecurityGroupLimitExceeded", "The maximum number of security groups for this VPC has been reached.")
	}
	return tx.newGroup(v, in.Name, in.Description, in.Tags)
}

func (tx *Tx) newDefaultGroup(v sim.VPC) error {
	g, err := tx.newGroup(v, DefaultGroupName, "default VPC security group", nil)
	if err != nil {
		return err
	}
	_, err = tx.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: g.ID,
		Rules: []sim.SecurityGroupRule{{Protocol: sim.ProtocolAll, Group: g.ID}}})
	return err
}

func (tx *Tx) newGroup(v sim.VPC, name, description string, tags sim.Tags) (sim.SecurityGroup, error) {
	g, err := add(tx, tx.SecurityGroups, tags, sim.SecurityGroup{Owner: v.Owner, VPC: v.ID, Name: name, Description: description})
	if err != nil {
		return sim.SecurityGroup{}, err
	}
	_, err = tx.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: g.ID, Egress: true,
		Rules: []sim.SecurityGroupRule{{Protocol: sim.ProtocolAll, CIDR: sim.Everywhere}}})
	return tx.SecurityGroups.Row(g.ID), err
}

func groupKey(v sim.VPCID, name string) string { return string(v) + "/" + name }

func checkGroupName(name, description string) error {
	switch {
	case name == "":
		return missing("GroupName")
	case description == "":
		return missing("GroupDescription")
	case name == DefaultGroupName:
		return sim.Errorf(sim.CodeInvalidParameterValue, "Cannot use reserved security group name: %s", name)
	case strings.HasPrefix(name, "sg-"):
		return sim.Errorf(sim.CodeInvalidParameterValue, "invalid value for parameter groupName: '%s'. Group names may not be in the format sg-*.", name)
	case !sim.IsGroupText(name):
		return sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter GroupName is invalid: at most %d of the characters a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*", sim.Printable(name), sim.MaxGroupText)
	case !sim.IsGroupText(description):
		return sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter GroupDescription is invalid: at most %d of the characters a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*", sim.Printable(description), sim.MaxGroupText)
	}
	return nil
}

// DeleteSecurityGroup removes a group that no interface carries and no rule of
// another group names.
func (tx *Tx) DeleteSecurityGroup(id sim.SecurityGroupID) error {
	g, err := get(tx, tx.SecurityGroups, id)
	if err != nil {
		return err
	}
	if g.Name == DefaultGroupName {
		return sim.Errorf("CannotDelete", "the specified group: %q name: %q cannot be deleted by a user", g.ID, g.Name)
	}
	if count(tx.ENIsOfGroup(id)) > 0 || count(tx.GroupReferences(id)) > 0 {
		return sim.Errorf(sim.CodeDependencyViolation, "resource %s has a dependent object", id)
	}
	remove(tx, tx.SecurityGroups, id)
	return nil
}

// groupsFor resolves the groups that an interface in a VPC shall carry; none
// means the default one. EC2 words the mismatch by the subnet.
func (tx *Tx) groupsFor(n sim.Subnet, ids []sim.SecurityGroupID) ([]sim.SecurityGroupID, error) {
	if len(ids) == 0 {
		return []sim.SecurityGroupID{tx.DefaultGroup(n.VPC).ID}, nil
	}
	var out []sim.SecurityGroupID
	for _, id := range ids {
		g, err := get(tx, tx.SecurityGroups, id)
		switch {
		case err != nil:
			return nil, err
		case g.VPC != n.VPC:
			return nil, sim.Errorf("InvalidParameter", "Security group %s and subnet %s belong to different networks.", id, n.ID)
		case !slices.Contains(out, id):
			out = append(out, id)
		}
	}
	if len(out) > maxGroupsPerENI {
		return nil, sim.Errorf("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached.")
	}
	return out, nil
}
