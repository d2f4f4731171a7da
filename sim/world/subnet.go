package world

import (
	"net/netip"

	"labsim/sim"
)

// CreateSubnet asks for a subnet (EC2 API, CreateSubnet).
type CreateSubnet struct {
	VPC  sim.VPCID
	CIDR netip.Prefix
	Zone sim.Zone // "": the region's first
	Tags sim.Tags
}

func (tx *Tx) CreateSubnet(in CreateSubnet) (out sim.Subnet, err error) { return out, errUnfinished }

func (tx *Tx) DeleteSubnet(id sim.SubnetID) error { return errUnfinished }

// ModifySubnetAttribute changes what is not nil (EC2 API, ModifySubnetAttribute).
type ModifySubnetAttribute struct {
	Subnet      sim.SubnetID
	MapPublicIP *bool
}

func (tx *Tx) ModifySubnetAttribute(in ModifySubnetAttribute) error { return errUnfinished }
