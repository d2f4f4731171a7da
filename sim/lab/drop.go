package lab

import (
	"context"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

// drop notes what must be deleted, as it is not what the lab says and can't be changed
// in place: what holds something goes before what it holds. d.acc is then what will be
// left, which the rest of the comparison is about.
func (d *differ) drop() {
	d.dropVPCs()
	u := d.unwanted()
	d.awaitDying()
	for _, name := range sortedKeys(u.instances) {
		d.remove(region.Terminate(d.acc.instances[name]))
	}
	d.dropStrangers(u.subnets)
	for _, name := range sortedKeys(u.volumes) {
		d.remove(region.Delete("volume", wire.Value(d.acc.volumes[name].VolumeId), d.acc.volumes[name].Tags))
	}
	d.leaveGroups(u)
	d.revokeReferences(u.groups)
	for _, name := range sortedKeys(u.groups) {
		d.remove(region.Delete("security-group", wire.Value(d.acc.groups[name].GroupId), d.acc.groups[name].Tags))
	}
	for _, name := range sortedKeys(u.tables) {
		d.remove(region.Disassociate(d.acc.tables[name])...)
	}
	for _, name := range sortedKeys(u.subnets) {
		d.remove(region.Delete("subnet", wire.Value(d.acc.subnets[name].SubnetId), d.acc.subnets[name].Tags))
	}
	for _, name := range sortedKeys(u.tables) {
		d.remove(region.Delete("route-table", wire.Value(d.acc.tables[name].RouteTableId), d.acc.tables[name].Tags))
	}
	for _, name := range sortedKeys(u.gateways) {
		d.detach(d.acc.gateways[name])
	}
	for _, name := range sortedKeys(u.gateways) {
		d.remove(region.Delete("internet-gateway", wire.Value(d.acc.gateways[name].InternetGatewayId), d.acc.gateways[name].Tags))
	}
	d.acc = d.viewLeft()
}

// remove notes removals, and what is left then.
func (d *differ) remove(list ...region.Removal) {
	for _, x := range list {
		d.changes.List = append(d.changes.List, removal(x))
	}
	d.left = d.left.Without(list...)
}

// viewLeft is the lab in what is left. What was launched once stays known.
func (d *differ) viewLeft() *account {
	a := view(d.left, d.lab.Name, d.acc.facts)
	a.launched = d.acc.launched
	return a
}

// unwanted are the names of what must go.
type unwanted struct{ subnets, groups, tables, gateways, volumes, instances map[string]bool }

func (d *differ) unwanted() (u unwanted) {
	a, l := d.acc, d.lab
	here := func(vpcID *string, vpc string) bool {
		want, ok := a.vpcs[vpc]
		return ok && wire.Value(want.VpcId) == wire.Value(vpcID)
	}
	u.subnets = refused(a.subnets, func(name string, s wire.Subnet) bool {
		want, ok := l.subnet(name)
		return ok && here(s.VpcId, want.VPC) && want.CIDR.String() == wire.Value(s.CidrBlock) && lastLetter(wire.Value(s.AvailabilityZone)) == want.Zone
	})
	u.groups = refused(a.groups, func(name string, g wire.SecurityGroup) bool {
		want, ok := l.group(name)
		return ok && here(g.VpcId, want.VPC) && wire.Value(g.Description) == want.Description
	})
	u.tables = refused(a.tables, func(name string, t wire.RouteTable) bool {
		want, ok := l.routeTable(name)
		return ok && here(t.VpcId, want.VPC)
	})
	u.gateways = refused(a.gateways, func(name string, _ wire.InternetGateway) bool {
		want, ok := l.vpc(name)
		return ok && want.InternetGateway
	})
	u.volumes = refused(a.volumes, func(name string, v wire.Volume) bool {
		want, ok := l.volume(name)
		return ok && lastLetter(wire.Value(v.AvailabilityZone)) == want.Zone && wire.Value(v.Size) == want.Size && wire.Value(v.VolumeType) == want.Type
	})
	u.instances = refused(a.instances, func(name string, i wire.Instance) bool {
		want, ok := l.instance(name)
		return ok && d.keepInstance(want, i, u.subnets, u.volumes)
	})
	return u
}

// refused returns the names of the rows that keep refuses.
func refused[T any](rows map[string]T, keep func(name string, x T) bool) map[string]bool {
	out := map[string]bool{}
	for name, x := range rows {
		if !keep(name, x) {
			out[name] = true
		}
	}
	return out
}

// dropVPCs takes away the VPCs that the lab no longer has, with everything that
// is in them.
func (d *differ) dropVPCs() {
	drop := refused(d.acc.vpcs, func(name string, v wire.Vpc) bool {
		want, ok := d.lab.vpc(name)
		return ok && want.CIDR.String() == wire.Value(v.CidrBlock)
	})
	for _, name := range sortedKeys(drop) {
		r := &remover{seen: d.left, lab: d.lab.Name}
		r.vpc(d.acc.vpcs[name])
		d.changes.List = append(d.changes.List, r.list...)
		d.left = d.left.Without(d.left.Teardown(d.acc.vpcs[name])...)
	}
	d.acc = d.viewLeft()
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
		c := removal(region.Terminate(i))
		c.DestroysData = false // it is done
		d.changes.List = append(d.changes.List, c)
	}
}

