package lab

import (
	"context"
	"maps"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// Steps of the lab, as the seed numbers them. The fifth, access, is a look at
// packets and not a change.
const (
	StepVPC = iota + 1
	StepSubnets
	StepRoutes
	StepInstances
)

// Verb is what a change does.
type Verb string

const (
	Create Verb = "create"
	Update Verb = "update"
	Start  Verb = "start"
	Delete Verb = "delete"
)

// Change is one difference between a lab file and an account.
type Change struct {
	Step         int // 0: deletions, which come before everything else
	Verb         Verb
	Kind         string // vpc, internet-gateway, subnet, route-table, security-group, key-pair, volume, instance
	Name         string
	DestroysData bool // a disk with data dies
	do           func(context.Context, *run) error
}

// Changes are what makes an account look like the lab.
type Changes struct {
	List []Change
	lab  *Lab
	acc  *account
	ids  map[string]string
}

// DestroysData lists the changes that need the user's word.
func (c *Changes) DestroysData() []Change {
	var out []Change
	for _, x := range c.List {
		if x.DestroysData {
			out = append(out, x)
		}
	}
	return out
}

// Diff compares a lab with what the API describes. What can't be changed in
// place is deleted and made anew, with all that stands on it.
func Diff(ctx context.Context, api API, l *Lab) (*Changes, error) {
	acc, err := observe(ctx, api, l.Name)
	if err != nil {
		return nil, err
	}
	d := &differ{lab: l, acc: acc, changes: &Changes{lab: l, acc: acc}}
	if err := d.run(); err != nil {
		return nil, err
	}
	return d.changes, nil
}

type differ struct {
	lab     *Lab
	acc     *account
	changes *Changes
}

func (d *differ) add(step int, verb Verb, kind, name string, do func(context.Context, *run) error) {
	d.changes.List = append(d.changes.List, Change{Step: step, Verb: verb, Kind: kind, Name: name, do: do})
}

// drop removes from the account what must be deleted, children before parents,
// and notes the deletions. What is left in the account after it is kept.
func (d *differ) drop() {
	a, l := d.acc, d.lab
	keepVPC := func(v wire.Vpc) bool {
		want, ok := l.vpc(tag(v.Tags, sim.TagName))
		return ok && want.CIDR.String() == str(v.CidrBlock)
	}
	vpcID := func(name string) string { return str(a.vpcs[name].VpcId) }
	dropVPC := unwanted(a.vpcs, keepVPC)
	dropSubnet := unwanted(a.subnets, func(s wire.Subnet) bool {
		want, ok := l.subnet(tag(s.Tags, sim.TagName))
		return ok && str(s.VpcId) == vpcID(want.VPC) && !dropVPC[want.VPC] && want.CIDR.String() == str(s.CidrBlock) && lastLetter(str(s.AvailabilityZone)) == want.Zone
	})
	dropGroup := unwanted(a.groups, func(g wire.SecurityGroup) bool {
		want, ok := l.group(tag(g.Tags, sim.TagName))
		return ok && str(g.VpcId) == vpcID(want.VPC) && !dropVPC[want.VPC] && str(g.Description) == want.Description
	})
	dropTable := unwanted(a.tables, func(t wire.RouteTable) bool {
		want, ok := l.routeTable(tag(t.Tags, sim.TagName))
		return ok && str(t.VpcId) == vpcID(want.VPC) && !dropVPC[want.VPC]
	})
	dropGateway := unwanted(a.gateways, func(g wire.InternetGateway) bool {
		want, ok := l.vpc(tag(g.Tags, sim.TagName))
		return ok && want.InternetGateway && !dropVPC[want.Name]
	})
	dropVolume := unwanted(a.volumes, func(v wire.Volume) bool {
		want, ok := l.volume(tag(v.Tags, sim.TagName))
		return ok && lastLetter(str(v.AvailabilityZone)) == want.Zone && val(v.Size) == want.Size
	})
	dropInstance := unwanted(a.instances, func(i wire.Instance) bool {
		want, ok := named(l.Instances, func(x Instance) string { return x.Name }, tag(i.Tags, sim.TagName))
		return ok && d.keepInstance(want, i, dropSubnet, dropVolume)
	})
	for _, name := range slices.Sorted(maps.Keys(dropInstance)) {
		d.deleteInstance(name)
	}
	dropAll(d, "volume", a.volumes, dropVolume, func(x wire.Volume) string { return str(x.VolumeId) })
	for _, name := range slices.Sorted(maps.Keys(dropTable)) {
		d.disassociate(a.tables[name])
	}
	for name, t := range a.tables {
		if !dropTable[name] {
			a.tables[name] = withoutSubnets(t, a.subnets, dropSubnet)
		}
	}
	dropAll(d, "subnet", a.subnets, dropSubnet, func(x wire.Subnet) string { return str(x.SubnetId) })
	dropAll(d, "route-table", a.tables, dropTable, func(x wire.RouteTable) string { return str(x.RouteTableId) })
	d.revokeReferences(dropGroup)
	dropAll(d, "security-group", a.groups, dropGroup, func(x wire.SecurityGroup) string { return str(x.GroupId) })
	for _, name := range slices.Sorted(maps.Keys(dropGateway)) {
		d.detach(a.gateways[name])
	}
	dropAll(d, "internet-gateway", a.gateways, dropGateway, func(x wire.InternetGateway) string { return str(x.InternetGatewayId) })
	dropAll(d, "vpc", a.vpcs, dropVPC, func(x wire.Vpc) string { return str(x.VpcId) })
}

// unwanted returns the names of the rows that keep refuses.
func unwanted[T any](rows map[string]T, keep func(T) bool) map[string]bool {
	out := map[string]bool{}
	for name, x := range rows {
		if !keep(x) {
			out[name] = true
		}
	}
	return out
}

// dropAll notes the deletion of the rows of those names and takes them out of
// the account.
func dropAll[T any](d *differ, kind string, rows map[string]T, names map[string]bool, id func(T) string) {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.delete(kind, name, id(rows[name]))
		delete(rows, name)
	}
}

