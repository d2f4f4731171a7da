package lab

import (
	"context"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// API makes one call of the EC2 API. ec2.Client is one.
type API interface {
	Do(ctx context.Context, action string, in, out any) error
}

// account is what the EC2 API describes of a lab: the resources that carry its
// tag, by their names, and what of others stands in the way.
type account struct {
	vpcs      map[string]wire.Vpc
	gateways  map[string]wire.InternetGateway
	subnets   map[string]wire.Subnet
	tables    map[string]wire.RouteTable
	groups    map[string]wire.SecurityGroup
	instances map[string]wire.Instance // those that live
	dying     []wire.Instance          // shutting down: what they hold is not free yet
	launched  map[string][]string      // ids of all that there ever were, by name
	volumes   map[string]wire.Volume
	keys      map[string]wire.KeyPairInfo // of the whole account: a key's name is its own
	images    map[string]string           // AMI ids by name

	// Of the lab's VPCs, whoever made them:
	attributes   map[string]bool                 // "NAME ATTRIBUTE" of a VPC
	associations map[string]association          // by the subnet's id
	attached     map[string]wire.InternetGateway // by the VPC's id
	defaults     map[string]string               // the default group's id, by the VPC's
}

// association binds a subnet to a route table.
type association struct{ id, table string }

// Attributes of a VPC that a lab file sets (EC2 API, DescribeVpcAttribute).
const (
	attributeSupport   = "enableDnsSupport"
	attributeHostnames = "enableDnsHostnames"
)

// query is one call that describes something.
type query struct {
	action  string
	in, out any
}

func ask(ctx context.Context, api API, list ...query) error {
	for _, q := range list {
		if err := api.Do(ctx, q.action, q.in, q.out); err != nil {
			return err
		}
	}
	return nil
}

func filter(name string, values ...string) []wire.Filter {
	return []wire.Filter{{Name: &name, Values: values}}
}

func observe(ctx context.Context, api API, lab string) (*account, error) {
	ours := filter("tag:"+sim.TagLab, lab)
	var (
		vpcs      wire.DescribeVpcsResult
		gateways  wire.DescribeInternetGatewaysResult
		subnets   wire.DescribeSubnetsResult
		tables    wire.DescribeRouteTablesResult
		groups    wire.DescribeSecurityGroupsResult
		instances wire.DescribeInstancesResult
		volumes   wire.DescribeVolumesResult
		keys      wire.DescribeKeyPairsResult
		images    wire.DescribeImagesResult
	)
	if err := ask(ctx, api,
		query{"DescribeVpcs", &wire.DescribeVpcsRequest{Filters: ours}, &vpcs},
		query{"DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{Filters: ours}, &gateways},
		query{"DescribeSubnets", &wire.DescribeSubnetsRequest{Filters: ours}, &subnets},
		query{"DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: ours}, &tables},
		query{"DescribeSecurityGroups", &wire.DescribeSecurityGroupsRequest{Filters: ours}, &groups},
		query{"DescribeInstances", &wire.DescribeInstancesRequest{Filters: ours}, &instances},
		query{"DescribeVolumes", &wire.DescribeVolumesRequest{Filters: ours}, &volumes},
		query{"DescribeKeyPairs", &wire.DescribeKeyPairsRequest{}, &keys},
		query{"DescribeImages", &wire.DescribeImagesRequest{}, &images},
	); err != nil {
		return nil, err
	}
	a := &account{
		vpcs:     byName(vpcs.Vpcs, func(x wire.Vpc) []wire.Tag { return x.Tags }),
		gateways: byName(gateways.InternetGateways, func(x wire.InternetGateway) []wire.Tag { return x.Tags }),
		subnets:  byName(subnets.Subnets, func(x wire.Subnet) []wire.Tag { return x.Tags }),
		tables:   byName(tables.RouteTables, func(x wire.RouteTable) []wire.Tag { return x.Tags }),
		groups:   byName(groups.SecurityGroups, func(x wire.SecurityGroup) []wire.Tag { return x.Tags }),
		volumes:  byName(livingVolumes(volumes.Volumes), func(x wire.Volume) []wire.Tag { return x.Tags }),
		keys:     map[string]wire.KeyPairInfo{},
		images:   map[string]string{},
	}
	for _, k := range keys.KeyPairs {
		a.keys[wire.Value(k.KeyName)] = k
	}
	for _, i := range images.Images {
		a.images[wire.Value(i.Name)] = wire.Value(i.ImageId)
	}
	a.sortInstances(instances)
	return a, a.observeVPCs(ctx, api)
}

func (a *account) sortInstances(out wire.DescribeInstancesResult) {
	a.instances, a.launched = map[string]wire.Instance{}, map[string][]string{}
	for _, i := range instancesOf(out) {
		name := wire.TagValue(i.Tags, sim.TagName)
		a.launched[name] = append(a.launched[name], wire.Value(i.InstanceId))
		_, second := a.instances[name]
		switch stateOf(i) {
		case sim.StateTerminated:
		case sim.StateShuttingDown:
			a.dying = append(a.dying, i)
		default:
			if !second {
				a.instances[name] = i
			}
		}
	}
}

// observeVPCs reads what belongs to the lab's VPCs, tagged or not: somebody may
// have done by hand what stands in the lab's way.
func (a *account) observeVPCs(ctx context.Context, api API) error {
	a.attributes, a.associations = map[string]bool{}, map[string]association{}
	a.attached, a.defaults = map[string]wire.InternetGateway{}, map[string]string{}
	if len(a.vpcs) == 0 {
		return nil
	}
	var ids []string
	for _, name := range sortedKeys(a.vpcs) {
		ids = append(ids, wire.Value(a.vpcs[name].VpcId))
	}
	var tables wire.DescribeRouteTablesResult
	var gateways wire.DescribeInternetGatewaysResult
	var groups wire.DescribeSecurityGroupsResult
	if err := ask(ctx, api,
		query{"DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: filter("vpc-id", ids...)}, &tables},
		query{"DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{Filters: filter("attachment.vpc-id", ids...)}, &gateways},
		query{"DescribeSecurityGroups", &wire.DescribeSecurityGroupsRequest{
			Filters: append(filter("vpc-id", ids...), filter("group-name", "default")...)}, &groups},
	); err != nil {
		return err
	}
	for _, t := range tables.RouteTables {
		for _, x := range t.Associations {
			if x.SubnetId != nil {
				a.associations[*x.SubnetId] = association{wire.Value(x.RouteTableAssociationId), wire.Value(t.RouteTableId)}
			}
		}
	}
	for _, g := range gateways.InternetGateways {
		for _, x := range g.Attachments {
			a.attached[wire.Value(x.VpcId)] = g
		}
	}
	for _, g := range groups.SecurityGroups {
		a.defaults[wire.Value(g.VpcId)] = wire.Value(g.GroupId)
	}
	return a.readAttributes(ctx, api)
}

func (a *account) readAttributes(ctx context.Context, api API) error {
	for _, name := range sortedKeys(a.vpcs) {
		for _, attr := range []string{attributeSupport, attributeHostnames} {
			var out wire.DescribeVpcAttributeResult
			if err := api.Do(ctx, "DescribeVpcAttribute", &wire.DescribeVpcAttributeRequest{VpcId: a.vpcs[name].VpcId, Attribute: &attr}, &out); err != nil {
				return err
			}
			for _, x := range []*wire.AttributeBooleanValue{out.EnableDnsSupport, out.EnableDnsHostnames} {
				if x != nil {
					a.attributes[name+" "+attr] = wire.Value(x.Value)
				}
			}
		}
	}
	return nil
}

// gatewayOf returns the gateway through which a VPC of the lab goes out: the
// one that is attached, even if it was made by hand, else the lab's own.
func (a *account) gatewayOf(vpc string) (g wire.InternetGateway, attached, ok bool) {
	if g, ok = a.attached[wire.Value(a.vpcs[vpc].VpcId)]; ok {
		return g, true, true
	}
	g, ok = a.gateways[vpc]
	return g, false, ok
}

// livingVolumes leaves out those that are about to be gone.
func livingVolumes(list []wire.Volume) []wire.Volume {
	return slices.DeleteFunc(list, func(v wire.Volume) bool { return wire.Value(v.State) == "deleting" || wire.Value(v.State) == "deleted" })
}

func instancesOf(out wire.DescribeInstancesResult) []wire.Instance {
	var list []wire.Instance
	for _, r := range out.Reservations {
		list = append(list, r.Instances...)
	}
	return list
}

func stateOf(i wire.Instance) sim.InstanceState {
	if i.State == nil {
		return ""
	}
	return sim.InstanceState(wire.Value(i.State.Name))
}

// byName indexes rows; of two that have the same name the first one counts.
func byName[T any](list []T, tags func(T) []wire.Tag) map[string]T {
	out := make(map[string]T, len(list))
	for _, x := range slices.Backward(list) {
		out[wire.TagValue(tags(x), sim.TagName)] = x
	}
	return out
}

func ptr[T any](x T) *T { return &x }
