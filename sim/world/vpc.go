package world

import (
	"net/netip"

	"labsim/sim"
)

// CreateVPC asks for a VPC (EC2 API, CreateVpc).
type CreateVPC struct {
	CIDR    netip.Prefix
	Tenancy string // "" or "default"
	Tags    sim.Tags
}

func (tx *Tx) CreateVPC(in CreateVPC) (out sim.VPC, err error) { return out, errUnfinished }

func (tx *Tx) DeleteVPC(id sim.VPCID) error { return errUnfinished }

// ModifyVPCAttribute changes what is not nil (EC2 API, ModifyVpcAttribute).
type ModifyVPCAttribute struct {
	VPC          sim.VPCID
	DNSSupport   *bool
	DNSHostnames *bool
}

func (tx *Tx) ModifyVPCAttribute(in ModifyVPCAttribute) error { return errUnfinished }
