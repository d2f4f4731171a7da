package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func createSecurityGroup(c *call, in *wire.CreateSecurityGroupRequest) (*wire.CreateSecurityGroupResult, error) {
	var p parser
	args := world.CreateSecurityGroup{VPC: id[sim.VPCID](in.VpcId), Name: text(in.GroupName), Description: text(in.Description),
		Tags: p.tags(in.TagSpecifications, "security-group")}
	if p.err != nil {
		return nil, p.err
	}
	g, err := c.tx.CreateSecurityGroup(args)
	return &wire.CreateSecurityGroupResult{GroupId: new(string(g.ID)), SecurityGroupArn: new(c.arn(g.Owner, "security-group", string(g.ID))), Tags: some(tagSet(g.Tags))}, err
}

func deleteSecurityGroup(c *call, in *wire.DeleteSecurityGroupRequest) (*wire.DeleteSecurityGroupResult, error) {
	group, err := groupOf(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &wire.DeleteSecurityGroupResult{Return: new(true), GroupId: new(string(group))}, c.tx.DeleteSecurityGroup(group)
}

// groupOf takes a group's id. A name alone names a group of the default VPC,
// which labsim has not.
func groupOf(groupID, name *string) (sim.SecurityGroupID, error) {
	if groupID == nil && name != nil {
		return "", sim.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC 'none': name groups of other VPCs by their ids", *name)
	}
	return id[sim.SecurityGroupID](groupID), nil
}

func authorizeSecurityGroupIngress(c *call, in *wire.AuthorizeSecurityGroupIngressRequest) (*wire.AuthorizeSecurityGroupIngressResult, error) {
	rules, err := c.authorize(false, ruleRequest{in.GroupId, in.GroupName, in.IpPermissions, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.TagSpecifications})
	return &wire.AuthorizeSecurityGroupIngressResult{Return: new(true), SecurityGroupRules: rules}, err
}

func authorizeSecurityGroupEgress(c *call, in *wire.AuthorizeSecurityGroupEgressRequest) (*wire.AuthorizeSecurityGroupEgressResult, error) {
	rules, err := c.authorize(true, ruleRequest{in.GroupId, nil, in.IpPermissions, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.TagSpecifications})
	return &wire.AuthorizeSecurityGroupEgressResult{Return: new(true), SecurityGroupRules: rules}, err
}

func (c *call) authorize(egress bool, r ruleRequest) ([]wire.SecurityGroupRule, error) {
	var p parser
	args := world.AuthorizeSecurityGroup{Egress: egress, Rules: p.rules(c, r), Tags: p.tags(r.tags, "security-group-rule")}
	if p.err != nil {
		return nil, p.err
	}
	var err error
	if args.Group, err = groupOf(r.group, r.groupName); err != nil {
		return nil, err
	}
	rules, err := c.tx.AuthorizeSecurityGroup(args)
	g := c.SecurityGroups.Row(args.Group)
	return convert(rules, func(r sim.SecurityGroupRule) wire.SecurityGroupRule { return c.rule(ruleOf{g, r}) }), err
}

func revokeSecurityGroupIngress(c *call, in *wire.RevokeSecurityGroupIngressRequest) (*wire.RevokeSecurityGroupIngressResult, error) {
	err := c.revoke(false, in.SecurityGroupRuleIds, ruleRequest{in.GroupId, in.GroupName, in.IpPermissions, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, nil})
	return &wire.RevokeSecurityGroupIngressResult{Return: new(true)}, err
}

func revokeSecurityGroupEgress(c *call, in *wire.RevokeSecurityGroupEgressRequest) (*wire.RevokeSecurityGroupEgressResult, error) {
	err := c.revoke(true, in.SecurityGroupRuleIds, ruleRequest{in.GroupId, nil, in.IpPermissions, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, nil})
	return &wire.RevokeSecurityGroupEgressResult{Return: new(true)}, err
}

func (c *call) revoke(egress bool, ruleIDs []string, r ruleRequest) error {
	var p parser
	args := world.RevokeSecurityGroup{Egress: egress, Rules: p.rules(c, r), RuleIDs: ids[sim.SecurityGroupRuleID](ruleIDs)}
	if p.err != nil {
		return p.err
	}
	var err error
	if args.Group, err = groupOf(r.group, r.groupName); err != nil {
		return err
	}
	_, err = c.tx.RevokeSecurityGroup(args)
	return err
}

var securityGroups = resource[sim.SecurityGroupID, sim.SecurityGroup]{
	table: func(s *world.State) *world.Table[sim.SecurityGroupID, sim.SecurityGroup] { return s.SecurityGroups },
	filters: withRuleFilters(filters[sim.SecurityGroup]{
		"description": func(_ *call, g sim.SecurityGroup) []string { return str(g.Description) },
		"group-id":    func(_ *call, g sim.SecurityGroup) []string { return str(g.ID) },
		"group-name":  func(_ *call, g sim.SecurityGroup) []string { return str(g.Name) },
		"owner-id":    func(_ *call, g sim.SecurityGroup) []string { return str(g.Owner) },
		"vpc-id":      func(_ *call, g sim.SecurityGroup) []string { return str(g.VPC) },
	}),
}

// withRuleFilters adds the filters that look at a group's rules, which EC2 has
// once for the rules that let in and once for those that let out.
func withRuleFilters(f filters[sim.SecurityGroup]) filters[sim.SecurityGroup] {
	fields := map[string]func(*call, sim.SecurityGroupRule) []string{
		"cidr":           func(_ *call, r sim.SecurityGroupRule) []string { return peerCIDR(r) },
		"from-port":      func(_ *call, r sim.SecurityGroupRule) []string { return number(r.FromPort) },
		"to-port":        func(_ *call, r sim.SecurityGroupRule) []string { return number(r.ToPort) },
		"group-id":       func(_ *call, r sim.SecurityGroupRule) []string { return str(r.Group) },
		"group-name":     func(c *call, r sim.SecurityGroupRule) []string { return str(c.SecurityGroups.Row(r.Group).Name) },
		"ipv6-cidr":      never[sim.SecurityGroupRule],
		"prefix-list-id": never[sim.SecurityGroupRule],
		"protocol":       func(_ *call, r sim.SecurityGroupRule) []string { return str(protocolName(r.Protocol)) },
		"user-id":        func(c *call, r sim.SecurityGroupRule) []string { return str(c.SecurityGroups.Row(r.Group).Owner) },
	}
	for name, field := range fields {
		f["ip-permission."+name] = rulesFilter(false, field)
		f["egress.ip-permission."+name] = rulesFilter(true, field)
	}
	return f
}

func rulesFilter(egress bool, field func(*call, sim.SecurityGroupRule) []string) func(*call, sim.SecurityGroup) []string {
	return func(c *call, g sim.SecurityGroup) []string {
		var out []string
		for _, r := range g.Rules {
			if r.Egress == egress {
				out = append(out, field(c, r)...)
			}
		}
		return out
	}
}

func describeSecurityGroups(c *call, in *wire.DescribeSecurityGroupsRequest) (*wire.DescribeSecurityGroupsResult, error) {
	if len(in.GroupNames) > 0 {
		_, err := groupOf(nil, &in.GroupNames[0])
		return nil, err
	}
	rows, next, err := securityGroups.find(c, query{in.GroupIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeSecurityGroupsResult{SecurityGroups: convert(rows, c.securityGroup), NextToken: next}, err
}

func (c *call) securityGroup(g sim.SecurityGroup) wire.SecurityGroup {
	return wire.SecurityGroup{GroupId: new(string(g.ID)), SecurityGroupArn: new(c.arn(g.Owner, "security-group", string(g.ID))), GroupName: new(g.Name), Description: new(g.Description), OwnerId: new(string(g.Owner)),
		VpcId: new(string(g.VPC)), IpPermissions: c.permissions(g, false), IpPermissionsEgress: c.permissions(g, true), Tags: some(tagSet(g.Tags))}
}
