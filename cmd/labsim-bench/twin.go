package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"labsim/sim/ec2/wire"
)

// twin describes a container that is the same as an instance but for what labsim
// adds: the same image, the same PID 1, the same limits; on a bridge, without
// labsim's volume and DNS.
type twin struct {
	b       *bench
	image   string
	host    map[string]any
	network bridge
}

// limits are the parts of an instance's HostConfig that a twin shares.
var limits = []string{"Memory", "MemorySwap", "NanoCpus", "PidsLimit", "Ulimits", "LogConfig", "IpcMode", "CapDrop", "CapAdd",
	"SecurityOpt", "MaskedPaths", "CgroupnsMode", "RestartPolicy"}

// twinOf makes twins of an instance possible.
func (b *bench) twinOf(ctx context.Context, instance string, network bridge) (*twin, error) {
	id, err := b.containerOf(ctx, instance)
	if err != nil {
		return nil, err
	}
	return b.twinOfContainer(ctx, id, network)
}

func (b *bench) twinOfContainer(ctx context.Context, id string, network bridge) (*twin, error) {
	c, err := b.engine.inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	host := map[string]any{"NetworkMode": network.name}
	for _, k := range limits {
		host[k] = c.HostConfig[k]
	}
	return &twin{b: b, image: c.Image, host: host, network: network}, nil
}

// spec is a twin with that address, running entrypoint from a read-only bind of
// file: where an instance finds PID 1 in a read-only volume.
func (t *twin) spec(addr, file, at string, entrypoint ...string) containerSpec {
	host := maps.Clone(t.host)
	host["Binds"] = []string{file + ":" + at + ":ro"}
	return containerSpec{
		Image: t.image, Entrypoint: entrypoint, Labels: t.b.labels(), HostConfig: host,
		NetworkingConfig: map[string]any{"EndpointsConfig": map[string]any{t.network.name: map[string]any{
			"IPAMConfig": map[string]string{"IPv4Address": addr},
		}}},
	}
}

// guest is a twin that runs the same PID 1 as an instance: the name by which
// labsim's binary is called decides what it is.
func (t *twin) guest(addr string) containerSpec {
	return t.spec(addr, t.b.binary, "/init", "/init")
}

// containerOf finds an instance's container.
func (b *bench) containerOf(ctx context.Context, instance string) (string, error) {
	ids, err := b.engine.list(ctx, "labsim.site="+b.site, "labsim.id="+instance)
	if err == nil && len(ids) != 1 {
		err = fmt.Errorf("%d containers of instance %s, want 1", len(ids), instance)
	}
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// launcher knows what RunInstances needs.
type launcher struct {
	b                    *bench
	image, subnet, group string
}

// newLauncher finds the parts of a lab that stands.
func (b *bench) newLauncher(ctx context.Context, lab string) (*launcher, error) {
	var images wire.DescribeImagesResult
	if err := b.ec2.Do(ctx, "DescribeImages", &wire.DescribeImagesRequest{}, &images); err != nil {
		return nil, err
	}
	of := []wire.Filter{{Name: new("tag:labsim:lab"), Values: []string{lab}}}
	var subnets wire.DescribeSubnetsResult
	if err := b.ec2.Do(ctx, "DescribeSubnets", &wire.DescribeSubnetsRequest{Filters: of}, &subnets); err != nil {
		return nil, err
	}
	var groups wire.DescribeSecurityGroupsResult
	if err := b.ec2.Do(ctx, "DescribeSecurityGroups", &wire.DescribeSecurityGroupsRequest{Filters: of}, &groups); err != nil {
		return nil, err
	}
	if len(images.Images) == 0 || len(subnets.Subnets) != 1 || len(groups.SecurityGroups) != 1 {
		return nil, fmt.Errorf("lab %s: %d images, %d subnets, %d security groups", lab, len(images.Images), len(subnets.Subnets), len(groups.SecurityGroups))
	}
	return &launcher{b: b, image: *images.Images[0].ImageId, subnet: *subnets.Subnets[0].SubnetId, group: *groups.SecurityGroups[0].GroupId}, nil
}

// run launches n instances by one call.
func (l *launcher) run(ctx context.Context, n int) ([]wire.Instance, error) {
	var out wire.Reservation
	err := l.b.ec2.Do(ctx, "RunInstances", &wire.RunInstancesRequest{
		ImageId: &l.image, SubnetId: &l.subnet, SecurityGroupIds: []string{l.group},
		InstanceType: new("t3.micro"), MinCount: &n, MaxCount: &n,
	}, &out)
	if err == nil && slices.ContainsFunc(out.Instances, func(i wire.Instance) bool { return i.PublicIpAddress == nil }) {
		err = fmt.Errorf("an instance has no public address")
	}
	return out.Instances, err
}

// terminate ends instances and waits until their containers have gone.
func (l *launcher) terminate(ctx context.Context, list []wire.Instance) error {
	var ids, containers []string
	for _, i := range list {
		c, err := l.b.containerOf(ctx, *i.InstanceId)
		if err != nil {
			return err
		}
		ids, containers = append(ids, *i.InstanceId), append(containers, c)
	}
	if err := l.b.ec2.Do(ctx, "TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: ids}, nil); err != nil {
		return err
	}
	for _, c := range containers {
		if err := l.b.engine.removed(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
