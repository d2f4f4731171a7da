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
// tag, by their names.
type account struct {
	vpcs      map[string]wire.Vpc
	gateways  map[string]wire.InternetGateway
	subnets   map[string]wire.Subnet
	tables    map[string]wire.RouteTable
	groups    map[string]wire.SecurityGroup
	instances map[string]wire.Instance // terminated ones are left out
	launched  map[string]int           // how many there ever were, terminated ones included
	volumes   map[string]wire.Volume
	keys      map[string]wire.KeyPairInfo // of the whole account: a key's name is its own
	images    map[string]string           // AMI ids by name
	// attributes of the VPCs, by "NAME ATTRIBUTE"
	attributes map[string]bool
}

// Attributes of a VPC that a lab file sets (EC2 API, DescribeVpcAttribute).
const (
	attributeSupport   = "enableDnsSupport"
	attributeHostnames = "enableDnsHostnames"
)

func observe(ctx context.Context, api API, lab string) (*account, error) {
	a := &account{launched: map[string]int{}, instances: map[string]wire.Instance{}, images: map[string]string{}, keys: map[string]wire.KeyPairInfo{}}
	ours := []wire.Filter{{Name: ptr("tag:" + sim.TagLab), Values: []string{lab}}}
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
	for _, c := range []struct {
		action  string
		in, out any
	}{
		{"DescribeVpcs", &wire.DescribeVpcsRequest{Filters: ours}, &vpcs},
		{"DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{Filters: ours}, &gateways},
		{"DescribeSubnets", &wire.DescribeSubnetsRequest{Filters: ours}, &subnets},
		{"DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: ours}, &tables},
		{"DescribeSecurityGroups", &wire.DescribeSecurityGroupsRequest{Filters: ours}, &groups},
		{"DescribeInstances", &wire.DescribeInstancesRequest{Filters: ours}, &instances},
		{"DescribeVolumes", &wire.DescribeVolumesRequest{Filters: ours}, &volumes},
		{"DescribeKeyPairs", &wire.DescribeKeyPairsRequest{}, &keys},
		{"DescribeImages", &wire.DescribeImagesRequest{}, &images},
	} {
		if err := api.Do(ctx, c.action, c.in, c.out); err != nil {
			return nil, err
		}
	}
	a.vpcs = byName(vpcs.Vpcs, func(x wire.Vpc) []wire.Tag { return x.Tags })
	a.gateways = byName(gateways.InternetGateways, func(x wire.InternetGateway) []wire.Tag { return x.Tags })
	a.subnets = byName(subnets.Subnets, func(x wire.Subnet) []wire.Tag { return x.Tags })
	a.tables = byName(tables.RouteTables, func(x wire.RouteTable) []wire.Tag { return x.Tags })
	a.groups = byName(groups.SecurityGroups, func(x wire.SecurityGroup) []wire.Tag { return x.Tags })
	a.volumes = byName(volumes.Volumes, func(x wire.Volume) []wire.Tag { return x.Tags })
	for _, k := range keys.KeyPairs {
		a.keys[str(k.KeyName)] = k
	}
	for _, i := range images.Images {
		a.images[str(i.Name)] = str(i.ImageId)
	}
	for _, r := range instances.Reservations {
		for _, i := range r.Instances {
			name := tag(i.Tags, sim.TagName)
			a.launched[name]++
			if s := stateOf(i); s != sim.StateTerminated && s != sim.StateShuttingDown {
				a.instances[name] = i
			}
		}
	}
	return a, a.readAttributes(ctx, api)
}

func (a *account) readAttributes(ctx context.Context, api API) error {
	a.attributes = map[string]bool{}
	for name, v := range a.vpcs {
		for _, attr := range []string{attributeSupport, attributeHostnames} {
			var out wire.DescribeVpcAttributeResult
			if err := api.Do(ctx, "DescribeVpcAttribute", &wire.DescribeVpcAttributeRequest{VpcId: v.VpcId, Attribute: &attr}, &out); err != nil {
				return err
			}
			for _, x := range []*wire.AttributeBooleanValue{out.EnableDnsSupport, out.EnableDnsHostnames} {
				if x != nil {
					a.attributes[name+" "+attr] = val(x.Value)
				}
			}
		}
	}
	return nil
}

func stateOf(i wire.Instance) sim.InstanceState {
	if i.State == nil {
		return ""
	}
	return sim.InstanceState(str(i.State.Name))
}

func byName[T any](list []T, tags func(T) []wire.Tag) map[string]T {
	out := make(map[string]T, len(list))
	for _, x := range list {
		out[tag(tags(x), sim.TagName)] = x
	}
	return out
}

func tag(tags []wire.Tag, key string) string {
	i := slices.IndexFunc(tags, func(t wire.Tag) bool { return str(t.Key) == key })
	if i < 0 {
		return ""
	}
	return str(tags[i].Value)
}

func ptr[T any](x T) *T { return &x }

func str(p *string) string { return val(p) }

func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
