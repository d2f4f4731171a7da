package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func createSubnet(c *call, in *wire.CreateSubnetRequest) (*wire.CreateSubnetResult, error) {
	var p parser
	args := world.CreateSubnet{VPC: id[sim.VPCID](in.VpcId), CIDR: p.cidr("cidrBlock", in.CidrBlock), Zone: c.zoneOf(in.AvailabilityZone, in.AvailabilityZoneId),
		Tags: p.tags(in.TagSpecifications, "subnet")}
	if p.err != nil {
		return nil, p.err
	}
	n, err := c.tx.CreateSubnet(args)
	if err != nil {
		return nil, err
	}
	out := c.subnet(n)
	return &wire.CreateSubnetResult{Subnet: &out}, nil
}

func deleteSubnet(c *call, in *wire.DeleteSubnetRequest) (*nothing, error) {
	return nil, c.tx.DeleteSubnet(id[sim.SubnetID](in.SubnetId))
}

func modifySubnetAttribute(c *call, in *wire.ModifySubnetAttributeRequest) (*nothing, error) {
	return nil, c.tx.ModifySubnetAttribute(world.ModifySubnetAttribute{Subnet: id[sim.SubnetID](in.SubnetId), MapPublicIP: boolOf(in.MapPublicIpOnLaunch)})
}

var subnets = resource[sim.SubnetID, sim.Subnet]{
	table: func(s *world.State) *world.Table[sim.SubnetID, sim.Subnet] { return s.Subnets },
	filters: filters[sim.Subnet]{
		"availability-zone":          func(_ *call, n sim.Subnet) []string { return str(n.Zone) },
		"availabilityZone":           func(_ *call, n sim.Subnet) []string { return str(n.Zone) },
		"availability-zone-id":       func(_ *call, n sim.Subnet) []string { return str(zoneID(n.Zone)) },
		"availabilityZoneId":         func(_ *call, n sim.Subnet) []string { return str(zoneID(n.Zone)) },
		"available-ip-address-count": func(c *call, n sim.Subnet) []string { return number(c.FreeAddresses(n)) },
		"cidr":                       func(_ *call, n sim.Subnet) []string { return []string{n.CIDR.String()} },
		"cidr-block":                 func(_ *call, n sim.Subnet) []string { return []string{n.CIDR.String()} },
		"cidrBlock":                  func(_ *call, n sim.Subnet) []string { return []string{n.CIDR.String()} },
		"customer-owned-ipv4-pool":   never[sim.Subnet],
		"default-for-az":             func(*call, sim.Subnet) []string { return yesNo(false) },
		"defaultForAz":               func(*call, sim.Subnet) []string { return yesNo(false) },
		"enable-dns64":               func(*call, sim.Subnet) []string { return yesNo(false) },
		"ipv6-cidr-block-association.association-id":  never[sim.Subnet],
		"ipv6-cidr-block-association.ipv6-cidr-block": never[sim.Subnet],
		"ipv6-cidr-block-association.state":           never[sim.Subnet],
		"ipv6-native":                                 func(*call, sim.Subnet) []string { return yesNo(false) },
		"map-customer-owned-ip-on-launch":             func(*call, sim.Subnet) []string { return yesNo(false) },
		"map-public-ip-on-launch":                     func(_ *call, n sim.Subnet) []string { return yesNo(n.MapPublicIP) },
		"outpost-arn":                                 never[sim.Subnet],
		"owner-id":                                    func(_ *call, n sim.Subnet) []string { return str(n.Owner) },
		"state":                                       func(_ *call, n sim.Subnet) []string { return str(subnetState(n)) },
		"subnet-arn":                                  func(c *call, n sim.Subnet) []string { return str(c.arn(n.Owner, "subnet", string(n.ID))) },
		"subnet-id":                                   func(_ *call, n sim.Subnet) []string { return str(n.ID) },
		"vpc-id":                                      func(_ *call, n sim.Subnet) []string { return str(n.VPC) },
	},
}

func describeSubnets(c *call, in *wire.DescribeSubnetsRequest) (*wire.DescribeSubnetsResult, error) {
	rows, next, err := subnets.find(c, query{in.SubnetIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeSubnetsResult{Subnets: convert(rows, c.subnet), NextToken: next}, err
}

func (c *call) subnet(n sim.Subnet) wire.Subnet {
	return wire.Subnet{
		SubnetId: new(string(n.ID)), SubnetArn: new(c.arn(n.Owner, "subnet", string(n.ID))), OwnerId: new(string(n.Owner)), VpcId: new(string(n.VPC)),
		CidrBlock: new(n.CIDR.String()), AvailabilityZone: new(string(n.Zone)), AvailabilityZoneId: new(zoneID(n.Zone)),
		AvailableIpAddressCount: new(c.FreeAddresses(n)), State: new(subnetState(n)), DefaultForAz: new(false),
		MapPublicIpOnLaunch: new(n.MapPublicIP), AssignIpv6AddressOnCreation: new(false), MapCustomerOwnedIpOnLaunch: new(false),
		EnableDns64: new(false), Ipv6Native: new(false), Ipv6CidrBlockAssociationSet: []wire.SubnetIpv6CidrBlockAssociation{},
		PrivateDnsNameOptionsOnLaunch: &wire.PrivateDnsNameOptionsOnLaunch{HostnameType: new("ip-name"),
			EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)},
		Tags: some(tagSet(n.Tags)),
	}
}

// subnetState is pending until the engine's network stands.
func subnetState(n sim.Subnet) string {
	if n.Status.Ready {
		return "available"
	}
	return "pending"
}
