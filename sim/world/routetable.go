package world

import (
	"slices"

	"labsim/sim"
)

// CreateRouteTable asks for a route table (EC2 API, CreateRouteTable).
type CreateRouteTable struct {
	VPC         sim.VPCID
	Tags        sim.Tags
	ClientToken string
}

// CreateRouteTable makes a table with the local route, which serves no subnet yet.
func (tx *Tx) CreateRouteTable(in CreateRouteTable) (sim.RouteTable, error) {
	return addOnce(tx, tx.RouteTables, in.ClientToken, in, func() (sim.RouteTable, error) {
		v, err := get(tx, tx.VPCs, in.VPC)
		if err != nil {
			return sim.RouteTable{}, err
		}
		if tx.RouteTables.countBy(routeTablesByVPC, string(v.ID)) >= maxRouteTablesPerVPC {
			return sim.RouteTable{}, sim.Errorf("RouteTableLimitExceeded", "The maximum number of route tables has been reached.")
		}
		return tx.newRouteTable(v, in.Tags)
	})
}

func (tx *Tx) newRouteTable(v sim.VPC, tags sim.Tags) (sim.RouteTable, error) {
	var numbers []uint32
	for _, t := range tx.RouteTablesOf(v.ID) {
		numbers = append(numbers, t.Number)
	}
	t := sim.RouteTable{Owner: v.Owner, VPC: v.ID, Number: freeNumber(numbers)}
	for _, c := range v.CIDRs {
		t.Routes = append(t.Routes, sim.Route{Destination: c, Target: localTarget, Origin: sim.OriginCreateRouteTable})
	}
	return add(tx, tx.RouteTables, tags, t)
}

func (tx *Tx) newMainRouteTable(v sim.VPC) error {
	t, err := tx.newRouteTable(v, nil)
	if err != nil {
		return err
	}
	_, err = tx.bind(t, sim.RouteTableAssociation{Main: true})
	return err
}

// DeleteRouteTable removes a table that serves nothing.
func (tx *Tx) DeleteRouteTable(id sim.RouteTableID) error {
	t, err := get(tx, tx.RouteTables, id)
	if err != nil {
		return err
	}
	if len(t.Associations) > 0 {
		return inUse("routeTable", string(id))
	}
	remove(tx, tx.RouteTables, id)
	return nil
}

// AssociateRouteTable lets a table serve a subnet (EC2 API, AssociateRouteTable).
type AssociateRouteTable struct {
	RouteTable sim.RouteTableID
	Subnet     sim.SubnetID
}

// AssociateRouteTable binds a table to a subnet that has none of its own yet.
func (tx *Tx) AssociateRouteTable(in AssociateRouteTable) (sim.AssociationID, error) {
	t, err := get(tx, tx.RouteTables, in.RouteTable)
	if err != nil {
		return "", err
	}
	n, err := get(tx, tx.Subnets, in.Subnet)
	if err != nil {
		return "", err
	}
	if t.VPC != n.VPC {
		return "", sim.Errorf(sim.CodeInvalidParameterValue, "Route table %s and subnet %s belong to different networks", t.ID, n.ID)
	}
	other := tx.RouteTableFor(n)
	for _, a := range other.Associations {
		switch {
		case a.Subnet == n.ID && other.ID == t.ID:
			return a.ID, nil
		case a.Subnet == n.ID:
			return "", sim.Errorf("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
		}
	}
	return tx.bind(t, sim.RouteTableAssociation{Subnet: n.ID})
}

// DisassociateRouteTable gives a subnet back to the VPC's main table.
func (tx *Tx) DisassociateRouteTable(id sim.AssociationID) error {
	t, a, err := tx.association(id)
	if err != nil {
		return err
	}
	if a.Main {
		return sim.Errorf(sim.CodeInvalidParameterValue, "cannot disassociate the main route table association %s", id)
	}
	tx.unbind(t, func(x sim.RouteTableAssociation) bool { return x.ID == id })
	return nil
}

// ReplaceRouteTableAssociation lets another table serve what an association
// binds: a subnet, or, for the main association, the VPC.
type ReplaceRouteTableAssociation struct {
	Association sim.AssociationID
	RouteTable  sim.RouteTableID
}

// ReplaceRouteTableAssociation returns the id of the association that follows.
func (tx *Tx) ReplaceRouteTableAssociation(in ReplaceRouteTableAssociation) (sim.AssociationID, error) {
	from, a, err := tx.association(in.Association)
	if err != nil {
		return "", err
	}
	to, err := get(tx, tx.RouteTables, in.RouteTable)
	switch {
	case err != nil:
		return "", err
	case to.VPC != from.VPC:
		return "", sim.Errorf(sim.CodeInvalidParameterValue, "Route table %s and network %s belong to different networks", to.ID, from.VPC)
	case to.ID == from.ID:
		return a.ID, nil
	}
	tx.unbind(from, func(x sim.RouteTableAssociation) bool { return x.ID == a.ID })
	return tx.bind(to, sim.RouteTableAssociation{Subnet: a.Subnet, Main: a.Main})
}

// association finds an association and the table that has it.
func (tx *Tx) association(id sim.AssociationID) (sim.RouteTable, sim.RouteTableAssociation, error) {
	t, ok := tx.RouteTables.first(routeTablesByAssociation, string(id))
	if err := associationNoun.found(ok && tx.owns(t.Owner), string(id)); err != nil {
		return sim.RouteTable{}, sim.RouteTableAssociation{}, err
	}
	return t, t.Associations[slices.IndexFunc(t.Associations, func(a sim.RouteTableAssociation) bool { return a.ID == id })], nil
}

// bind adds an association to a table and gives it an id.
func (tx *Tx) bind(t sim.RouteTable, a sim.RouteTableAssociation) (sim.AssociationID, error) {
	id, err := newID[sim.AssociationID](tx, sim.PrefixAssociation)
	if err != nil {
		return "", err
	}
	a.ID = id
	t.Associations = append(slices.Clone(t.Associations), a)
	put(tx, tx.RouteTables, t.ID, t)
	return id, nil
}

// unbind removes the associations of a table that gone picks.
func (tx *Tx) unbind(t sim.RouteTable, gone func(sim.RouteTableAssociation) bool) {
	t.Associations = slices.DeleteFunc(slices.Clone(t.Associations), gone)
	put(tx, tx.RouteTables, t.ID, t)
}
