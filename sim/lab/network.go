package lab

import (
	"context"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// vpc makes the VPC, its attributes and its internet gateway.
func (d *differ) vpc(v VPC) {
	is, ok := d.acc.vpcs[v.Name]
	if !ok {
		d.add(StepVPC, Create, "vpc", v.Name, func(ctx context.Context, r *run) error {
			var out wire.CreateVpcResult
			if err := r.do(ctx, "CreateVpc", &wire.CreateVpcRequest{CidrBlock: ptr(v.CIDR.String()),
				TagSpecifications: r.tags("vpc", v.Name)}, &out); err != nil {
				return err
			}
			r.learn("vpc", v.Name, wire.Value(out.Vpc.VpcId))
			return nil
		})
	} else {
		d.changes.known("vpc", v.Name, wire.Value(is.VpcId))
	}
	d.vpcAttribute(v, attributeSupport, v.DNSSupport, true)
	d.vpcAttribute(v, attributeHostnames, v.DNSHostnames, false)
	if v.InternetGateway {
		d.gateway(v)
	}
}

// vpcAttribute sets one attribute of a VPC where it differs: from the default
// for a new one, from what is described for one that stands.
func (d *differ) vpcAttribute(v VPC, name string, want, initial bool) {
	now, stands := d.acc.attributes[wire.Value(d.acc.vpcs[v.Name].VpcId)+" "+name]
	if !stands {
		now = initial
	}
	if now == want {
		return
	}
	verb := Update
	if !stands {
		verb = Create
	}
	d.add(StepVPC, verb, "vpc", v.Name, func(ctx context.Context, r *run) error {
		in := &wire.ModifyVpcAttributeRequest{VpcId: ptr(r.id("vpc", v.Name))}
		on := &wire.AttributeBooleanValue{Value: &want}
		if name == attributeHostnames {
			in.EnableDnsHostnames = on
		} else {
			in.EnableDnsSupport = on
		}
		return r.do(ctx, "ModifyVpcAttribute", in, nil)
	})
}

func (d *differ) gateway(v VPC) {
	is, attached, ok := d.acc.gatewayOf(v.Name)
	if !ok {
		d.add(StepRoutes, Create, "internet-gateway", v.Name, func(ctx context.Context, r *run) error {
			var out wire.CreateInternetGatewayResult
			tags := r.tags("internet-gateway", v.Name)
			if d.lab.Internet {
				tags[0].Tags = append(tags[0].Tags, wire.Tag{Key: ptr(sim.TagInternet), Value: ptr(sim.InternetReal)})
			}
			if err := r.do(ctx, "CreateInternetGateway", &wire.CreateInternetGatewayRequest{TagSpecifications: tags}, &out); err != nil {
				return err
			}
			r.learn("internet-gateway", v.Name, wire.Value(out.InternetGateway.InternetGatewayId))
			return nil
		})
	} else {
		d.changes.known("internet-gateway", v.Name, wire.Value(is.InternetGatewayId))
		d.internet(v, is)
	}
	if attached {
		return
	}
	for _, x := range is.Attachments { // somebody has attached it elsewhere
		d.add(StepRoutes, Update, "internet-gateway", v.Name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: is.InternetGatewayId, VpcId: x.VpcId}, nil)
		})
	}
	d.add(StepRoutes, Update, "internet-gateway", v.Name, func(ctx context.Context, r *run) error {
		return r.do(ctx, "AttachInternetGateway", &wire.AttachInternetGatewayRequest{
			InternetGatewayId: ptr(r.id("internet-gateway", v.Name)), VpcId: ptr(r.id("vpc", v.Name))}, nil)
	})
}

// internet opens a gateway that stands to the real internet, or shuts it off.
func (d *differ) internet(v VPC, is wire.InternetGateway) {
	real := wire.TagValue(is.Tags, sim.TagInternet) == sim.InternetReal
	if real == d.lab.Internet {
		return
	}
	var want *string
	if d.lab.Internet {
		want = ptr(sim.InternetReal)
	}
	d.retag(StepRoutes, "internet-gateway", v.Name, wire.Value(is.InternetGatewayId), map[string]*string{sim.TagInternet: want})
}

