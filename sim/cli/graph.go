package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/graph"
	"labsim/sim/path"
)

func (a *app) graphCommand() *cobra.Command {
	var svg bool
	c := &cobra.Command{
		Use: "graph", Short: a.say(sim.T("draw what stands, and what can reach what")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			b, err := a.find(c.Context())
			if err != nil {
				return err
			}
			m, err := b.model(c.Context())
			if err != nil {
				return err
			}
			switch {
			case a.json:
				return a.printJSON(m)
			case svg:
				_, err = fmt.Fprint(a.out, graph.SVG(m, a.say))
			default:
				_, err = fmt.Fprint(a.out, graph.Text(m, a.say))
			}
			return err
		},
	}
	c.Flags().BoolVar(&svg, "svg", false, a.say(sim.T("as a picture: labsim graph --svg >lab.svg")))
	return c
}

// model is the picture of the region: what stands by the API, and what reaches
// what by the evaluator.
func (b *box) model(ctx context.Context) (graph.Model, error) {
	about, err := b.version(ctx)
	if err != nil {
		return graph.Model{}, err
	}
	d := &described{box: b}
	if err := d.ask(ctx); err != nil {
		return graph.Model{}, err
	}
	m := graph.Model{Internet: about.PublicCIDR, Simulated: b.simulated}
	for _, v := range d.vpcs {
		m.VPCs = append(m.VPCs, d.vpc(v))
	}
	m.Flows, err = d.flows(ctx)
	return m, err
}

// described is the API's account of a region.
type described struct {
	box       *box
	vpcs      []wire.Vpc
	subnets   []wire.Subnet
	tables    []wire.RouteTable
	gateways  []wire.InternetGateway
	volumes   []wire.Volume
	groups    []wire.SecurityGroup
	instances []instance
}

