package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func createInternetGateway(c *call, in *wire.CreateInternetGatewayRequest) (*wire.CreateInternetGatewayResult, error) {
	var p parser
	args := world.CreateInternetGateway{Tags: p.tags(in.TagSpecifications, "internet-gateway")}
	if p.err != nil {
		return nil, p.err
	}
	g, err := c.tx.CreateInternetGateway(args)
	if err != nil {
		return nil, err
	}
	out := c.internetGateway(g)
	return &wire.CreateInternetGatewayResult{InternetGateway: &out}, nil
}

func attachInternetGateway(c *call, in *wire.AttachInternetGatewayRequest) (*nothing, error) {
	return nil, c.tx.AttachInternetGateway(world.AttachInternetGateway{InternetGateway: id[sim.InternetGatewayID](in.InternetGatewayId), VPC: id[sim.VPCID](in.VpcId)})
}

func detachInternetGateway(c *call, in *wire.DetachInternetGatewayRequest) (*nothing, error) {
	return nil, c.tx.DetachInternetGateway(world.DetachInternetGateway{InternetGateway: id[sim.InternetGatewayID](in.InternetGatewayId), VPC: id[sim.VPCID](in.VpcId)})
}

func deleteInternetGateway(c *call, in *wire.DeleteInternetGatewayRequest) (*nothing, error) {
	return nil, c.tx.DeleteInternetGateway(id[sim.InternetGatewayID](in.InternetGatewayId))
}

var internetGateways = resource[sim.InternetGatewayID, sim.InternetGateway]{
	table: func(s *world.State) *world.Table[sim.InternetGatewayID, sim.InternetGateway] {
		return s.InternetGateways
	},
	filters: filters[sim.InternetGateway]{
		"attachment.state": func(_ *call, g sim.InternetGateway) []string {
			if g.VPC == "" {
				return nil
			}
			return []string{"available"}
		},
		"attachment.vpc-id":   func(_ *call, g sim.InternetGateway) []string { return str(g.VPC) },
		"internet-gateway-id": func(_ *call, g sim.InternetGateway) []string { return str(g.ID) },
		"owner-id":            func(_ *call, g sim.InternetGateway) []string { return str(g.Owner) },
	},
}

func describeInternetGateways(c *call, in *wire.DescribeInternetGatewaysRequest) (*wire.DescribeInternetGatewaysResult, error) {
	rows, next, err := internetGateways.find(c, query{in.InternetGatewayIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeInternetGatewaysResult{InternetGateways: convert(rows, c.internetGateway), NextToken: next}, err
}

func (c *call) internetGateway(g sim.InternetGateway) wire.InternetGateway {
	out := wire.InternetGateway{InternetGatewayId: new(string(g.ID)), OwnerId: new(string(g.Owner)),
		Attachments: []wire.InternetGatewayAttachment{}, Tags: tagSet(g.Tags)}
	if g.VPC != "" {
		// An attached gateway is "available", as EC2 has it; "attached" is for other gateways.
		out.Attachments = append(out.Attachments, wire.InternetGatewayAttachment{State: new("available"), VpcId: new(string(g.VPC))})
	}
	return out
}
