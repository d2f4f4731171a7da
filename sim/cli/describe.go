package cli

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/lab"
)

// describe says in one line what stands after a step. It asks the API: it shows
// what is, not what was asked for.
func (u *bringUp) describe(ctx context.Context, step int) (string, error) {
	switch step {
	case lab.StepVPC:
		return u.describeVPCs(ctx)
	case lab.StepSubnets:
		return u.describeSubnets(ctx)
	case lab.StepRoutes:
		return u.describeRoutes(ctx)
	}
	list, err := u.box.instances(ctx, ofLab(u.lab.Name))
	if err != nil {
		return "", err
	}
	at := func(i instance) int { // as the file has them, whichever was started last
		return slices.IndexFunc(u.lab.Instances, func(x lab.Instance) bool { return x.Name == i.Name })
	}
	slices.SortStableFunc(list, func(a, b instance) int { return cmp.Compare(at(a), at(b)) })
	var parts []string
	for _, i := range list {
		s := i.Name + " " + i.Type + " " + i.PrivateIP
		if i.PublicIP != "" {
			s += " / " + i.PublicIP
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " · "), nil
}

func ofLab(name string) []wire.Filter {
	return []wire.Filter{{Name: ptr("tag:" + sim.TagLab), Values: []string{name}}}
}

func (u *bringUp) describeVPCs(ctx context.Context) (string, error) {
	var out wire.DescribeVpcsResult
	if err := u.box.ec2.Do(ctx, "DescribeVpcs", &wire.DescribeVpcsRequest{Filters: ofLab(u.lab.Name)}, &out); err != nil {
		return "", err
	}
	var parts []string
	for _, v := range out.Vpcs {
		parts = append(parts, wire.Value(v.VpcId)+"  "+wire.Value(v.CidrBlock))
	}
	return strings.Join(parts, " · "), nil
}

func (u *bringUp) describeSubnets(ctx context.Context) (string, error) {
	var out wire.DescribeSubnetsResult
	if err := u.box.ec2.Do(ctx, "DescribeSubnets", &wire.DescribeSubnetsRequest{Filters: ofLab(u.lab.Name)}, &out); err != nil {
		return "", err
	}
	var parts []string
	for _, s := range u.lab.Subnets {
		for _, x := range out.Subnets {
			if wire.TagValue(x.Tags, sim.TagName) == s.Name {
				parts = append(parts, u.app.say(subnetName(s.Name))+" "+wire.Value(x.CidrBlock))
			}
		}
	}
	return strings.Join(parts, " · "), nil
}

// subnetName translates the two names that every lab of this kind uses.
func subnetName(name string) sim.Text {
	switch name {
	case "public":
		return sim.T("public")
	case "private":
		return sim.T("private")
	}
	return sim.Cmd("%s", name)
}

func (u *bringUp) describeRoutes(ctx context.Context) (string, error) {
	var gateways wire.DescribeInternetGatewaysResult
	if err := u.box.ec2.Do(ctx, "DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{Filters: ofLab(u.lab.Name)}, &gateways); err != nil {
		return "", err
	}
	var tables wire.DescribeRouteTablesResult
	if err := u.box.ec2.Do(ctx, "DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: ofLab(u.lab.Name)}, &tables); err != nil {
		return "", err
	}
	var parts []string
	for _, g := range gateways.InternetGateways {
		id := wire.Value(g.InternetGatewayId)
		if wire.TagValue(g.Tags, sim.TagInternet) == sim.InternetReal {
			id = u.app.say(sim.T("%s to the real internet", id))
		}
		parts = append(parts, id)
	}
	for _, t := range tables.RouteTables {
		for _, r := range t.Routes {
			if wire.Value(r.GatewayId) != "local" {
				name := u.app.say(subnetName(wire.TagValue(t.Tags, sim.TagName)))
				parts = append(parts, name+": "+wire.Value(r.DestinationCidrBlock)+" -> "+wire.Value(r.GatewayId))
			}
		}
	}
	return strings.Join(parts, "  "), nil
}

// instance is what the commands need of an instance.
type instance struct {
	ID, Name, Lab, State, Reason, Type      string
	PrivateIP, PublicIP, KeyName            string
	VPC, Subnet, ENI, PrivateDNS, PublicDNS string
	Volumes                                 []string
	Groups                                  []string `json:"-"` // ids of its security groups
}

// instances describes instances that are not terminated, the oldest first.
func (b *box) instances(ctx context.Context, filters []wire.Filter) ([]instance, error) {
	var out wire.DescribeInstancesResult
	if err := b.ec2.Do(ctx, "DescribeInstances", &wire.DescribeInstancesRequest{Filters: filters}, &out); err != nil {
		return nil, err
	}
	var all []wire.Instance
	for _, r := range out.Reservations {
		all = append(all, r.Instances...)
	}
	slices.SortStableFunc(all, func(a, b wire.Instance) int { return wire.Value(a.LaunchTime).Compare(wire.Value(b.LaunchTime)) })
	list := []instance{}
	for _, i := range all {
		x := instance{ID: wire.Value(i.InstanceId), Name: wire.TagValue(i.Tags, sim.TagName), Lab: wire.TagValue(i.Tags, sim.TagLab), Type: wire.Value(i.InstanceType),
			PrivateIP: wire.Value(i.PrivateIpAddress), PublicIP: wire.Value(i.PublicIpAddress), KeyName: wire.Value(i.KeyName), VPC: wire.Value(i.VpcId), Subnet: wire.Value(i.SubnetId),
			PrivateDNS: wire.Value(i.PrivateDnsName), PublicDNS: wire.Value(i.PublicDnsName)}
		if len(i.NetworkInterfaces) > 0 {
			x.ENI = wire.Value(i.NetworkInterfaces[0].NetworkInterfaceId)
			for _, g := range i.NetworkInterfaces[0].Groups {
				x.Groups = append(x.Groups, wire.Value(g.GroupId))
			}
		}
		if i.State != nil {
			x.State = wire.Value(i.State.Name)
		}
		if i.StateReason != nil {
			x.Reason = wire.Value(i.StateReason.Message)
		}
		for _, d := range i.BlockDeviceMappings {
			if d.Ebs != nil {
				x.Volumes = append(x.Volumes, wire.Value(d.Ebs.VolumeId))
			}
		}
		if x.Name == "" {
			x.Name = x.ID
		}
		if x.State != string(sim.StateTerminated) {
			list = append(list, x)
		}
	}
	return list, nil
}

// running waits until the instances run.
func (u *bringUp) running(ctx context.Context, ids map[string]string, label string) error {
	waiting := slices.Sorted(maps.Keys(ids))
	return u.box.await(ctx, u.scope, u.lines.note, func(s boxStatus) (bool, error) {
		list, err := u.box.instances(ctx, ofLab(u.lab.Name))
		if err != nil {
			return false, err
		}
		state := map[string]instance{}
		for _, i := range list {
			state[i.ID] = i
		}
		waiting = slices.DeleteFunc(waiting, func(name string) bool { return state[ids[name]].State == string(sim.StateRunning) })
		for _, name := range waiting {
			if i, ok := state[ids[name]]; !ok {
				return false, &sim.Failure{What: sim.T("instance %s ended while it started", name), Next: []sim.Text{sim.Cmd("labsim logs %s", name)}}
			} else if i.State == string(sim.StateStopped) && i.Reason != "" {
				return false, &sim.Failure{What: sim.T("instance %s stopped while it started: %s", name, i.Reason), Next: []sim.Text{sim.Cmd("labsim logs %s", name)}}
			}
		}
		if len(waiting) > 0 {
			if err := s.full(""); err != nil {
				return false, err
			}
			u.lines.update(label, sim.T("%s: waiting for %s", stepTitle(lab.StepInstances), strings.Join(waiting, ", ")))
		}
		return len(waiting) == 0, nil
	})
}

// failed adds what the box knows to an error of a step.
func (a *app) failed(ctx context.Context, b *box, err error) error {
	var f *sim.Failure
	var e *sim.Error
	if errors.As(err, &f) || ctx.Err() != nil || !errors.As(err, &e) || sim.SaysNoSpace(e.Message) {
		return err
	}
	if f := b.fullNow(ctx); f != nil {
		return f
	}
	return &sim.Failure{What: sim.T("the EC2 API refused: %s", e.Error()), Next: []sim.Text{sim.Cmd("labsim status")}}
}

func ptr[T any](x T) *T { return &x }
