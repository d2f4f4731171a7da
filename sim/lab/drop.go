package lab

import (
	"context"
	"maps"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// drop removes from the account what must be deleted, and notes the deletions:
// what holds something goes before what it holds. What is left in the account
// after it is kept.
func (d *differ) drop(ctx context.Context) error {
	if err := d.dropVPCs(ctx); err != nil {
		return err
	}
	a, l := d.acc, d.lab
	here := func(vpcID *string, vpc string) bool {
		want, ok := a.vpcs[vpc]
		return ok && wire.Value(want.VpcId) == wire.Value(vpcID)
	}
	dropSubnet := unwanted(a.subnets, func(name string, s wire.Subnet) bool {
		want, ok := l.subnet(name)
		return ok && here(s.VpcId, want.VPC) && want.CIDR.String() == wire.Value(s.CidrBlock) && lastLetter(wire.Value(s.AvailabilityZone)) == want.Zone
	})
	dropGroup := unwanted(a.groups, func(name string, g wire.SecurityGroup) bool {
		want, ok := l.group(name)
		return ok && here(g.VpcId, want.VPC) && wire.Value(g.Description) == want.Description
	})
	dropTable := unwanted(a.tables, func(name string, t wire.RouteTable) bool {
		want, ok := l.routeTable(name)
		return ok && here(t.VpcId, want.VPC)
	})
	dropGateway := unwanted(a.gateways, func(name string, _ wire.InternetGateway) bool {
		want, ok := l.vpc(name)
		return ok && want.InternetGateway
	})
	dropVolume := unwanted(a.volumes, func(name string, v wire.Volume) bool {
		want, ok := l.volume(name)
		return ok && lastLetter(wire.Value(v.AvailabilityZone)) == want.Zone && wire.Value(v.Size) == want.Size && wire.Value(v.VolumeType) == want.Type
	})
	dropInstance := unwanted(a.instances, func(name string, i wire.Instance) bool {
		want, ok := l.instance(name)
		return ok && d.keepInstance(want, i, dropSubnet, dropVolume)
	})

	d.awaitDying()
	for _, name := range sortedKeys(dropInstance) {
		d.changes.List = append(d.changes.List, termination(a.instances[name]))
		delete(a.instances, name)
	}
	if err := d.dropStrangers(ctx, dropSubnet); err != nil {
		return err
	}
	dropAll(d, "volume", a.volumes, dropVolume, func(x wire.Volume) string { return wire.Value(x.VolumeId) })
	d.leaveGroups(dropGroup)
	d.revokeReferences(dropGroup)
	dropAll(d, "security-group", a.groups, dropGroup, func(x wire.SecurityGroup) string { return wire.Value(x.GroupId) })
	for _, name := range sortedKeys(dropTable) {
		d.disassociate(a.tables[name])
	}
	dropAll(d, "subnet", a.subnets, dropSubnet, func(x wire.Subnet) string { return wire.Value(x.SubnetId) })
	dropAll(d, "route-table", a.tables, dropTable, func(x wire.RouteTable) string { return wire.Value(x.RouteTableId) })
	for _, name := range sortedKeys(dropGateway) {
		d.detach(a.gateways[name])
	}
	dropAll(d, "internet-gateway", a.gateways, dropGateway, func(x wire.InternetGateway) string { return wire.Value(x.InternetGatewayId) })
	return nil
}

// unwanted returns the names of the rows that keep refuses.
func unwanted[T any](rows map[string]T, keep func(name string, x T) bool) map[string]bool {
	out := map[string]bool{}
	for name, x := range rows {
		if !keep(name, x) {
			out[name] = true
		}
	}
	return out
}

// dropAll notes the deletion of the rows of those names and takes them out of
// the account.
func dropAll[T any](d *differ, kind string, rows map[string]T, names map[string]bool, id func(T) string) {
	for _, name := range sortedKeys(names) {
		of := id(rows[name])
		d.changes.List = append(d.changes.List, Change{Verb: Delete, Kind: kind, Name: name, DestroysData: kind == "volume",
			do: func(ctx context.Context, r *run) error { return r.remove(ctx, kind, of) }})
		delete(rows, name)
	}
}

// dropVPCs takes away the VPCs that the lab no longer has, with everything that
// is in them, and forgets it all.
func (d *differ) dropVPCs(ctx context.Context) error {
	a := d.acc
	drop := unwanted(a.vpcs, func(name string, v wire.Vpc) bool {
		want, ok := d.lab.vpc(name)
		return ok && want.CIDR.String() == wire.Value(v.CidrBlock)
	})
	for _, name := range sortedKeys(drop) {
		id := wire.Value(a.vpcs[name].VpcId)
		r := &remover{api: d.api, lab: d.lab.Name}
		if err := r.vpc(ctx, a.vpcs[name]); err != nil {
			return err
		}
		d.changes.List = append(d.changes.List, r.list...)
		delete(a.vpcs, name)
		for _, attr := range []string{attributeSupport, attributeHostnames} {
			delete(a.attributes, name+" "+attr)
		}
		in := func(vpc *string) bool { return wire.Value(vpc) == id }
		maps.DeleteFunc(a.subnets, func(_ string, x wire.Subnet) bool { return in(x.VpcId) })
		maps.DeleteFunc(a.tables, func(_ string, x wire.RouteTable) bool { return in(x.VpcId) })
		maps.DeleteFunc(a.groups, func(_ string, x wire.SecurityGroup) bool { return in(x.VpcId) })
		maps.DeleteFunc(a.instances, func(_ string, x wire.Instance) bool { return in(x.VpcId) })
		maps.DeleteFunc(a.gateways, func(_ string, x wire.InternetGateway) bool {
			return slices.ContainsFunc(x.Attachments, func(t wire.InternetGatewayAttachment) bool { return in(t.VpcId) })
		})
		a.dying = slices.DeleteFunc(a.dying, func(x wire.Instance) bool { return in(x.VpcId) })
	}
	return nil
}

// keepInstance reports whether what can't be changed in place is as wanted.
func (d *differ) keepInstance(want Instance, is wire.Instance, dropSubnet, dropVolume map[string]bool) bool {
	subnet, stands := d.acc.subnets[want.Subnet]
	switch {
	case !stands || dropSubnet[want.Subnet] || wire.Value(is.SubnetId) != wire.Value(subnet.SubnetId):
	case wire.Value(is.KeyName) != want.KeyName:
	case wire.Value(is.ImageId) != d.acc.images[imageName(want.Image)]:
	case wire.TagValue(is.Tags, tagLaunch) != d.lab.launchDigest(want):
	case want.PrivateIP.IsValid() && wire.Value(is.PrivateIpAddress) != want.PrivateIP.String():
	default:
		return d.sameVolumes(want, is, dropVolume)
	}
	return false
}

// sameVolumes reports whether an instance has, or can be given, exactly those
// volumes of the lab that it is to have, where it is to have them: a guest mounts
// as it starts.
func (d *differ) sameVolumes(want Instance, is wire.Instance, drop map[string]bool) bool {
	for name, v := range d.acc.volumes {
		i := slices.IndexFunc(want.Mounts, func(m Mount) bool { return m.Volume == name })
		if i < 0 && isAttached(is, v) {
			return false
		}
		if i >= 0 && wire.TagValue(v.Tags, sim.TagMount) != want.Mounts[i].Path {
			return false
		}
	}
	free := d.detached(want, is) // can be attached again
	for _, m := range want.Mounts {
		if drop[m.Volume] || !isAttached(is, d.acc.volumes[m.Volume]) && !slices.Contains(free, m.Volume) {
			return false
		}
	}
	return true
}

// awaitDying waits for what an earlier run has terminated: addresses and volumes
// are free only then.
func (d *differ) awaitDying() {
	for _, i := range d.acc.dying {
		c := termination(i)
		c.DestroysData = false // it is done
		d.changes.List = append(d.changes.List, c)
	}
}

func termination(i wire.Instance) Change {
	id := wire.Value(i.InstanceId)
	return Change{Verb: Delete, Kind: "instance", Name: cmpOr(wire.TagValue(i.Tags, sim.TagName), id), DestroysData: true, ends: id,
		do: func(ctx context.Context, r *run) error { return r.terminate(ctx, id) }}
}

// dropStrangers terminates what somebody launched by hand in a subnet that goes.
func (d *differ) dropStrangers(ctx context.Context, subnets map[string]bool) error {
	if len(subnets) == 0 {
		return nil
	}
	var ids []string
	for _, name := range sortedKeys(subnets) {
		ids = append(ids, wire.Value(d.acc.subnets[name].SubnetId))
	}
	var out wire.DescribeInstancesResult
	if err := ask(ctx, d.api, query{"DescribeInstances", &wire.DescribeInstancesRequest{Filters: filter("subnet-id", ids...)}, &out}); err != nil {
		return err
	}
	for _, i := range instancesOf(out) {
		if wire.TagValue(i.Tags, sim.TagLab) != d.lab.Name && stateOf(i) != sim.StateTerminated {
			c := termination(i)
			c.ByHand = true
			d.changes.List = append(d.changes.List, c)
		}
	}
	return nil
}

// leaveGroups takes instances out of groups that go: EC2 deletes no group that
// is in use. One that would be in none is in the VPC's default group meanwhile.
func (d *differ) leaveGroups(drop map[string]bool) {
	gone := map[string]bool{}
	for name := range drop {
		gone[wire.Value(d.acc.groups[name].GroupId)] = true
	}
	for _, name := range sortedKeys(d.acc.instances) {
		i := d.acc.instances[name]
		var stay []string
		for _, g := range i.SecurityGroups {
			if !gone[wire.Value(g.GroupId)] {
				stay = append(stay, wire.Value(g.GroupId))
			}
		}
		if len(stay) == len(i.SecurityGroups) {
			continue
		}
		if len(stay) == 0 {
			stay = []string{d.acc.defaults[wire.Value(i.VpcId)]}
		}
		d.add(0, Update, "instance", name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: i.InstanceId, Groups: stay}, nil)
		})
		i.SecurityGroups = nil // so that instanceGroups sees a difference
		for _, id := range stay {
			i.SecurityGroups = append(i.SecurityGroups, wire.GroupIdentifier{GroupId: &id})
		}
		d.acc.instances[name] = i
	}
}

// detach frees a gateway. EC2 refuses that while public addresses are mapped;
// an instance gives its own back when it stops, and is started again later.
func (d *differ) detach(g wire.InternetGateway) {
	name := wire.TagValue(g.Tags, sim.TagName)
	for _, x := range g.Attachments {
		for _, n := range sortedKeys(d.acc.instances) {
			i := d.acc.instances[n]
			if wire.Value(i.VpcId) != wire.Value(x.VpcId) || wire.Value(i.PublicIpAddress) == "" {
				continue
			}
			d.add(0, Stop, "instance", n, func(ctx context.Context, r *run) error { return r.stop(ctx, wire.Value(i.InstanceId)) })
			i.State = &wire.InstanceState{Name: ptr(string(sim.StateStopped))}
			d.acc.instances[n] = i
		}
		d.add(0, Update, "internet-gateway", name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: g.InternetGatewayId, VpcId: x.VpcId}, nil)
		})
		delete(d.acc.attached, wire.Value(x.VpcId))
	}
}
