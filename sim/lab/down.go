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
	acc, err := observe(ctx, api, lab)
	if err != nil {
		return nil, err
	}
	d := &remover{api: api, out: &Removal{Changes: Changes{lab: &Lab{Name: lab}, acc: acc}}}
	for _, name := range sortedKeys(acc.vpcs) {
		if err := d.vpc(ctx, acc.vpcs[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range sortedKeys(acc.gateways) { // those that are attached to nothing
		if len(acc.gateways[name].Attachments) == 0 {
			d.drop("internet-gateway", str(acc.gateways[name].InternetGatewayId), acc.gateways[name].Tags)
		}
	}
	for _, name := range sortedKeys(acc.volumes) {
		v := acc.volumes[name]
		if volumes {
			d.drop("volume", str(v.VolumeId), v.Tags)
		} else {
			d.out.Kept = append(d.out.Kept, Resource{"volume", str(v.VolumeId), name})
		}
	}
	for _, name := range sortedKeys(acc.keys) {
		if tag(acc.keys[name].Tags, sim.TagLab) == lab {
			d.drop("key-pair", name, acc.keys[name].Tags)
			d.out.Keys = append(d.out.Keys, name)
		}
	}
	return d.out, nil
}

type remover struct {
	api API
	out *Removal
}

func (d *remover) add(verb Verb, kind, name string, do func(context.Context, *run) error) {
	d.out.List = append(d.out.List, Change{Verb: verb, Kind: kind, Name: name, do: do})
}

// drop notes a deletion, and that the resource was made by hand if it lacks the lab's tag.
func (d *remover) drop(kind, id string, tags []wire.Tag) {
	d.note(kind, id, tags)
	d.add(Delete, kind, cmpOr(tag(tags, sim.TagName), id), func(ctx context.Context, r *run) error { return r.remove(ctx, kind, id) })
}

func (d *remover) note(kind, id string, tags []wire.Tag) {
	if tag(tags, sim.TagLab) != d.out.lab.Name {
		d.out.ByHand = append(d.out.ByHand, Resource{kind, id, tag(tags, sim.TagName)})
	}
}

// vpc notes all that is in a VPC, in the order in which EC2 lets it go.
func (d *remover) vpc(ctx context.Context, v wire.Vpc) error {
	in := []wire.Filter{{Name: ptr("vpc-id"), Values: []string{str(v.VpcId)}}}
	var instances wire.DescribeInstancesResult
	var subnets wire.DescribeSubnetsResult
	var tables wire.DescribeRouteTablesResult
	var groups wire.DescribeSecurityGroupsResult
	var gateways wire.DescribeInternetGatewaysResult
	attached := []wire.Filter{{Name: ptr("attachment.vpc-id"), Values: []string{str(v.VpcId)}}}
	for _, c := range []struct {
		action  string
		in, out any
	}{
		{"DescribeInstances", &wire.DescribeInstancesRequest{Filters: in}, &instances},
		{"DescribeSubnets", &wire.DescribeSubnetsRequest{Filters: in}, &subnets},
		{"DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: in}, &tables},
		{"DescribeSecurityGroups", &wire.DescribeSecurityGroupsRequest{Filters: in}, &groups},
		{"DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{Filters: attached}, &gateways},
	} {
		if err := d.api.Do(ctx, c.action, c.in, c.out); err != nil {
			return err
		}
	}
	d.instances(instances)
	for _, t := range tables.RouteTables {
		d.disassociate(t)
	}
	for _, s := range subnets.Subnets {
		d.drop("subnet", str(s.SubnetId), s.Tags)
	}
	for _, t := range tables.RouteTables {
		if !slices.ContainsFunc(t.Associations, func(a wire.RouteTableAssociation) bool { return val(a.Main) }) {
			d.drop("route-table", str(t.RouteTableId), t.Tags)
		}
	}
	d.groups(groups.SecurityGroups)
	for _, g := range gateways.InternetGateways {
		d.add(Update, "internet-gateway", str(g.InternetGatewayId), func(ctx context.Context, r *run) error {
			return r.do(ctx, "DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: g.InternetGatewayId, VpcId: v.VpcId}, nil)
		})
		d.drop("internet-gateway", str(g.InternetGatewayId), g.Tags)
	}
	d.drop("vpc", str(v.VpcId), v.Tags)
	return nil
}

func (d *remover) instances(out wire.DescribeInstancesResult) {
	var ids []string
	for _, res := range out.Reservations {
		for _, i := range res.Instances {
			if stateOf(i) == sim.StateTerminated {
				continue
			}
			d.note("instance", str(i.InstanceId), i.Tags)
			ids = append(ids, str(i.InstanceId))
		}
	}
	if len(ids) > 0 {
		d.add(Delete, "instance", "", func(ctx context.Context, r *run) error { return r.terminate(ctx, ids) })
	}
}

func (d *remover) disassociate(t wire.RouteTable) {
	for _, a := range t.Associations {
		if val(a.Main) {
			continue
		}
		d.add(Update, "route-table", str(t.RouteTableId), func(ctx context.Context, r *run) error {
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
		if str(g.GroupName) != "default" {
			d.drop("security-group", str(g.GroupId), g.Tags)
		}
	}
}

func (d *remover) revoke(g wire.SecurityGroup, action string, perms []wire.IpPermission) {
	refs := referring(perms)
	if len(refs) == 0 {
		return
	}
	d.add(Update, "security-group", str(g.GroupName), func(ctx context.Context, r *run) error {
		return r.permissions(ctx, action, str(g.GroupId), refs)
	})
}
