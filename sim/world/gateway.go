package world

import (
	"labsim/sim"
)

// CreateInternetGateway asks for an internet gateway (EC2 API, CreateInternetGateway).
type CreateInternetGateway struct{ Tags sim.Tags }

func (tx *Tx) CreateInternetGateway(in CreateInternetGateway) (out sim.InternetGateway, err error) {
	return out, errUnfinished
}

func (tx *Tx) DeleteInternetGateway(id sim.InternetGatewayID) error { return errUnfinished }

// AttachInternetGateway binds a gateway to a VPC (EC2 API, AttachInternetGateway).
type AttachInternetGateway struct {
	InternetGateway sim.InternetGatewayID
	VPC             sim.VPCID
}

func (tx *Tx) AttachInternetGateway(in AttachInternetGateway) error { return errUnfinished }

// DetachInternetGateway frees a gateway from a VPC (EC2 API, DetachInternetGateway).
type DetachInternetGateway struct {
	InternetGateway sim.InternetGatewayID
	VPC             sim.VPCID
}

func (tx *Tx) DetachInternetGateway(in DetachInternetGateway) error { return errUnfinished }
