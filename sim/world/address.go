package world

import (
	"net/netip"

	"labsim/sim"
)

// AllocateAddress asks for an Elastic IP address (EC2 API, AllocateAddress).
type AllocateAddress struct {
	Address netip.Addr // zero: any
	Tags    sim.Tags
}

func (tx *Tx) AllocateAddress(in AllocateAddress) (out sim.Address, err error) {
	return out, errUnfinished
}

// AssociateAddress maps an Elastic IP address to an interface, named itself or
// by its instance (EC2 API, AssociateAddress).
type AssociateAddress struct {
	Allocation         sim.AllocationID
	PublicIP           netip.Addr // instead of Allocation
	ENI                sim.ENIID
	Instance           sim.InstanceID
	PrivateIP          netip.Addr // zero: the primary one
	AllowReassociation bool
}

func (tx *Tx) AssociateAddress(in AssociateAddress) (out sim.Address, err error) {
	return out, errUnfinished
}

// DisassociateAddress unmaps an Elastic IP address (EC2 API, DisassociateAddress).
type DisassociateAddress struct {
	Association sim.EIPAssociationID
	PublicIP    netip.Addr // instead of Association
}

func (tx *Tx) DisassociateAddress(in DisassociateAddress) error { return errUnfinished }

// ReleaseAddress gives an Elastic IP address back (EC2 API, ReleaseAddress).
type ReleaseAddress struct {
	Allocation sim.AllocationID
	PublicIP   netip.Addr // instead of Allocation
}

func (tx *Tx) ReleaseAddress(in ReleaseAddress) error { return errUnfinished }
