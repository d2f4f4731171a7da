package world

import (
	"net/netip"

	"labsim/sim"
)

// CreateRouteTable asks for a route table (EC2 API, CreateRouteTable).
type CreateRouteTable struct {
	VPC         sim.VPCID
	Tags        sim.Tags
	ClientToken string
}

func (tx *Tx) CreateRouteTable(in CreateRouteTable) (out sim.RouteTable, err error) {
	return out, errUnfinished
}

func (tx *Tx) DeleteRouteTable(id sim.RouteTableID) error { return errUnfinished }

// RouteTo names a route's target; exactly one field is set.
type RouteTo struct {
	Gateway  string // igw-..., or "local" (ReplaceRoute)
	ENI      sim.ENIID
	Instance sim.InstanceID // its one interface is meant
}

// CreateRoute asks for a route (EC2 API, CreateRoute).
type CreateRoute struct {
	RouteTable  sim.RouteTableID
	Destination netip.Prefix
	To          RouteTo
}

func (tx *Tx) CreateRoute(in CreateRoute) error { return errUnfinished }

// ReplaceRoute gives a route another target (EC2 API, ReplaceRoute).
type ReplaceRoute struct {
	RouteTable  sim.RouteTableID
	Destination netip.Prefix
	To          RouteTo
}

func (tx *Tx) ReplaceRoute(in ReplaceRoute) error { return errUnfinished }

// DeleteRoute removes a route (EC2 API, DeleteRoute).
type DeleteRoute struct {
	RouteTable  sim.RouteTableID
	Destination netip.Prefix
}

func (tx *Tx) DeleteRoute(in DeleteRoute) error { return errUnfinished }

// AssociateRouteTable lets a table serve a subnet (EC2 API, AssociateRouteTable).
type AssociateRouteTable struct {
	RouteTable sim.RouteTableID
	Subnet     sim.SubnetID
}

func (tx *Tx) AssociateRouteTable(in AssociateRouteTable) (out sim.AssociationID, err error) {
	return out, errUnfinished
}

func (tx *Tx) DisassociateRouteTable(id sim.AssociationID) error { return errUnfinished }

// ReplaceRouteTableAssociation lets another table serve what an association
// binds: a subnet, or, for the main association, the VPC.
type ReplaceRouteTableAssociation struct {
	Association sim.AssociationID
	RouteTable  sim.RouteTableID
}

func (tx *Tx) ReplaceRouteTableAssociation(in ReplaceRouteTableAssociation) (out sim.AssociationID, err error) {
	return out, errUnfinished
}
