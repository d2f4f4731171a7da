package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func createRouteTable(c *call, in *wire.CreateRouteTableRequest) (*wire.CreateRouteTableResult, error) {
	var p parser
	args := world.CreateRouteTable{VPC: id[sim.VPCID](in.VpcId), Tags: p.tags(in.TagSpecifications, "route-table"), ClientToken: text(in.ClientToken)}
	if p.err != nil {
		return nil, p.err
	}
	t, err := c.tx.CreateRouteTable(args)
	if err != nil {
		return nil, err
	}
	out := c.routeTable(t)
	return &wire.CreateRouteTableResult{RouteTable: &out}, nil
}

func deleteRouteTable(c *call, in *wire.DeleteRouteTableRequest) (*nothing, error) {
	return nil, c.tx.DeleteRouteTable(id[sim.RouteTableID](in.RouteTableId))
}

func associateRouteTable(c *call, in *wire.AssociateRouteTableRequest) (*wire.AssociateRouteTableResult, error) {
	a, err := c.tx.AssociateRouteTable(world.AssociateRouteTable{RouteTable: id[sim.RouteTableID](in.RouteTableId), Subnet: id[sim.SubnetID](in.SubnetId)})
	return &wire.AssociateRouteTableResult{AssociationId: new(string(a)), AssociationState: associated()}, err
}

func disassociateRouteTable(c *call, in *wire.DisassociateRouteTableRequest) (*nothing, error) {
	return nil, c.tx.DisassociateRouteTable(id[sim.AssociationID](in.AssociationId))
}

func replaceRouteTableAssociation(c *call, in *wire.ReplaceRouteTableAssociationRequest) (*wire.ReplaceRouteTableAssociationResult, error) {
	a, err := c.tx.ReplaceRouteTableAssociation(world.ReplaceRouteTableAssociation{
		Association: id[sim.AssociationID](in.AssociationId), RouteTable: id[sim.RouteTableID](in.RouteTableId)})
	return &wire.ReplaceRouteTableAssociationResult{NewAssociationId: new(string(a)), AssociationState: associated()}, err
}

func associated() *wire.RouteTableAssociationState {
	return &wire.RouteTableAssociationState{State: new("associated")}
}

func createRoute(c *call, in *wire.CreateRouteRequest) (*wire.CreateRouteResult, error) {
	var p parser
	args := world.CreateRoute{RouteTable: id[sim.RouteTableID](in.RouteTableId), Destination: p.cidr("destinationCidrBlock", in.DestinationCidrBlock),
		To: world.RouteTo{Gateway: text(in.GatewayId), ENI: id[sim.ENIID](in.NetworkInterfaceId), Instance: id[sim.InstanceID](in.InstanceId)}}
	if p.err != nil {
		return nil, p.err
	}
	return &wire.CreateRouteResult{Return: new(true)}, c.tx.CreateRoute(args)
}

func replaceRoute(c *call, in *wire.ReplaceRouteRequest) (*nothing, error) {
	var p parser
	args := world.ReplaceRoute{RouteTable: id[sim.RouteTableID](in.RouteTableId), Destination: p.cidr("destinationCidrBlock", in.DestinationCidrBlock),
		To: world.RouteTo{Gateway: text(in.GatewayId), ENI: id[sim.ENIID](in.NetworkInterfaceId), Instance: id[sim.InstanceID](in.InstanceId)}}
	if value(in.LocalTarget) && args.To == (world.RouteTo{}) {
		args.To.Gateway = "local"
	}
	if p.err != nil {
		return nil, p.err
	}
	return nil, c.tx.ReplaceRoute(args)
}

func deleteRoute(c *call, in *wire.DeleteRouteRequest) (*nothing, error) {
	var p parser
	args := world.DeleteRoute{RouteTable: id[sim.RouteTableID](in.RouteTableId), Destination: p.cidr("destinationCidrBlock", in.DestinationCidrBlock)}
	if p.err != nil {
		return nil, p.err
	}
	return nil, c.tx.DeleteRoute(args)
}