// dropStrangers terminates what somebody launched by hand in a subnet that goes.
func (d *differ) dropStrangers(subnets map[string]bool) {
	going := map[string]bool{}
	for name := range subnets {
		going[wire.Value(d.acc.subnets[name].SubnetId)] = true
	}
	for _, i := range d.left.Instances {
		if going[wire.Value(i.SubnetId)] && wire.TagValue(i.Tags, sim.TagLab) != d.lab.Name && region.StateOf(i) != sim.StateTerminated {
			d.remove(region.Terminate(i))
			d.changes.List[len(d.changes.List)-1].ByHand = true
		}
	}
}

// leaveGroups takes instances that stay out of groups that go: EC2 deletes no group
// that is in use. One that would be in none is in the VPC's default group meanwhile.
func (d *differ) leaveGroups(u unwanted) {
	gone := map[string]bool{}
	for name := range u.groups {
		gone[wire.Value(d.acc.groups[name].GroupId)] = true
	}
	for _, name := range sortedKeys(d.acc.instances) {
		i := d.acc.instances[name]
		groups := region.GroupsOf(i)
		stay := slices.DeleteFunc(slices.Clone(groups), func(id string) bool { return gone[id] })
		if u.instances[name] || len(stay) == len(groups) {
			continue
		}
		if len(stay) == 0 {
			stay = []string{d.acc.defaults[wire.Value(i.VpcId)]}
		}
		d.add(0, Update, "instance", name, func(ctx context.Context, r *run) error {
			return r.do(ctx, "ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: i.InstanceId, Groups: stay}, nil)
		})
		d.left = d.left.Regrouped(wire.Value(i.InstanceId), stay)
	}
}

// revokeReferences revokes the rules by which groups that go are held: their
// own that name other groups, and those of others that name them. EC2 deletes
// no group that is referred to.
func (d *differ) revokeReferences(drop map[string]bool) {
	gone := map[string]bool{}
	for name := range drop {
		gone[wire.Value(d.acc.groups[name].GroupId)] = true
	}
	for _, name := range sortedKeys(d.acc.groups) {
		d.remove(region.Revoke(d.acc.groups[name], func(peer string) bool { return drop[name] || gone[peer] })...)
	}
}

// detach frees a gateway. EC2 refuses that while public addresses are mapped;
// an instance gives its own back when it stops, and is started again later.
func (d *differ) detach(g wire.InternetGateway) {
	for _, x := range g.Attachments {
		left := d.viewLeft()
		for _, n := range sortedKeys(left.instances) {
			i := left.instances[n]
			if wire.Value(i.VpcId) != wire.Value(x.VpcId) || wire.Value(i.PublicIpAddress) == "" {
				continue
			}
			d.add(0, Stop, "instance", n, func(ctx context.Context, r *run) error { return r.stop(ctx, wire.Value(i.InstanceId)) })
			d.left = d.left.Stopped(wire.Value(i.InstanceId))
		}
		d.remove(region.Detach(g, wire.Value(x.VpcId)))
	}
}
