package exercise

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// API makes one call of the EC2 API. ec2.Client is one.
type API interface {
	Do(ctx context.Context, action string, in, out any) error
}

// Facts are the resources of an account, in a stable order.
type Facts struct{ All []*Resource }

func (f *Facts) of(k Kind) []*Resource {
	var out []*Resource
	for _, r := range f.All {
		if r.Kind == k {
			out = append(out, r)
		}
	}
	return out
}

// named lists those of a kind, first what is called like the role: where nothing
// else makes a difference, that one has it.
func (f *Facts) named(k Kind, name string) []*Resource {
	list := f.of(k)
	slices.SortStableFunc(list, func(a, b *Resource) int {
		return cmp.Compare(strconv.FormatBool(b.Name == name), strconv.FormatBool(a.Name == name))
	})
	return list
}

// Observe asks the API for everything that checks look at.
func Observe(ctx context.Context, api API) (*Facts, error) {
	var d description
	for _, q := range []struct {
		action string
		out    any
	}{
		{"DescribeVpcs", &d.vpcs}, {"DescribeSubnets", &d.subnets}, {"DescribeInternetGateways", &d.gateways}, {"DescribeRouteTables", &d.tables},
		{"DescribeSecurityGroups", &d.groups}, {"DescribeInstances", &d.instances}, {"DescribeVolumes", &d.volumes},
		{"DescribeKeyPairs", &d.keys}, {"DescribeAddresses", &d.addresses},
	} {
		if err := api.Do(ctx, q.action, nil, q.out); err != nil {
			return nil, err
		}
	}
	return d.facts(), nil
}

// description is what the API says.
type description struct {
	vpcs      wire.DescribeVpcsResult
	subnets   wire.DescribeSubnetsResult
	gateways  wire.DescribeInternetGatewaysResult
	tables    wire.DescribeRouteTablesResult
	groups    wire.DescribeSecurityGroupsResult
	instances wire.DescribeInstancesResult
	volumes   wire.DescribeVolumesResult
	keys      wire.DescribeKeyPairsResult
	addresses wire.DescribeAddressesResult
	out       Facts
}

func (d *description) add(k Kind, id *string, tags []wire.Tag) *Resource {
	r := &Resource{Kind: k, ID: wire.Value(id), Name: wire.TagValue(tags, sim.TagName), attrs: map[string]attribute{}}
	d.out.All = append(d.out.All, r)
	return r
}

