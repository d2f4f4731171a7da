package ec2

import (
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func allocateAddress(c *call, in *wire.AllocateAddressRequest) (*wire.AllocateAddressResult, error) {
	var p parser
	args := world.AllocateAddress{Address: p.addr("address", in.Address), Tags: p.tags(in.TagSpecifications, "elastic-ip")}
	if p.err != nil {
		return nil, p.err
	}
	a, err := c.tx.AllocateAddress(args)
	return &wire.AllocateAddressResult{AllocationId: new(string(a.Allocation)), PublicIp: optionalAddr(a.PublicIP), Domain: new("vpc"),
		PublicIpv4Pool: new("amazon"), NetworkBorderGroup: new(string(c.opts.Region))}, err
}

func associateAddress(c *call, in *wire.AssociateAddressRequest) (*wire.AssociateAddressResult, error) {
	var p parser
	args := world.AssociateAddress{Allocation: id[sim.AllocationID](in.AllocationId), PublicIP: p.addr("publicIp", in.PublicIp),
		ENI: id[sim.ENIID](in.NetworkInterfaceId), Instance: id[sim.InstanceID](in.InstanceId),
		PrivateIP: p.addr("privateIpAddress", in.PrivateIpAddress),
		// EC2 moves an address of a VPC unless it is told not to.
		AllowReassociation: in.AllowReassociation == nil || *in.AllowReassociation}
	if p.err != nil {
		return nil, p.err
	}
	a, err := c.tx.AssociateAddress(args)
	return &wire.AssociateAddressResult{AssociationId: new(string(a.Association))}, err
}

func disassociateAddress(c *call, in *wire.DisassociateAddressRequest) (*nothing, error) {
	var p parser
	args := world.DisassociateAddress{Association: id[sim.EIPAssociationID](in.AssociationId), PublicIP: p.addr("publicIp", in.PublicIp)}
	if p.err != nil {
		return nil, p.err
	}
	return nil, c.tx.DisassociateAddress(args)
}

func releaseAddress(c *call, in *wire.ReleaseAddressRequest) (*nothing, error) {
	var p parser
	args := world.ReleaseAddress{Allocation: id[sim.AllocationID](in.AllocationId), PublicIP: p.addr("publicIp", in.PublicIp)}
	if p.err != nil {
		return nil, p.err
	}
	return nil, c.tx.ReleaseAddress(args)
}

var addresses = resource[sim.AllocationID, sim.Address]{
	table: func(s *world.State) *world.Table[sim.AllocationID, sim.Address] { return s.Addresses },
	filters: filters[sim.Address]{
		"allocation-id":        func(_ *call, a sim.Address) []string { return str(a.Allocation) },
		"association-id":       func(_ *call, a sim.Address) []string { return str(a.Association) },
		"domain":               func(*call, sim.Address) []string { return []string{"vpc"} },
		"instance-id":          func(c *call, a sim.Address) []string { return str(c.ENIs.Row(a.ENI).Attachment.Instance) },
		"network-border-group": func(c *call, _ sim.Address) []string { return str(c.opts.Region) },
		"network-interface-id": func(_ *call, a sim.Address) []string { return str(a.ENI) },
		"network-interface-owner-id": func(c *call, a sim.Address) []string {
			return str(c.ENIs.Row(a.ENI).Owner)
		},
		"private-ip-address": func(_ *call, a sim.Address) []string { return address(a.PrivateIP) },
		"public-ip":          func(_ *call, a sim.Address) []string { return address(a.PublicIP) },
	},
}

func describeAddresses(c *call, in *wire.DescribeAddressesRequest) (*wire.DescribeAddressesResult, error) {
	wanted := slices.Clone(in.AllocationIds)
	for _, ip := range in.PublicIps {
		a, ok := c.addressNamed(ip)
		if !ok {
			return nil, sim.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", ip)
		}
		wanted = append(wanted, string(a.Allocation))
	}
	rows, _, err := addresses.find(c, query{ids: wanted, filters: in.Filters})
	return &wire.DescribeAddressesResult{Addresses: convert(rows, c.address)}, err
}

func (c *call) addressNamed(ip string) (sim.Address, bool) {
	for _, a := range c.Addresses.All() {
		if a.Owner == c.account && a.PublicIP.String() == ip {
			return a, true
		}
	}
	return sim.Address{}, false
}

func (c *call) address(a sim.Address) wire.Address {
	out := wire.Address{AllocationId: new(string(a.Allocation)), PublicIp: new(a.PublicIP.String()), Domain: new("vpc"), PublicIpv4Pool: new("amazon"),
		NetworkBorderGroup: new(string(c.opts.Region)), AssociationId: optional(a.Association), NetworkInterfaceId: optional(a.ENI),
		PrivateIpAddress: optionalAddr(a.PrivateIP), Tags: some(tagSet(a.Tags))}
	if e, ok := c.ENIs.Get(a.ENI); ok {
		out.InstanceId, out.NetworkInterfaceOwnerId = optional(e.Attachment.Instance), new(string(e.Owner))
	}
	return out
}
