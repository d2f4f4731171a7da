package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func createVolume(c *call, in *wire.CreateVolumeRequest) (*wire.Volume, error) {
	var p parser
	args := world.CreateVolume{Zone: c.zoneOf(in.AvailabilityZone, in.AvailabilityZoneId), Size: value(in.Size), Type: text(in.VolumeType), IOPS: value(in.Iops),
		Throughput: value(in.Throughput), Encrypted: value(in.Encrypted), Tags: p.tags(in.TagSpecifications, "volume"), ClientToken: text(in.ClientToken)}
	if p.err != nil {
		return nil, p.err
	}
	v, err := c.tx.CreateVolume(args)
	if err != nil {
		return nil, err
	}
	out := c.volume(v)
	return &out, nil
}

func deleteVolume(c *call, in *wire.DeleteVolumeRequest) (*nothing, error) {
	return nil, c.tx.DeleteVolume(id[sim.VolumeID](in.VolumeId))
}

func attachVolume(c *call, in *wire.AttachVolumeRequest) (*wire.VolumeAttachment, error) {
	a, err := c.tx.AttachVolume(world.AttachVolume{Volume: id[sim.VolumeID](in.VolumeId), Instance: id[sim.InstanceID](in.InstanceId), Device: text(in.Device)})
	return volumeAttachment(a, "attaching"), err
}

func detachVolume(c *call, in *wire.DetachVolumeRequest) (*wire.VolumeAttachment, error) {
	a, err := c.tx.DetachVolume(world.DetachVolume{Volume: id[sim.VolumeID](in.VolumeId), Instance: id[sim.InstanceID](in.InstanceId),
		Device: text(in.Device), Force: value(in.Force)})
	return volumeAttachment(a, "detaching"), err
}

var volumes = resource[sim.VolumeID, sim.Volume]{
	table: func(s *world.State) *world.Table[sim.VolumeID, sim.Volume] { return s.Volumes },
	filters: filters[sim.Volume]{
		"attachment.attach-time":           volumeAttachments(func(a world.VolumeAttachment) []string { return moment(a.AttachTime) }),
		"attachment.delete-on-termination": volumeAttachments(func(a world.VolumeAttachment) []string { return yesNo(a.DeleteOnTermination) }),
		"attachment.device":                volumeAttachments(func(a world.VolumeAttachment) []string { return str(a.Device) }),
		"attachment.instance-id":           volumeAttachments(func(a world.VolumeAttachment) []string { return str(a.Instance) }),
		"attachment.status":                volumeAttachments(func(world.VolumeAttachment) []string { return []string{"attached"} }),
		"availability-zone":                func(_ *call, v sim.Volume) []string { return str(v.Zone) },
		"create-time":                      func(_ *call, v sim.Volume) []string { return moment(v.CreateTime) },
		"encrypted":                        func(_ *call, v sim.Volume) []string { return yesNo(v.Encrypted) },
		"fast-restored":                    func(*call, sim.Volume) []string { return yesNo(false) },
		"multi-attach-enabled":             func(*call, sim.Volume) []string { return yesNo(false) },
		"size":                             func(_ *call, v sim.Volume) []string { return number(v.Size) },
		"snapshot-id":                      never[sim.Volume],
		"status":                           func(c *call, v sim.Volume) []string { return str(c.VolumeState(v)) },
		"volume-id":                        func(_ *call, v sim.Volume) []string { return str(v.ID) },
		"volume-type":                      func(_ *call, v sim.Volume) []string { return str(v.Type) },
	},
}

func volumeAttachments(f func(world.VolumeAttachment) []string) func(*call, sim.Volume) []string {
	return func(c *call, v sim.Volume) []string {
		i, d, ok := c.AttachmentOf(v.ID)
		if !ok {
			return nil
		}
		return f(world.VolumeAttachment{Instance: i.ID, BlockDevice: d})
	}
}

func describeVolumes(c *call, in *wire.DescribeVolumesRequest) (*wire.DescribeVolumesResult, error) {
	rows, next, err := volumes.find(c, query{in.VolumeIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeVolumesResult{Volumes: convert(rows, c.volume), NextToken: next}, err
}

func (c *call) volume(v sim.Volume) wire.Volume {
	out := wire.Volume{VolumeId: new(string(v.ID)), AvailabilityZone: new(string(v.Zone)), AvailabilityZoneId: new(zoneID(v.Zone)), Size: new(v.Size), VolumeType: new(v.Type),
		State: new(string(c.VolumeState(v))), Encrypted: new(v.Encrypted), CreateTime: optionalTime(v.CreateTime), SnapshotId: new(""),
		MultiAttachEnabled: new(false), Attachments: []wire.VolumeAttachment{}, Tags: some(tagSet(v.Tags))}
	if v.IOPS > 0 {
		out.Iops = new(v.IOPS)
	}
	if v.Throughput > 0 {
		out.Throughput = new(v.Throughput)
	}
	if i, d, ok := c.AttachmentOf(v.ID); ok {
		out.Attachments = append(out.Attachments, *volumeAttachment(world.VolumeAttachment{Instance: i.ID, BlockDevice: d}, "attached"))
	}
	return out
}

func volumeAttachment(a world.VolumeAttachment, state string) *wire.VolumeAttachment {
	return &wire.VolumeAttachment{VolumeId: new(string(a.Volume)), InstanceId: new(string(a.Instance)), Device: new(a.Device), State: &state,
		AttachTime: optionalTime(a.AttachTime), DeleteOnTermination: new(a.DeleteOnTermination)}
}