func (d *described) ask(ctx context.Context) (err error) {
	var vpcs wire.DescribeVpcsResult
	var subnets wire.DescribeSubnetsResult
	var tables wire.DescribeRouteTablesResult
	var gateways wire.DescribeInternetGatewaysResult
	var volumes wire.DescribeVolumesResult
	var groups wire.DescribeSecurityGroupsResult
	for _, q := range []struct {
		op  string
		out any
	}{{"DescribeVpcs", &vpcs}, {"DescribeSubnets", &subnets}, {"DescribeRouteTables", &tables}, {"DescribeInternetGateways", &gateways},
		{"DescribeVolumes", &volumes}, {"DescribeSecurityGroups", &groups}} {
		if err := d.box.ec2.Do(ctx, q.op, nil, q.out); err != nil {
			return err
		}
	}
	d.vpcs, d.subnets, d.tables, d.gateways, d.volumes, d.groups = vpcs.Vpcs, subnets.Subnets, tables.RouteTables, gateways.InternetGateways, volumes.Volumes, groups.SecurityGroups
	slices.SortFunc(d.vpcs, func(a, b wire.Vpc) int {
		return cmp.Or(cmp.Compare(wire.TagValue(a.Tags, sim.TagName), wire.TagValue(b.Tags, sim.TagName)), cmp.Compare(wire.Value(a.VpcId), wire.Value(b.VpcId)))
	})
	slices.SortFunc(d.subnets, func(a, b wire.Subnet) int {
		return cmp.Or(cmp.Compare(wire.Value(a.CidrBlock), wire.Value(b.CidrBlock)), cmp.Compare(wire.Value(a.SubnetId), wire.Value(b.SubnetId)))
	})
	d.instances, err = d.box.instances(ctx, nil)
	slices.SortFunc(d.instances, func(a, b instance) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return err
}

func (d *described) vpc(v wire.Vpc) graph.VPC {
	out := graph.VPC{ID: wire.Value(v.VpcId), Name: wire.TagValue(v.Tags, sim.TagName), CIDR: wire.Value(v.CidrBlock)}
	for _, g := range d.gateways {
		if slices.ContainsFunc(g.Attachments, func(x wire.InternetGatewayAttachment) bool { return wire.Value(x.VpcId) == out.ID }) {
			out.Gateway = wire.Value(g.InternetGatewayId)
		}
	}
	for _, s := range d.subnets {
		if wire.Value(s.VpcId) == out.ID {
			out.Subnets = append(out.Subnets, d.subnet(s, out.Gateway))
		}
	}
	return out
}

// subnet is public where a route of its table, or of the VPC's main one, leads to
// the gateway.
func (d *described) subnet(s wire.Subnet, gateway string) graph.Subnet {
	out := graph.Subnet{ID: wire.Value(s.SubnetId), Name: wire.TagValue(s.Tags, sim.TagName), CIDR: wire.Value(s.CidrBlock), Zone: wire.Value(s.AvailabilityZone)}
	out.Public = gateway != "" && slices.ContainsFunc(d.tableOf(s).Routes, func(r wire.Route) bool { return wire.Value(r.GatewayId) == gateway })
	for _, i := range d.instances {
		if i.Subnet != out.ID {
			continue
		}
		x := graph.Instance{ID: i.ID, Name: i.Name, Type: i.Type, State: i.State, PrivateIP: i.PrivateIP, PublicIP: i.PublicIP}
		for _, v := range d.volumes {
			if slices.Contains(i.Volumes, wire.Value(v.VolumeId)) {
				x.Volumes = append(x.Volumes, graph.Volume{ID: wire.Value(v.VolumeId), Name: wire.TagValue(v.Tags, sim.TagName), GiB: wire.Value(v.Size), Mount: wire.TagValue(v.Tags, sim.TagMount)})
			}
		}
		out.Instances = append(out.Instances, x)
	}
	return out
}

func (d *described) tableOf(s wire.Subnet) wire.RouteTable {
	var main wire.RouteTable
	for _, t := range d.tables {
		for _, x := range t.Associations {
			if wire.Value(x.SubnetId) == wire.Value(s.SubnetId) {
				return t
			}
			if wire.Value(x.Main) && wire.Value(t.VpcId) == wire.Value(s.VpcId) {
				main = t
			}
		}
	}
	return main
}

// traffic is something that a security group lets in.
type traffic struct {
	protocol sim.Protocol
	port     int
	label    string
}

// flows asks the evaluator about everybody and everything that a group of the
// receiver names.
func (d *described) flows(ctx context.Context) ([]graph.Flow, error) {
	var out []graph.Flow
	for _, to := range d.instances {
		wanted := d.traffic(to)
		ask := func(from path.Endpoint, id string) error {
			f := graph.Flow{From: id, To: to.ID}
			for _, t := range wanted {
				q := path.Query{From: from, To: path.Endpoint{Instance: sim.InstanceID(to.ID)}, Protocol: t.protocol, Port: t.port}
				v, err := d.box.trace(ctx, q)
				if err != nil {
					return err
				}
				if v.Allowed {
					f.Ports = append(f.Ports, t.label)
				}
			}
			if len(f.Ports) > 0 {
				out = append(out, f)
			}
			return nil
		}
		if err := ask(path.Endpoint{Internet: true}, ""); err != nil {
			return nil, err
		}
		for _, from := range d.instances {
			if from.ID == to.ID || from.VPC != to.VPC {
				continue
			}
			if err := ask(path.Endpoint{Instance: sim.InstanceID(from.ID)}, from.ID); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// traffic lists what the groups of an instance let in; of a range of ports the
// first one stands for all.
func (d *described) traffic(i instance) []traffic {
	var out []traffic
	for _, g := range d.groups {
		if !slices.Contains(i.Groups, wire.Value(g.GroupId)) {
			continue
		}
		for _, p := range g.IpPermissions {
			out = append(out, trafficOf(p))
		}
	}
	slices.SortFunc(out, func(a, b traffic) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port), cmp.Compare(a.label, b.label))
	})
	return slices.Compact(out)
}

func trafficOf(p wire.IpPermission) traffic {
	from, to := wire.Value(p.FromPort), wire.Value(p.ToPort)
	ports := strconv.Itoa(from)
	if to != from {
		ports += "-" + strconv.Itoa(to)
	}
	switch name := wire.Value(p.IpProtocol); name {
	case "tcp":
		return traffic{sim.ProtocolTCP, max(1, from), ports}
	case "udp":
		return traffic{sim.ProtocolUDP, max(1, from), "udp/" + ports}
	case "icmp":
		return traffic{sim.ProtocolICMP, 0, "icmp"}
	case "-1":
		return traffic{sim.ProtocolTCP, 1, "*"}
	default:
		n, _ := strconv.ParseUint(name, 10, 8)
		return traffic{sim.Protocol(n), 0, "ip/" + name}
	}
}