func (d *differ) subnet(s Subnet) {
	is, ok := d.acc.subnets[s.Name]
	if !ok {
		d.add(StepSubnets, Create, "subnet", s.Name, func(ctx context.Context, r *run) error {
			var out wire.CreateSubnetResult
			if err := r.do(ctx, "CreateSubnet", &wire.CreateSubnetRequest{VpcId: ptr(r.id("vpc", s.VPC)), CidrBlock: ptr(s.CIDR.String()),
				AvailabilityZone: ptr(r.zone(s.Zone)), TagSpecifications: r.tags("subnet", s.Name)}, &out); err != nil {
				return err
			}
			r.learn("subnet", s.Name, wire.Value(out.Subnet.SubnetId))
			return nil
		})
	} else {
		d.changes.known("subnet", s.Name, wire.Value(is.SubnetId))
	}
	if wire.Value(is.MapPublicIpOnLaunch) != s.MapPublicIP {
		d.add(StepSubnets, Update, "subnet", s.Name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "ModifySubnetAttribute", &wire.ModifySubnetAttributeRequest{SubnetId: ptr(r.id("subnet", s.Name)),
				MapPublicIpOnLaunch: &wire.AttributeBooleanValue{Value: &s.MapPublicIP}}, nil)
		})
	}
}

func (d *differ) routeTable(t RouteTable) {
	is, ok := d.acc.tables[t.Name]
	if !ok {
		d.add(StepRoutes, Create, "route-table", t.Name, func(ctx context.Context, r *run) error {
			var out wire.CreateRouteTableResult
			if err := r.do(ctx, "CreateRouteTable", &wire.CreateRouteTableRequest{VpcId: ptr(r.id("vpc", t.VPC)),
				TagSpecifications: r.tags("route-table", t.Name)}, &out); err != nil {
				return err
			}
			r.learn("route-table", t.Name, wire.Value(out.RouteTable.RouteTableId))
			return nil
		})
	} else {
		d.changes.known("route-table", t.Name, wire.Value(is.RouteTableId))
	}
	g, _, _ := d.acc.gatewayOf(t.VPC)
	gateway := wire.Value(g.InternetGatewayId)
	now := map[string]string{}
	for _, r := range is.Routes {
		if wire.Value(r.GatewayId) != "local" && r.DestinationCidrBlock != nil {
			now[wire.Value(r.DestinationCidrBlock)] = wire.Value(r.GatewayId)
		}
	}
	for _, want := range t.Routes {
		dest := want.Destination.String()
		target, stands := now[dest]
		delete(now, dest)
		if stands && target == gateway {
			continue
		}
		d.route(t, dest, stands)
	}
	for _, dest := range sortedKeys(now) {
		d.add(StepRoutes, Delete, "route", t.Name+" "+dest, func(ctx context.Context, r *run) error {
			return r.do(ctx, "DeleteRoute", &wire.DeleteRouteRequest{RouteTableId: ptr(r.id("route-table", t.Name)), DestinationCidrBlock: &dest}, nil)
		})
	}
}

func (d *differ) route(t RouteTable, dest string, replace bool) {
	verb := Create
	if replace {
		verb = Update
	}
	d.add(StepRoutes, verb, "route", t.Name+" "+dest, func(ctx context.Context, r *run) error {
		table, gateway := ptr(r.id("route-table", t.Name)), ptr(r.id("internet-gateway", t.VPC))
		if replace {
			return r.do(ctx, "ReplaceRoute", &wire.ReplaceRouteRequest{RouteTableId: table, DestinationCidrBlock: &dest, GatewayId: gateway}, nil)
		}
		return r.do(ctx, "CreateRoute", &wire.CreateRouteRequest{RouteTableId: table, DestinationCidrBlock: &dest, GatewayId: gateway}, nil)
	})
}

// association binds a subnet to its table; a subnet without one falls back to
// the VPC's main table.
func (d *differ) association(s Subnet) {
	var now association
	if is, ok := d.acc.subnets[s.Name]; ok {
		now = d.acc.associations[wire.Value(is.SubnetId)]
	}
	want, stands := d.acc.tables[s.RouteTable]
	switch {
	case s.RouteTable == "" && now.id == "", stands && now.table == wire.Value(want.RouteTableId):
	case s.RouteTable == "":
		d.add(StepRoutes, Delete, "association", s.Name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "DisassociateRouteTable", &wire.DisassociateRouteTableRequest{AssociationId: &now.id}, nil)
		})
	case now.id != "":
		d.add(StepRoutes, Update, "association", s.Name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "ReplaceRouteTableAssociation", &wire.ReplaceRouteTableAssociationRequest{
				AssociationId: &now.id, RouteTableId: ptr(r.id("route-table", s.RouteTable))}, nil)
		})
	default:
		d.add(StepRoutes, Create, "association", s.Name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "AssociateRouteTable", &wire.AssociateRouteTableRequest{
				SubnetId: ptr(r.id("subnet", s.Name)), RouteTableId: ptr(r.id("route-table", s.RouteTable))}, nil)
		})
	}
}
