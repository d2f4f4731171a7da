package world

import (
	"net/netip"
	"slices"
	"strings"

	"labsim/sim"
)

// CreateSubnet asks for a subnet (EC2 API, CreateSubnet).
type CreateSubnet struct {
	VPC  sim.VPCID
	CIDR netip.Prefix
	Zone sim.Zone // "": the region's first
	Tags sim.Tags
}

// CreateSubnet makes a subnet; the VPC's main route table serves it.
func (tx *Tx) CreateSubnet(in CreateSubnet) (sim.Subnet, error) {
	v, err := get(tx, tx.VPCs, in.VPC)
	if err != nil {
		return sim.Subnet{}, err
	}
	zone, err := tx.subnetZone(in.Zone)
	if err != nil {
		return sim.Subnet{}, err
	}
	cidr := in.CIDR.Masked()
	var others []netip.Prefix
	var numbers []uint32
	for _, n := range tx.SubnetsOf(v.ID) {
		others = append(others, n.CIDR)
		numbers = append(numbers, n.Number)
	}
	if err := sim.CheckSubnetCIDR(cidr, v.CIDRs, others); err != nil {
		return sim.Subnet{}, err
	}
	if len(others) >= maxSubnetsPerVPC {
		return sim.Subnet{}, sim.Errorf("SubnetLimitExceeded", "You have reached the limit on the number of subnets that you can create in the VPC '%s'.", v.ID)
	}
	return add(tx, tx.Subnets, in.Tags, sim.Subnet{Owner: v.Owner, VPC: v.ID, CIDR: cidr, Zone: zone, Number: freeNumber(numbers)})
}

func (tx *Tx) subnetZone(z sim.Zone) (sim.Zone, error) {
	if z == "" {
		return tx.Zones()[0], nil
	}
	if !slices.Contains(tx.Zones(), z) {
		return "", sim.Errorf(sim.CodeInvalidParameterValue,
			"Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
			z, strings.Join(strs(tx.Zones()), ", "))
	}
	return z, nil
}

// freeNumber returns the smallest number from 1 on that is not used.
func freeNumber(used []uint32) uint32 {
	n := uint32(1)
	for slices.Contains(used, n) {
		n++
	}
	return n
}

// DeleteSubnet removes a subnet in which there is no interface any more. An
// instance that shuts down holds its own until it is terminated.
func (tx *Tx) DeleteSubnet(id sim.SubnetID) error {
	n, err := get(tx, tx.Subnets, id)
	if err != nil {
		return err
	}
	if count(tx.ENIsOfSubnet(id)) > 0 {
		return inUse("subnet", string(id))
	}
	tx.unbind(tx.RouteTableFor(n), func(a sim.RouteTableAssociation) bool { return a.Subnet == id })
	remove(tx, tx.Subnets, id)
	return nil
}

// ModifySubnetAttribute changes what is not nil (EC2 API, ModifySubnetAttribute).
type ModifySubnetAttribute struct {
	Subnet      sim.SubnetID
	MapPublicIP *bool
}

// ModifySubnetAttribute changes what later launches into a subnet get.
func (tx *Tx) ModifySubnetAttribute(in ModifySubnetAttribute) error {
	n, err := get(tx, tx.Subnets, in.Subnet)
	if err != nil {
		return err
	}
	set(&n.MapPublicIP, in.MapPublicIP)
	put(tx, tx.Subnets, n.ID, n)
	return nil
}