func (d *description) facts() *Facts {
	for _, v := range d.vpcs.Vpcs {
		r := d.add(KindVPC, v.VpcId, v.Tags)
		r.set("cidr", wire.Value(v.CidrBlock))
		r.set("free-cidr", d.freeCIDR(r.ID, wire.Value(v.CidrBlock)))
		r.set("gateway", d.gatewayOf(r.ID))
		for _, g := range d.groups.SecurityGroups {
			if wire.Value(g.VpcId) == r.ID && wire.Value(g.GroupName) == "default" {
				r.set("default-group", wire.Value(g.GroupId))
			}
		}
	}
	for _, s := range d.subnets.Subnets {
		d.subnet(s)
	}
	for _, g := range d.gateways.InternetGateways {
		r := d.add(KindInternetGateway, g.InternetGatewayId, g.Tags)
		for _, a := range g.Attachments {
			r.set("vpc", wire.Value(a.VpcId))
		}
	}
	for _, t := range d.tables.RouteTables {
		r := d.add(KindRouteTable, t.RouteTableId, t.Tags)
		r.set("vpc", wire.Value(t.VpcId))
		r.set("main", strconv.FormatBool(isMain(t)))
		if route, ok := defaultRoute(t); ok {
			r.set("gateway", wire.Value(route.GatewayId))
		}
	}
	for _, g := range d.groups.SecurityGroups {
		r := d.add(KindSecurityGroup, g.GroupId, g.Tags)
		r.Name = wire.Value(g.GroupName)
		r.set("vpc", wire.Value(g.VpcId))
	}
	for _, x := range d.instances.Reservations {
		for _, i := range x.Instances {
			d.instance(i)
		}
	}
	d.rest()
	slices.SortStableFunc(d.out.All, func(a, b *Resource) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return &d.out
}

func (d *description) rest() {
	for _, v := range d.volumes.Volumes {
		r := d.add(KindVolume, v.VolumeId, v.Tags)
		r.set("size", strconv.Itoa(wire.Value(v.Size)))
		r.set("type", wire.Value(v.VolumeType))
		r.set("state", wire.Value(v.State))
		r.set("zone", wire.Value(v.AvailabilityZone))
		for _, a := range v.Attachments {
			r.set("instance", wire.Value(a.InstanceId))
		}
	}
	for _, k := range d.keys.KeyPairs {
		d.add(KindKeyPair, k.KeyName, k.Tags).Name = wire.Value(k.KeyName)
	}
	for _, a := range d.addresses.Addresses {
		r := d.add(KindAddress, a.AllocationId, a.Tags)
		r.set("public-ip", wire.Value(a.PublicIp))
		r.set("instance", wire.Value(a.InstanceId))
	}
}

// instance leaves out those that are gone.
func (d *description) instance(i wire.Instance) {
	state := ""
	if i.State != nil {
		state = wire.Value(i.State.Name)
	}
	if state == string(sim.StateTerminated) || state == string(sim.StateShuttingDown) {
		return
	}
	r := d.add(KindInstance, i.InstanceId, i.Tags)
	r.set("state", state)
	r.set("type", wire.Value(i.InstanceType))
	if t, ok := sim.InstanceTypeNamed(wire.Value(i.InstanceType)); ok {
		r.set("family", string(t.Family))
	}
	r.set("vpc", wire.Value(i.VpcId))
	r.set("subnet", wire.Value(i.SubnetId))
	r.set("private-ip", wire.Value(i.PrivateIpAddress))
	r.set("public-ip", wire.Value(i.PublicIpAddress))
	r.set("key", wire.Value(i.KeyName))
	r.set("image", wire.Value(i.ImageId))
	var groups, volumes []string
	for _, g := range i.SecurityGroups {
		groups = append(groups, wire.Value(g.GroupId))
	}
	for _, m := range i.BlockDeviceMappings {
		if m.Ebs != nil && wire.Value(m.DeviceName) != wire.Value(i.RootDeviceName) {
			volumes = append(volumes, wire.Value(m.Ebs.VolumeId))
		}
	}
	r.set("security-groups", groups...)
	r.set("open-to-all", d.openToAll(groups)...)
	r.set("volumes", volumes...)
}

// openToAll lists what groups let in from everywhere: tcp/22, tcp/0-65535, all.
func (d *description) openToAll(groups []string) (out []string) {
	for _, g := range d.groups.SecurityGroups {
		if !slices.Contains(groups, wire.Value(g.GroupId)) {
			continue
		}
		for _, p := range g.IpPermissions {
			if !slices.ContainsFunc(p.IpRanges, func(r wire.IpRange) bool { return wire.Value(r.CidrIp) == sim.Everywhere.String() }) {
				continue
			}
			switch ports := fmt.Sprintf("%d-%d", wire.Value(p.FromPort), wire.Value(p.ToPort)); {
			case wire.Value(p.IpProtocol) == "-1":
				out = append(out, "all")
			case wire.Value(p.FromPort) == wire.Value(p.ToPort):
				out = append(out, fmt.Sprintf("%s/%d", wire.Value(p.IpProtocol), wire.Value(p.FromPort)))
			default:
				out = append(out, wire.Value(p.IpProtocol)+"/"+ports)
			}
		}
	}
	return out
}

// subnet says also what makes it public or private: the route table that it
// uses, by association or as the VPC's main one.
func (d *description) subnet(s wire.Subnet) {
	r := d.add(KindSubnet, s.SubnetId, s.Tags)
	r.set("cidr", wire.Value(s.CidrBlock))
	r.set("vpc", wire.Value(s.VpcId))
	r.set("zone", wire.Value(s.AvailabilityZone))
	r.set("public-ip-on-launch", strconv.FormatBool(wire.Value(s.MapPublicIpOnLaunch)))
	table, association := d.tableOf(s)
	r.set("route-table", wire.Value(table.RouteTableId))
	r.set("association", association)
	id := wire.Value(table.RouteTableId)
	route, ok := defaultRoute(table)
	gateway := wire.Value(route.GatewayId)
	switch {
	case !ok && association == "":
		r.explain("public", sim.T("it is associated with no route table and uses the main one, %s, which has no route for 0.0.0.0/0", id), "false")
	case !ok:
		r.explain("public", sim.T("its route table %s has no route for 0.0.0.0/0", id), "false")
	case gateway != d.gatewayOf(wire.Value(s.VpcId)) || wire.Value(route.State) == "blackhole":
		r.explain("public", sim.T("the route of %s for 0.0.0.0/0 leads nowhere: %s is not attached to the VPC", id, gateway), "false")
	case association == "":
		r.explain("public", sim.T("it is associated with no route table and uses the main one, %s, which has 0.0.0.0/0 -> %s: it is public", id, gateway), "true")
	default:
		r.explain("public", sim.T("its route table %s has 0.0.0.0/0 -> %s: it is public", id, gateway), "true")
	}
}

func (d *description) gatewayOf(vpc string) string {
	for _, g := range d.gateways.InternetGateways {
		for _, a := range g.Attachments {
			if wire.Value(a.VpcId) == vpc {
				return wire.Value(g.InternetGatewayId)
			}
		}
	}
	return ""
}

func (d *description) tableOf(s wire.Subnet) (table wire.RouteTable, association string) {
	for _, t := range d.tables.RouteTables {
		for _, a := range t.Associations {
			if wire.Value(a.SubnetId) == wire.Value(s.SubnetId) {
				return t, wire.Value(a.RouteTableAssociationId)
			}
		}
		if wire.Value(t.VpcId) == wire.Value(s.VpcId) && isMain(t) {
			table = t
		}
	}
	return table, ""
}

func isMain(t wire.RouteTable) bool {
	return slices.ContainsFunc(t.Associations, func(a wire.RouteTableAssociation) bool { return wire.Value(a.Main) })
}

func defaultRoute(t wire.RouteTable) (wire.Route, bool) {
	i := slices.IndexFunc(t.Routes, func(r wire.Route) bool { return wire.Value(r.DestinationCidrBlock) == sim.Everywhere.String() })
	if i < 0 {
		return wire.Route{}, false
	}
	return t.Routes[i], true
}
