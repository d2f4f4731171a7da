package world

import "labsim/sim"

// CreateInternetGateway asks for an internet gateway (EC2 API, CreateInternetGateway).
type CreateInternetGateway struct{ Tags sim.Tags }

// CreateInternetGateway makes a gateway that is attached to nothing.
func (tx *Tx) CreateInternetGateway(in CreateInternetGateway) (sim.InternetGateway, error) {
	return add(tx, tx.InternetGateways, in.Tags, sim.InternetGateway{})
}

// DeleteInternetGateway removes a gateway that is attached to nothing. Routes
// that lead to it stay, as blackholes.
func (tx *Tx) DeleteInternetGateway(id sim.InternetGatewayID) error {
	g, err := get(tx, tx.InternetGateways, id)
	if err != nil {
		return err
	}
	if g.VPC != "" {
		return inUse("internetGateway", string(id))
	}
	remove(tx, tx.InternetGateways, id)
	return nil
}

// AttachInternetGateway binds a gateway to a VPC (EC2 API, AttachInternetGateway).
type AttachInternetGateway struct {
	InternetGateway sim.InternetGatewayID
	VPC             sim.VPCID
}

// AttachInternetGateway: a gateway has one VPC, and a VPC has one gateway.
func (tx *Tx) AttachInternetGateway(in AttachInternetGateway) error {
	g, err := get(tx, tx.InternetGateways, in.InternetGateway)
	if err != nil {
		return err
	}
	if _, err := get(tx, tx.VPCs, in.VPC); err != nil {
		return err
	}
	if g.VPC != "" {
		return sim.Errorf("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPC)
	}
	if _, taken := tx.GatewayOf(in.VPC); taken {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Network %s already has an internet gateway attached", in.VPC)
	}
	g.VPC = in.VPC
	put(tx, tx.InternetGateways, g.ID, g)
	return nil
}

// DetachInternetGateway frees a gateway from a VPC (EC2 API, DetachInternetGateway).
type DetachInternetGateway struct {
	InternetGateway sim.InternetGatewayID
	VPC             sim.VPCID
}

// DetachInternetGateway is refused while a public address needs the gateway.
func (tx *Tx) DetachInternetGateway(in DetachInternetGateway) error {
	g, err := get(tx, tx.InternetGateways, in.InternetGateway)
	if err != nil {
		return err
	}
	if _, err := get(tx, tx.VPCs, in.VPC); err != nil {
		return err
	}
	if g.VPC != in.VPC {
		return sim.Errorf("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, in.VPC)
	}
	for _, e := range tx.ENIsOfVPC(in.VPC) {
		if e.PublicIP.IsValid() {
			return sim.Errorf(sim.CodeDependencyViolation,
				"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", in.VPC)
		}
	}
	g.VPC = ""
	put(tx, tx.InternetGateways, g.ID, g)
	return nil
}
