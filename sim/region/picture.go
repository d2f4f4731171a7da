package region

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/graph"
	"labsim/sim/path"
)

// Trace answers whether a packet gets through.
type Trace func(context.Context, path.Query) (path.Verdict, error)

// Picture is the region as it is drawn: what stands, and what reaches what by the
// evaluator's word.
func (r *Region) Picture(ctx context.Context, trace Trace) (graph.Model, error) {
	p := picture{Region: r, living: r.Living(), trace: trace}
	slices.SortFunc(p.living, func(a, b wire.Instance) int {
		return cmp.Or(cmp.Compare(name(a.Tags, a.InstanceId), name(b.Tags, b.InstanceId)), cmp.Compare(*a.InstanceId, *b.InstanceId))
	})
	var m graph.Model
	for _, v := range sortedBy(r.VPCs, func(v wire.Vpc) (string, *string) { return wire.TagValue(v.Tags, sim.TagName), v.VpcId }) {
		m.VPCs = append(m.VPCs, p.vpc(v))
	}
	var err error
	m.Flows, err = p.flows(ctx)
	return m, err
}

type picture struct {
	*Region
	living []wire.Instance
	trace  Trace
}

func (p *picture) vpc(v wire.Vpc) graph.VPC {
	out := graph.VPC{ID: wire.Value(v.VpcId), Name: wire.TagValue(v.Tags, sim.TagName), CIDR: wire.Value(v.CidrBlock)}
	g, _ := p.InternetGatewayOf(out.ID)
	out.Gateway = wire.Value(g.InternetGatewayId)
	for _, s := range sortedBy(p.Subnets, func(s wire.Subnet) (string, *string) { return wire.Value(s.CidrBlock), s.SubnetId }) {
		if wire.Value(s.VpcId) == out.ID {
			out.Subnets = append(out.Subnets, p.subnet(s))
		}
	}
	return out
}

func (p *picture) subnet(s wire.Subnet) graph.Subnet {
	out := graph.Subnet{ID: wire.Value(s.SubnetId), Name: wire.TagValue(s.Tags, sim.TagName), CIDR: wire.Value(s.CidrBlock),
		Zone: wire.Value(s.AvailabilityZone), Public: p.ExitOf(s).Public}
	for _, i := range p.living {
		if wire.Value(i.SubnetId) == out.ID {
			out.Instances = append(out.Instances, p.instance(i))
		}
	}
	return out
}

func (p *picture) instance(i wire.Instance) graph.Instance {
	out := graph.Instance{ID: wire.Value(i.InstanceId), Name: name(i.Tags, i.InstanceId), Type: wire.Value(i.InstanceType), State: string(StateOf(i)),
		PrivateIP: wire.Value(i.PrivateIpAddress), PublicIP: wire.Value(i.PublicIpAddress)}
	of := VolumesOf(i)
	for _, v := range p.Volumes {
		if slices.Contains(of, wire.Value(v.VolumeId)) {
			out.Volumes = append(out.Volumes, graph.Volume{ID: wire.Value(v.VolumeId), Name: wire.TagValue(v.Tags, sim.TagName),
				GiB: wire.Value(v.Size), Mount: wire.TagValue(v.Tags, sim.TagMount)})
		}
	}
	return out
}

// flows asks about everybody and everything that a group of the receiver names.
func (p *picture) flows(ctx context.Context) ([]graph.Flow, error) {
	var out []graph.Flow
	for _, to := range p.living {
		wanted := p.letsIn(to)
		ask := func(from path.Endpoint) error {
			f := graph.Flow{From: string(from.Instance), To: wire.Value(to.InstanceId)}
			for _, t := range wanted {
				q := path.Query{From: from, To: path.Endpoint{Instance: sim.InstanceID(f.To)}, Protocol: t.protocol, Port: t.port}
				v, err := p.trace(ctx, q)
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
		if err := ask(path.Endpoint{Internet: true}); err != nil {
			return nil, err
		}
		for _, from := range p.living {
			if wire.Value(from.InstanceId) == wire.Value(to.InstanceId) || wire.Value(from.VpcId) != wire.Value(to.VpcId) {
				continue
			}
			if err := ask(path.Endpoint{Instance: sim.InstanceID(wire.Value(from.InstanceId))}); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// traffic is something that a security group lets in.
type traffic struct {
	protocol sim.Protocol
	port     int
	label    string
}

// letsIn lists what the groups of an instance let in; of a range of ports the
// first one stands for all.
func (p *picture) letsIn(i wire.Instance) []traffic {
	var out []traffic
	of := GroupsOf(i)
	for _, g := range p.SecurityGroups {
		if !slices.Contains(of, wire.Value(g.GroupId)) {
			continue
		}
		for _, x := range g.IpPermissions {
			out = append(out, trafficOf(x))
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

// name is a resource's Name, or its id.
func name(tags []wire.Tag, id *string) string {
	return cmp.Or(wire.TagValue(tags, sim.TagName), wire.Value(id))
}

// sortedBy sorts rows by a text, and where it is the same by their ids.
func sortedBy[T any](list []T, of func(T) (string, *string)) []T {
	return slices.SortedFunc(slices.Values(list), func(a, b T) int {
		x, xid := of(a)
		y, yid := of(b)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(wire.Value(xid), wire.Value(yid)))
	})
}
