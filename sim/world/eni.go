package world

import (
	"net/netip"

	"labsim/sim"
)

// CreateNetworkInterface asks for an interface (EC2 API, CreateNetworkInterface).
type CreateNetworkInterface struct {
	Subnet         sim.SubnetID
	PrivateIP      netip.Addr            // zero: any free one
	SecurityGroups []sim.SecurityGroupID // none: the VPC's default group
	Description    string
	Tags           sim.Tags
	ClientToken    string
}

func (tx *Tx) CreateNetworkInterface(in CreateNetworkInterface) (out sim.ENI, err error) {
	return out, errUnfinished
}

func (tx *Tx) DeleteNetworkInterface(id sim.ENIID) error { return errUnfinished }

// ModifyNetworkInterfaceAttribute changes what is not nil (EC2 API,
// ModifyNetworkInterfaceAttribute).
type ModifyNetworkInterfaceAttribute struct {
	ENI                 sim.ENIID
	Description         *string
	SecurityGroups      []sim.SecurityGroupID
	SourceDestCheck     *bool
	DeleteOnTermination *bool // of its attachment
}

func (tx *Tx) ModifyNetworkInterfaceAttribute(in ModifyNetworkInterfaceAttribute) error {
	return errUnfinished
}
