package ec2

import (
	"net/netip"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func createVpc(c *call, in *wire.CreateVpcRequest) (*wire.CreateVpcResult, error) {
	var p parser
	args := world.CreateVPC{CIDR: p.cidr("cidrBlock", in.CidrBlock), Tenancy: text(in.InstanceTenancy), Tags: p.tags(in.TagSpecifications, "vpc")}
	if p.err != nil {
		return nil, p.err
	}
	v, err := c.tx.CreateVPC(args)
	if err != nil {
		return nil, err
	}
	out := c.vpc(v)
	// The next Describe says available: CreateVpc always answers pending.
	out.State = new("pending")
	return &wire.CreateVpcResult{Vpc: &out}, nil
}

func deleteVpc(c *call, in *wire.DeleteVpcRequest) (*nothing, error) {
	return nil, c.tx.DeleteVPC(id[sim.VPCID](in.VpcId))
}

var vpcs = resource[sim.VPCID, sim.VPC]{
	table: func(s *world.State) *world.Table[sim.VPCID, sim.VPC] { return s.VPCs },
	filters: filters[sim.VPC]{
		"cidr": func(_ *call, v sim.VPC) []string { return []string{v.CIDR().String()} },
		"cidr-block-association.association-id": func(_ *call, v sim.VPC) []string {
			return convert(v.CIDRs, func(p netip.Prefix) string { return cidrAssociation(v, p) })
		},
		"cidr-block-association.cidr-block":           func(_ *call, v sim.VPC) []string { return convert(v.CIDRs, netip.Prefix.String) },
		"cidr-block-association.state":                func(*call, sim.VPC) []string { return []string{"associated"} },
		"dhcp-options-id":                             func(*call, sim.VPC) []string { return []string{"default"} },
		"ipv6-cidr-block-association.association-id":  never[sim.VPC],
		"ipv6-cidr-block-association.ipv6-cidr-block": never[sim.VPC],
		"ipv6-cidr-block-association.ipv6-pool":       never[sim.VPC],
		"ipv6-cidr-block-association.state":           never[sim.VPC],
		"is-default":                                  func(*call, sim.VPC) []string { return yesNo(false) },
		"isDefault":                                   func(*call, sim.VPC) []string { return yesNo(false) },
		"owner-id":                                    func(_ *call, v sim.VPC) []string { return str(v.Owner) },
		"state":                                       func(*call, sim.VPC) []string { return []string{"available"} },
		"vpc-id":                                      func(_ *call, v sim.VPC) []string { return str(v.ID) },
	},
}

func describeVpcs(c *call, in *wire.DescribeVpcsRequest) (*wire.DescribeVpcsResult, error) {
	rows, next, err := vpcs.find(c, query{in.VpcIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeVpcsResult{Vpcs: convert(rows, c.vpc), NextToken: next}, err
}

func (c *call) vpc(v sim.VPC) wire.Vpc {
	return wire.Vpc{
		VpcId: new(string(v.ID)), OwnerId: new(string(v.Owner)), CidrBlock: new(v.CIDR().String()), State: new("available"),
		InstanceTenancy: new(v.Tenancy), IsDefault: new(false), DhcpOptionsId: new("default"), Tags: some(tagSet(v.Tags)),
		CidrBlockAssociationSet: convert(v.CIDRs, func(p netip.Prefix) wire.VpcCidrBlockAssociation {
			return wire.VpcCidrBlockAssociation{AssociationId: new(cidrAssociation(v, p)), CidrBlock: new(p.String()),
				CidrBlockState: &wire.VpcCidrBlockState{State: new("associated")}}
		}),
	}
}

// cidrAssociation is the id of a block's association with its VPC. It follows
// from the VPC's own for the primary block, the only one there is yet.
func cidrAssociation(v sim.VPC, _ netip.Prefix) string {
	return "vpc-cidr-assoc-" + strings.TrimPrefix(string(v.ID), "vpc-")
}

func describeVpcAttribute(c *call, in *wire.DescribeVpcAttributeRequest) (*wire.DescribeVpcAttributeResult, error) {
	v, err := c.VPCs.See(c.account, id[sim.VPCID](in.VpcId))
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeVpcAttributeResult{VpcId: in.VpcId}
	switch text(in.Attribute) {
	case "enableDnsSupport":
		out.EnableDnsSupport = &wire.AttributeBooleanValue{Value: &v.DNSSupport}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &wire.AttributeBooleanValue{Value: &v.DNSHostnames}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &wire.AttributeBooleanValue{Value: new(false)}
	default:
		return nil, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter attribute is invalid. Unknown attribute.", text(in.Attribute))
	}
	return out, nil
}

func modifyVpcAttribute(c *call, in *wire.ModifyVpcAttributeRequest) (*nothing, error) {
	support, hostnames := boolOf(in.EnableDnsSupport), boolOf(in.EnableDnsHostnames)
	if support != nil && hostnames != nil {
		return nil, sim.Errorf(sim.CodeInvalidParameterCombination, "Fields for multiple attribute types specified")
	}
	return nil, c.tx.ModifyVPCAttribute(world.ModifyVPCAttribute{VPC: id[sim.VPCID](in.VpcId), DNSSupport: support, DNSHostnames: hostnames})
}

func boolOf(a *wire.AttributeBooleanValue) *bool {
	if a == nil {
		return nil
	}
	return a.Value
}
