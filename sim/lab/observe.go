package lab

import (
	"context"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

// account is what a region has of a lab: the resources that carry its tag, by their
// names, and what of others stands in the way. It never changes, see view.
type account struct {
	vpcs      map[string]wire.Vpc
	gateways  map[string]wire.InternetGateway
	subnets   map[string]wire.Subnet
	tables    map[string]wire.RouteTable
	groups    map[string]wire.SecurityGroup
	instances map[string]wire.Instance // those that live
	dying     []wire.Instance          // shutting down: what they hold is not free yet
	launched  map[string][]string      // ids of all that there are, by name
	volumes   map[string]wire.Volume
	keys      map[string]wire.KeyPairInfo // of the whole account: a key's name is its own

	// Of the lab's VPCs, whoever made them:
	associations map[string]association          // by the subnet's id
	attached     map[string]wire.InternetGateway // by the VPC's id
	defaults     map[string]string               // the default group's id, by the VPC's

	*facts
}

// facts are what only a question of its own tells.
type facts struct {
	images     map[string]string // AMI ids by name
	attributes map[string]bool   // "ID ATTRIBUTE" of a VPC
}

// association binds a subnet to a route table.
type association struct{ id, table string }

// Attributes of a VPC that a lab file sets (EC2 API, DescribeVpcAttribute).
const (
	attributeSupport   = "enableDnsSupport"
	attributeHostnames = "enableDnsHostnames"
)

// observe asks the API for everything that a lab is compared with.
func observe(ctx context.Context, api region.API, lab string) (*region.Region, *account, error) {
	seen, err := region.Observe(ctx, api)
	if err != nil {
		return nil, nil, err
	}
	f := &facts{images: map[string]string{}, attributes: map[string]bool{}}
	var images wire.DescribeImagesResult
	if err := api.Do(ctx, "DescribeImages", &wire.DescribeImagesRequest{}, &images); err != nil {
		return nil, nil, err
	}
	for _, i := range images.Images {
		f.images[wire.Value(i.Name)] = wire.Value(i.ImageId)
	}
	a := view(seen, lab, f)
	for _, name := range sortedKeys(a.vpcs) {
		if err := f.readAttributes(ctx, api, wire.Value(a.vpcs[name].VpcId)); err != nil {
			return nil, nil, err
		}
	}
	return seen, a, nil
}

func (f *facts) readAttributes(ctx context.Context, api region.API, vpc string) error {
	for _, attr := range []string{attributeSupport, attributeHostnames} {
		var out wire.DescribeVpcAttributeResult
		if err := api.Do(ctx, "DescribeVpcAttribute", &wire.DescribeVpcAttributeRequest{VpcId: &vpc, Attribute: &attr}, &out); err != nil {
			return err
		}
		for _, x := range []*wire.AttributeBooleanValue{out.EnableDnsSupport, out.EnableDnsHostnames} {
			if x != nil {
				f.attributes[vpc+" "+attr] = wire.Value(x.Value)
			}
		}
	}
	return nil
}

// view picks out of a region what is a lab's.
func view(r *region.Region, lab string, f *facts) *account {
	a := &account{
		vpcs:     byName(lab, r.VPCs, func(x wire.Vpc) []wire.Tag { return x.Tags }),
		gateways: byName(lab, r.InternetGateways, func(x wire.InternetGateway) []wire.Tag { return x.Tags }),
		subnets:  byName(lab, r.Subnets, func(x wire.Subnet) []wire.Tag { return x.Tags }),
		tables:   byName(lab, r.RouteTables, func(x wire.RouteTable) []wire.Tag { return x.Tags }),
		groups:   byName(lab, r.SecurityGroups, func(x wire.SecurityGroup) []wire.Tag { return x.Tags }),
		volumes:  byName(lab, r.Volumes, func(x wire.Volume) []wire.Tag { return x.Tags }),
		keys:     map[string]wire.KeyPairInfo{},
		facts:    f,
	}
	for _, k := range r.KeyPairs {
		a.keys[wire.Value(k.KeyName)] = k
	}
	a.sortInstances(r, lab)
	a.lookIntoVPCs(r)
	return a
}

func (a *account) sortInstances(r *region.Region, lab string) {
	a.instances, a.launched = map[string]wire.Instance{}, map[string][]string{}
	for _, i := range r.Instances {
		if wire.TagValue(i.Tags, sim.TagLab) != lab {
			continue
		}
		name := wire.TagValue(i.Tags, sim.TagName)
		a.launched[name] = append(a.launched[name], wire.Value(i.InstanceId))
		_, second := a.instances[name]
		switch region.StateOf(i) {
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

// lookIntoVPCs notes what belongs to the lab's VPCs, tagged or not: somebody may
// have done by hand what stands in the lab's way.
func (a *account) lookIntoVPCs(r *region.Region) {
	a.associations, a.attached, a.defaults = map[string]association{}, map[string]wire.InternetGateway{}, map[string]string{}
	for _, v := range a.vpcs {
		id := wire.Value(v.VpcId)
		if g, ok := r.InternetGatewayOf(id); ok {
			a.attached[id] = g
		}
		a.defaults[id] = r.DefaultGroupOf(id)
		for _, t := range r.RouteTables {
			for _, x := range t.Associations {
				if wire.Value(t.VpcId) == id && x.SubnetId != nil {
					a.associations[*x.SubnetId] = association{wire.Value(x.RouteTableAssociationId), wire.Value(t.RouteTableId)}
				}
			}
		}
	}
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

func instancesOf(out wire.DescribeInstancesResult) []wire.Instance {
	var list []wire.Instance
	for _, r := range out.Reservations {
		list = append(list, r.Instances...)
	}
	return list
}

// byName indexes a lab's rows; of two that have the same name the first one counts.
func byName[T any](lab string, list []T, tags func(T) []wire.Tag) map[string]T {
	out := make(map[string]T, len(list))
	for _, x := range slices.Backward(list) {
		if wire.TagValue(tags(x), sim.TagLab) == lab {
			out[wire.TagValue(tags(x), sim.TagName)] = x
		}
	}
	return out
}

func ptr[T any](x T) *T { return &x }