var routeTables = resource[sim.RouteTableID, sim.RouteTable]{
	table: func(s *world.State) *world.Table[sim.RouteTableID, sim.RouteTable] { return s.RouteTables },
	filters: filters[sim.RouteTable]{
		"association.gateway-id": never[sim.RouteTable],
		"association.main": func(_ *call, t sim.RouteTable) []string {
			return convert(t.Associations, func(a sim.RouteTableAssociation) string { return yesNo(a.Main)[0] })
		},
		"association.route-table-association-id": func(_ *call, t sim.RouteTable) []string {
			return convert(t.Associations, func(a sim.RouteTableAssociation) string { return string(a.ID) })
		},
		"association.route-table-id": func(_ *call, t sim.RouteTable) []string {
			if len(t.Associations) == 0 {
				return nil
			}
			return str(t.ID)
		},
		"association.subnet-id": func(_ *call, t sim.RouteTable) []string {
			return convert(t.Associations, func(a sim.RouteTableAssociation) string { return string(a.Subnet) })
		},
		"owner-id":                              func(_ *call, t sim.RouteTable) []string { return str(t.Owner) },
		"route-table-id":                        func(_ *call, t sim.RouteTable) []string { return str(t.ID) },
		"vpc-id":                                func(_ *call, t sim.RouteTable) []string { return str(t.VPC) },
		"route.destination-cidr-block":          routes(func(_ *call, r wire.Route) *string { return r.DestinationCidrBlock }),
		"route.destination-ipv6-cidr-block":     never[sim.RouteTable],
		"route.destination-prefix-list-id":      never[sim.RouteTable],
		"route.egress-only-internet-gateway-id": never[sim.RouteTable],
		"route.gateway-id":                      routes(func(_ *call, r wire.Route) *string { return r.GatewayId }),
		"route.instance-id":                     routes(func(_ *call, r wire.Route) *string { return r.InstanceId }),
		"route.nat-gateway-id":                  never[sim.RouteTable],
		"route.transit-gateway-id":              never[sim.RouteTable],
		"route.vpc-peering-connection-id":       never[sim.RouteTable],
		"route.origin":                          routes(func(_ *call, r wire.Route) *string { return r.Origin }),
		"route.state":                           routes(func(_ *call, r wire.Route) *string { return r.State }),
	},
}

// routes makes a filter of what the routes of a table show.
func routes(f func(*call, wire.Route) *string) func(*call, sim.RouteTable) []string {
	return func(c *call, t sim.RouteTable) []string {
		var out []string
		for _, r := range t.Routes {
			out = append(out, str(text(f(c, c.route(t, r))))...)
		}
		return out
	}
}

func describeRouteTables(c *call, in *wire.DescribeRouteTablesRequest) (*wire.DescribeRouteTablesResult, error) {
	rows, next, err := routeTables.find(c, query{in.RouteTableIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeRouteTablesResult{RouteTables: convert(rows, c.routeTable), NextToken: next}, err
}

func (c *call) routeTable(t sim.RouteTable) wire.RouteTable {
	return wire.RouteTable{
		RouteTableId: new(string(t.ID)), VpcId: new(string(t.VPC)), OwnerId: new(string(t.Owner)),
		Routes: convert(t.Routes, func(r sim.Route) wire.Route { return c.route(t, r) }),
		Associations: convert(t.Associations, func(a sim.RouteTableAssociation) wire.RouteTableAssociation {
			return wire.RouteTableAssociation{RouteTableAssociationId: new(string(a.ID)), RouteTableId: new(string(t.ID)),
				SubnetId: optional(a.Subnet), Main: &a.Main, AssociationState: associated()}
		}),
		PropagatingVgws: []wire.PropagatingVgw{}, Tags: tagSet(t.Tags),
	}
}

func (c *call) route(t sim.RouteTable, r sim.Route) wire.Route {
	out := wire.Route{DestinationCidrBlock: new(r.Destination.String()), Origin: new(string(r.Origin)), State: new(c.RouteState(t, r))}
	switch r.Target.Kind {
	case sim.TargetENI:
		e := c.ENIs.Row(sim.ENIID(r.Target.ID))
		out.NetworkInterfaceId = &r.Target.ID
		if e.Attachment.Instance != "" {
			out.InstanceId, out.InstanceOwnerId = new(string(e.Attachment.Instance)), new(string(e.Owner))
		}
	default:
		out.GatewayId = &r.Target.ID
	}
	return out
}
