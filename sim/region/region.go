package region

import (
	"cmp"
	"context"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// API makes one call of the EC2 API. ec2.Client is one.
type API interface {
	Do(ctx context.Context, action string, in, out any) error
}

// Region is what stands in an account, in the order of the API.
type Region struct {
	VPCs             []wire.Vpc
	Subnets          []wire.Subnet
	InternetGateways []wire.InternetGateway
	RouteTables      []wire.RouteTable
	SecurityGroups   []wire.SecurityGroup
	Instances        []wire.Instance // terminated ones, too, see Living
	Volumes          []wire.Volume   // not those that are being deleted
	KeyPairs         []wire.KeyPairInfo
	Addresses        []wire.Address
}

// Observe asks the API for everything.
func Observe(ctx context.Context, api API) (*Region, error) {
	var (
		vpcs      wire.DescribeVpcsResult
		subnets   wire.DescribeSubnetsResult
		gateways  wire.DescribeInternetGatewaysResult
		tables    wire.DescribeRouteTablesResult
		groups    wire.DescribeSecurityGroupsResult
		instances wire.DescribeInstancesResult
		volumes   wire.DescribeVolumesResult
		keys      wire.DescribeKeyPairsResult
		addresses wire.DescribeAddressesResult
	)
	for _, q := range []struct {
		action string
		out    any
	}{
		{"DescribeVpcs", &vpcs}, {"DescribeSubnets", &subnets}, {"DescribeInternetGateways", &gateways}, {"DescribeRouteTables", &tables},
		{"DescribeSecurityGroups", &groups}, {"DescribeInstances", &instances}, {"DescribeVolumes", &volumes},
		{"DescribeKeyPairs", &keys}, {"DescribeAddresses", &addresses},
	} {
		if err := api.Do(ctx, q.action, nil, q.out); err != nil {
			return nil, err
		}
	}
	r := &Region{VPCs: vpcs.Vpcs, Subnets: subnets.Subnets, InternetGateways: gateways.InternetGateways, RouteTables: tables.RouteTables,
		SecurityGroups: groups.SecurityGroups, KeyPairs: keys.KeyPairs, Addresses: addresses.Addresses}
	for _, x := range instances.Reservations {
		r.Instances = append(r.Instances, x.Instances...)
	}
	r.Volumes = slices.DeleteFunc(volumes.Volumes, func(v wire.Volume) bool {
		return wire.Value(v.State) == string(sim.VolumeDeleting) || wire.Value(v.State) == "deleted"
	})
	return r, nil
}

// StateOf returns an instance's state.
func StateOf(i wire.Instance) sim.InstanceState {
	if i.State == nil {
		return ""
	}
	return sim.InstanceState(wire.Value(i.State.Name))
}

// Living are the instances that are neither terminated nor on the way there.
func (r *Region) Living() []wire.Instance {
	return slices.DeleteFunc(slices.Clone(r.Instances), func(i wire.Instance) bool {
		return StateOf(i) == sim.StateTerminated || StateOf(i) == sim.StateShuttingDown
	})
}

// InternetGatewayOf returns the gateway that is attached to a VPC.
func (r *Region) InternetGatewayOf(vpc string) (wire.InternetGateway, bool) {
	for _, g := range r.InternetGateways {
		for _, a := range g.Attachments {
			if wire.Value(a.VpcId) == vpc {
				return g, true
			}
		}
	}
	return wire.InternetGateway{}, false
}

// DefaultGroupOf returns the id of a VPC's default security group.
func (r *Region) DefaultGroupOf(vpc string) string {
	for _, g := range r.SecurityGroups {
		if wire.Value(g.VpcId) == vpc && wire.Value(g.GroupName) == "default" {
			return wire.Value(g.GroupId)
		}
	}
	return ""
}

// RouteTableOf returns the table that serves a subnet, and the id of the association
// by which it does; "": it is the VPC's main table.
func (r *Region) RouteTableOf(s wire.Subnet) (t wire.RouteTable, association string) {
	for _, x := range r.RouteTables {
		for _, a := range x.Associations {
			if wire.Value(a.SubnetId) == wire.Value(s.SubnetId) {
				return x, wire.Value(a.RouteTableAssociationId)
			}
		}
		if wire.Value(x.VpcId) == wire.Value(s.VpcId) && IsMain(x) {
			t = x
		}
	}
	return t, ""
}

// IsMain reports whether a table serves the subnets that name no other.
func IsMain(t wire.RouteTable) bool {
	return slices.ContainsFunc(t.Associations, func(a wire.RouteTableAssociation) bool { return wire.Value(a.Main) })
}

// Exit is how the packets of a subnet leave for the internet.
type Exit struct {
	Table       string // the route table that serves the subnet
	Association string // "": as the VPC's main one
	Target      string // where its default route leads, a gateway or an interface; "": it has none
	Public      bool   // that is the VPC's internet gateway: it really leads out
}

// ExitOf returns the exit of a subnet (VPC User Guide, "Subnet types": it is public
// where its table has a route to an internet gateway).
func (r *Region) ExitOf(s wire.Subnet) Exit {
	t, association := r.RouteTableOf(s)
	out := Exit{Table: wire.Value(t.RouteTableId), Association: association}
	route, ok := DefaultRoute(t)
	if !ok {
		return out
	}
	out.Target = cmp.Or(wire.Value(route.GatewayId), wire.Value(route.NetworkInterfaceId))
	g, attached := r.InternetGatewayOf(wire.Value(s.VpcId))
	out.Public = attached && wire.Value(g.InternetGatewayId) == out.Target && wire.Value(route.State) != "blackhole"
	return out
}

// DefaultRoute returns a table's route for 0.0.0.0/0.
func DefaultRoute(t wire.RouteTable) (wire.Route, bool) {
	i := slices.IndexFunc(t.Routes, func(r wire.Route) bool { return wire.Value(r.DestinationCidrBlock) == sim.Everywhere.String() })
	if i < 0 {
		return wire.Route{}, false
	}
	return t.Routes[i], true
}

// GroupsOf are the ids of the security groups of an instance's primary interface.
func GroupsOf(i wire.Instance) (out []string) {
	for _, g := range i.SecurityGroups {
		out = append(out, wire.Value(g.GroupId))
	}
	return out
}

// VolumesOf are the ids of the volumes that an instance has, its root disk left out.
func VolumesOf(i wire.Instance) (out []string) {
	for _, m := range i.BlockDeviceMappings {
		if m.Ebs != nil && wire.Value(m.DeviceName) != wire.Value(i.RootDeviceName) {
			out = append(out, wire.Value(m.Ebs.VolumeId))
		}
	}
	return out
}
