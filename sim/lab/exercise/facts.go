package exercise

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

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
func Observe(ctx context.Context, api region.API) (*Facts, error) {
	r, err := region.Observe(ctx, api)
	if err != nil {
		return nil, err
	}
	d := description{Region: r}
	return d.facts(), nil
}

// description turns what stands into facts.
type description struct {
	*region.Region
	out Facts
}

func (d *description) add(k Kind, id *string, tags []wire.Tag) *Resource {
	r := &Resource{Kind: k, ID: wire.Value(id), Name: wire.TagValue(tags, sim.TagName), attrs: map[string]attribute{}}
	d.out.All = append(d.out.All, r)
	return r
}

func (d *description) facts() *Facts {
	for _, v := range d.VPCs {
		r := d.add(KindVPC, v.VpcId, v.Tags)
		r.set("cidr", wire.Value(v.CidrBlock))
		r.set("free-cidr", d.freeCIDR(r.ID, wire.Value(v.CidrBlock)))
		gateway, _ := d.InternetGatewayOf(r.ID)
		r.set("gateway", wire.Value(gateway.InternetGatewayId))
		r.set("default-group", d.DefaultGroupOf(r.ID))
	}
	for _, s := range d.Subnets {
		d.subnet(s)
	}
	for _, g := range d.InternetGateways {
		r := d.add(KindInternetGateway, g.InternetGatewayId, g.Tags)
		for _, a := range g.Attachments {
			r.set("vpc", wire.Value(a.VpcId))
		}
	}
	for _, t := range d.RouteTables {
		r := d.add(KindRouteTable, t.RouteTableId, t.Tags)
		r.set("vpc", wire.Value(t.VpcId))
		r.set("main", strconv.FormatBool(region.IsMain(t)))
		if route, ok := region.DefaultRoute(t); ok {
			r.set("gateway", wire.Value(route.GatewayId))
		}
	}
	for _, g := range d.SecurityGroups {
		r := d.add(KindSecurityGroup, g.GroupId, g.Tags)
		r.Name = wire.Value(g.GroupName)
		r.set("vpc", wire.Value(g.VpcId))
	}
	for _, i := range d.Living() {
		d.instance(i)
	}
	d.rest()
	slices.SortStableFunc(d.out.All, func(a, b *Resource) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return &d.out
}

func (d *description) rest() {
	for _, v := range d.Volumes {
		r := d.add(KindVolume, v.VolumeId, v.Tags)
		r.set("size", strconv.Itoa(wire.Value(v.Size)))
		r.set("type", wire.Value(v.VolumeType))
		r.set("state", wire.Value(v.State))
		r.set("zone", wire.Value(v.AvailabilityZone))
		for _, a := range v.Attachments {
			r.set("instance", wire.Value(a.InstanceId))
		}
	}
	for _, k := range d.KeyPairs {
		d.add(KindKeyPair, k.KeyName, k.Tags).Name = wire.Value(k.KeyName)
	}
	for _, a := range d.Addresses {
		r := d.add(KindAddress, a.AllocationId, a.Tags)
		r.set("public-ip", wire.Value(a.PublicIp))
		r.set("instance", wire.Value(a.InstanceId))
	}
}

func (d *description) instance(i wire.Instance) {
	r := d.add(KindInstance, i.InstanceId, i.Tags)
	r.set("state", string(region.StateOf(i)))
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
	r.set("security-groups", region.GroupsOf(i)...)
	r.set("open-to-all", d.openToAll(region.GroupsOf(i))...)
	r.set("volumes", region.VolumesOf(i)...)
}

// openToAll lists what groups let in from everywhere: tcp/22, tcp/0-65535, all.
func (d *description) openToAll(groups []string) (out []string) {
	for _, g := range d.SecurityGroups {
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
	exit := d.ExitOf(s)
	r.set("route-table", exit.Table)
	r.set("association", exit.Association)
	switch {
	case exit.Target == "" && exit.Association == "":
		r.explain("public", sim.T("it is associated with no route table and uses the main one, %s, which has no route for 0.0.0.0/0", exit.Table), "false")
	case exit.Target == "":
		r.explain("public", sim.T("its route table %s has no route for 0.0.0.0/0", exit.Table), "false")
	case !strings.HasPrefix(exit.Target, sim.PrefixInternetGateway+"-"):
		r.explain("public", sim.T("the route of %s for 0.0.0.0/0 leads to %s, which is no internet gateway", exit.Table, exit.Target), "false")
	case !exit.Public:
		r.explain("public", sim.T("the route of %s for 0.0.0.0/0 leads nowhere: %s is not attached to the VPC", exit.Table, exit.Target), "false")
	case exit.Association == "":
		r.explain("public", sim.T("it is associated with no route table and uses the main one, %s, which has 0.0.0.0/0 -> %s: it is public", exit.Table, exit.Target), "true")
	default:
		r.explain("public", sim.T("its route table %s has 0.0.0.0/0 -> %s: it is public", exit.Table, exit.Target), "true")
	}
}
