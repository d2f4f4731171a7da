package lab

import (
	"context"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// Removal is what `down` deletes of a lab.
type Removal struct {
	Changes
	ByHand []Resource // what was added to the lab's VPCs by hand, and goes with them
	Kept   []Resource // volumes that stay
	Keys   []string   // key pairs that go, whose files go too
}

// Resource names one resource for the user.
type Resource struct{ Kind, ID, Name string }

// Down lists what stands of a lab: the VPCs that it made with all that is in
// them. Volumes stay unless volumes is set.
func Down(ctx context.Context, api API, lab string, volumes bool) (*Removal, error) {
	ours := filter("tag:"+sim.TagLab, lab)
	var vpcs wire.DescribeVpcsResult
	var gateways wire.DescribeInternetGatewaysResult
	var vols wire.DescribeVolumesResult
	var keys wire.DescribeKeyPairsResult
	if err := ask(ctx, api,
		query{"DescribeVpcs", &wire.DescribeVpcsRequest{Filters: ours}, &vpcs},
		query{"DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{Filters: ours}, &gateways},
		query{"DescribeVolumes", &wire.DescribeVolumesRequest{Filters: ours}, &vols},
		query{"DescribeKeyPairs", &wire.DescribeKeyPairsRequest{Filters: ours}, &keys},
	); err != nil {
		return nil, err
	}
	d := &remover{api: api, lab: lab}
	for _, v := range vpcs.Vpcs {
		if err := d.vpc(ctx, v); err != nil {
			return nil, err
		}
	}
	for _, g := range gateways.InternetGateways { // those that are attached to nothing
		if len(g.Attachments) == 0 {
			d.drop("internet-gateway", wire.Value(g.InternetGatewayId), g.Tags)
		}
	}
	out := &Removal{}
	for _, v := range livingVolumes(vols.Volumes) {
		if volumes {
			d.drop("volume", wire.Value(v.VolumeId), v.Tags)
		} else {
			out.Kept = append(out.Kept, Resource{"volume", wire.Value(v.VolumeId), wire.TagValue(v.Tags, sim.TagName)})
		}
	}
	for _, k := range keys.KeyPairs {
		used, err := d.usedElsewhere(ctx, wire.Value(k.KeyName))
		if err != nil {
			return nil, err
		}
		if !used {
			d.drop("key-pair", wire.Value(k.KeyName), k.Tags)
			out.Keys = append(out.Keys, wire.Value(k.KeyName))
		}
	}
	out.Changes = Changes{List: d.list, lab: &Lab{Name: lab}, acc: &account{}}
	out.ByHand = d.byHand
	return out, nil
}

// remover notes deletions.
type remover struct {
	api    API
	lab    string
	list   []Change
	byHand []Resource
	going  []string // instances that are to be terminated
}

func (d *remover) add(verb Verb, kind, name string, do func(context.Context, *run) error) {
	d.list = append(d.list, Change{Verb: verb, Kind: kind, Name: name, do: do})
}

// drop notes a deletion, and that the resource was made by hand if it lacks the
// lab's tag.
func (d *remover) drop(kind, id string, tags []wire.Tag) {
	d.note(Change{Verb: Delete, Kind: kind, DestroysData: kind == "volume",
		do: func(ctx context.Context, r *run) error { return r.remove(ctx, kind, id) }}, id, tags)
}

func (d *remover) note(c Change, id string, tags []wire.Tag) {
	c.Name = cmpOr(wire.TagValue(tags, sim.TagName), id)
	if c.ByHand = wire.TagValue(tags, sim.TagLab) != d.lab; c.ByHand {
		d.byHand = append(d.byHand, Resource{c.Kind, id, wire.TagValue(tags, sim.TagName)})
	}
	d.list = append(d.list, c)
}

// usedElsewhere reports whether an instance that stays was launched with a key.
func (d *remover) usedElsewhere(ctx context.Context, key string) (bool, error) {
	var out wire.DescribeInstancesResult
	err := ask(ctx, d.api, query{"DescribeInstances", &wire.DescribeInstancesRequest{Filters: filter("key-name", key)}, &out})
	return slices.ContainsFunc(instancesOf(out), func(i wire.Instance) bool {
		return stateOf(i) != sim.StateTerminated && !slices.Contains(d.going, wire.Value(i.InstanceId))
	}), err
}

// vpc notes all that is in a VPC, in the order in which EC2 lets it go.
func (d *remover) vpc(ctx context.Context, v wire.Vpc) error {
	in := filter("vpc-id", wire.Value(v.VpcId))
	var instances wire.DescribeInstancesResult
	var subnets wire.DescribeSubnetsResult
	var tables wire.DescribeRouteTablesResult
	var groups wire.DescribeSecurityGroupsResult
	var gateways wire.DescribeInternetGatewaysResult
	if err := ask(ctx, d.api,
		query{"DescribeInstances", &wire.DescribeInstancesRequest{Filters: in}, &instances},
		query{"DescribeSubnets", &wire.DescribeSubnetsRequest{Filters: in}, &subnets},
		query{"DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: in}, &tables},
		query{"DescribeSecurityGroups", &wire.DescribeSecurityGroupsRequest{Filters: in}, &groups},
		query{"DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{Filters: filter("attachment.vpc-id", wire.Value(v.VpcId))}, &gateways},
	); err != nil {
		return err
	}
	for _, i := range instancesOf(instances) {
		if stateOf(i) != sim.StateTerminated {
			d.going = append(d.going, wire.Value(i.InstanceId))
			d.note(termination(i), wire.Value(i.InstanceId), i.Tags)
		}
	}
	for _, t := range tables.RouteTables {
		d.disassociate(t)
	}
	for _, s := range subnets.Subnets {
		d.drop("subnet", wire.Value(s.SubnetId), s.Tags)
	}
	for _, t := range tables.RouteTables {
		if !slices.ContainsFunc(t.Associations, func(a wire.RouteTableAssociation) bool { return wire.Value(a.Main) }) {
			d.drop("route-table", wire.Value(t.RouteTableId), t.Tags)
		}
	}
	d.groups(groups.SecurityGroups)
	for _, g := range gateways.InternetGateways {
		d.add(Update, "internet-gateway", cmpOr(wire.TagValue(g.Tags, sim.TagName), wire.Value(g.InternetGatewayId)), func(ctx context.Context, r *run) error {
			return r.do(ctx, "DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: g.InternetGatewayId, VpcId: v.VpcId}, nil)
		})
		d.drop("internet-gateway", wire.Value(g.InternetGatewayId), g.Tags)
	}
	d.drop("vpc", wire.Value(v.VpcId), v.Tags)
	return nil
}

func (d *remover) disassociate(t wire.RouteTable) {
	for _, a := range t.Associations {
		if wire.Value(a.Main) {
			continue
		}
		d.add(Delete, "association", cmpOr(wire.TagValue(t.Tags, sim.TagName), wire.Value(t.RouteTableId)), func(ctx context.Context, r *run) error {
			return r.do(ctx, "DisassociateRouteTable", &wire.DisassociateRouteTableRequest{AssociationId: a.RouteTableAssociationId}, nil)
		})
	}
}

// groups deletes the security groups; rules that name other groups go first,
// for groups may name each other.
func (d *remover) groups(list []wire.SecurityGroup) {
	for _, g := range list {
		d.revoke(g, "RevokeSecurityGroupIngress", g.IpPermissions)
		d.revoke(g, "RevokeSecurityGroupEgress", g.IpPermissionsEgress)
	}
	for _, g := range list {
		if wire.Value(g.GroupName) != "default" {
			d.drop("security-group", wire.Value(g.GroupId), g.Tags)
		}
	}
}

func (d *remover) revoke(g wire.SecurityGroup, action string, perms []wire.IpPermission) {
	refs, _ := splitPairs(perms, func(p wire.UserIdGroupPair) bool { return wire.Value(p.GroupId) != wire.Value(g.GroupId) })
	if len(refs) == 0 {
		return
	}
	d.add(Update, "security-group", wire.Value(g.GroupName), func(ctx context.Context, r *run) error {
		return r.permissions(ctx, action, wire.Value(g.GroupId), refs)
	})
}