// keepInstance reports whether what can't be changed in place is as wanted.
func (d *differ) keepInstance(want Instance, is wire.Instance, dropSubnet, dropVolume map[string]bool) bool {
	subnet := d.acc.subnets[want.Subnet]
	if dropSubnet[want.Subnet] || str(is.SubnetId) != str(subnet.SubnetId) || str(is.KeyName) != want.KeyName {
		return false
	}
	if str(is.ImageId) != d.acc.images[imageName(want.Image)] || tag(is.Tags, tagUserData) != digest(want.UserData) {
		return false
	}
	if want.PrivateIP.IsValid() && str(is.PrivateIpAddress) != want.PrivateIP.String() {
		return false
	}
	attached := map[string]bool{}
	for _, b := range is.BlockDeviceMappings {
		if b.Ebs != nil {
			attached[str(b.Ebs.VolumeId)] = true
		}
	}
	for _, m := range want.Mounts {
		if dropVolume[m.Volume] || !attached[str(d.acc.volumes[m.Volume].VolumeId)] {
			return false
		}
	}
	return true
}

func (d *differ) run() error {
	for _, x := range d.lab.Instances {
		if _, ok := d.acc.images[imageName(x.Image)]; !ok {
			near, _ := sim.Nearest(imageName(x.Image), slices.Collect(maps.Keys(d.acc.images)))
			return &sim.Failure{What: sim.T("instance %s: there is no image (AMI) named %q", x.Name, x.Image),
				Next: []sim.Text{sim.T("take one that exists, such as %s", cmpOr(near, "labsim/linux"))}}
		}
	}
	d.drop()
	for _, v := range d.lab.VPCs {
		d.vpc(v)
	}
	for _, s := range d.lab.Subnets {
		d.subnet(s)
	}
	for _, t := range d.lab.RouteTables {
		d.routeTable(t)
	}
	for _, s := range d.lab.Subnets {
		d.association(s)
	}
	for _, g := range d.lab.Groups {
		d.group(g)
	}
	for _, g := range d.lab.Groups {
		d.rules(g)
	}
	for _, v := range d.lab.Volumes {
		d.volume(v)
	}
	d.keys()
	for _, x := range d.lab.Instances {
		d.instance(x)
	}
	return nil
}

func lastLetter(zone string) string {
	if zone == "" {
		return ""
	}
	return zone[len(zone)-1:]
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
