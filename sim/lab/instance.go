package lab

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

// tagLaunch remembers, as a digest, what only a launch can set and no call tells
// afterwards: another user data or public address means another instance.
const tagLaunch = "labsim:launch"

func (l *Lab) launchDigest(x Instance) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%t\x00%s", l.Public(x), x.userData()))
	return hex.EncodeToString(h[:8])
}

// Public reports whether an instance is to have a public address of its own.
func (l *Lab) Public(x Instance) bool {
	if x.PublicIP != nil {
		return *x.PublicIP
	}
	s, ok := l.subnet(x.Subnet)
	return ok && s.MapPublicIP
}

// imageName takes Compose's tag off: labsim/linux:latest is labsim/linux.
func imageName(ref string) string { return strings.TrimSuffix(ref, ":latest") }

// keys makes the key pairs that the instances name and the account lacks. One
// whose private half was lost on the way from EC2 is made anew, as long as
// nothing has been launched with it.
func (d *differ) keys() {
	state := map[string]Verb{}
	for _, x := range d.lab.Instances {
		is, ok := d.acc.keys[x.KeyName]
		switch {
		case x.KeyName == "":
		case !ok:
			state[x.KeyName] = Create
		case wire.TagValue(is.Tags, sim.TagLab) == d.lab.Name && !d.keyUsed(x.KeyName) && d.opts.HasKey != nil && !d.opts.HasKey(x.KeyName):
			state[x.KeyName] = Update
		}
	}
	for _, name := range sortedKeys(state) {
		d.add(StepInstances, state[name], "key-pair", name, func(ctx context.Context, r *run) error {
			if state[name] == Update {
				if err := r.take(ctx, region.Delete("key-pair", name, nil)); err != nil {
					return err
				}
			}
			var out wire.KeyPair
			if err := r.do(ctx, "CreateKeyPair", &wire.CreateKeyPairRequest{KeyName: &name, KeyType: ptr("ed25519"),
				TagSpecifications: r.tags("key-pair", name)}, &out); err != nil {
				return err
			}
			return r.opts.SaveKey(name, wire.Value(out.KeyMaterial))
		})
	}
}

func (d *differ) keyUsed(name string) bool {
	for _, i := range d.acc.instances {
		if wire.Value(i.KeyName) == name {
			return true
		}
	}
	return false
}

func (d *differ) volume(v Volume) {
	mount := d.lab.mountOf(v.Name)
	is, ok := d.acc.volumes[v.Name]
	if ok {
		d.changes.known("volume", v.Name, wire.Value(is.VolumeId))
		if wire.TagValue(is.Tags, sim.TagMount) != mount {
			change := map[string]*string{sim.TagMount: &mount}
			if mount == "" {
				change[sim.TagMount] = nil
			}
			d.retag(StepInstances, "volume", v.Name, wire.Value(is.VolumeId), change)
		}
		return
	}
	d.add(StepInstances, Create, "volume", v.Name, func(ctx context.Context, r *run) error {
		specs := r.tags("volume", v.Name)
		if mount != "" {
			specs[0].Tags = append(specs[0].Tags, wire.Tag{Key: ptr(sim.TagMount), Value: &mount})
		}
		var out wire.Volume
		if err := r.do(ctx, "CreateVolume", &wire.CreateVolumeRequest{AvailabilityZone: ptr(r.zone(v.Zone)), Size: &v.Size,
			VolumeType: &v.Type, TagSpecifications: specs}, &out); err != nil {
			return err
		}
		r.learn("volume", v.Name, wire.Value(out.VolumeId))
		return nil
	})
}

// mountOf returns where a guest finds a volume, or "".
func (l *Lab) mountOf(volume string) string {
	for _, x := range l.Instances {
		for _, m := range x.Mounts {
			if m.Volume == volume {
				return m.Path
			}
		}
	}
	return ""
}

// retag sets tags of a resource; nil takes the tag away.
func (d *differ) retag(step int, kind, name, id string, tags map[string]*string) {
	set, gone := []wire.Tag{}, []wire.Tag{}
	for _, k := range sortedKeys(tags) {
		if tags[k] == nil {
			gone = append(gone, wire.Tag{Key: &k})
		} else {
			set = append(set, wire.Tag{Key: &k, Value: tags[k]})
		}
	}
	d.add(step, Update, kind, name, func(ctx context.Context, r *run) error {
		if len(set) > 0 {
			if err := r.do(ctx, "CreateTags", &wire.CreateTagsRequest{Resources: []string{id}, Tags: set}, nil); err != nil {
				return err
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return r.do(ctx, "DeleteTags", &wire.DeleteTagsRequest{Resources: []string{id}, Tags: gone}, nil)
	})
}

func (d *differ) instance(x Instance) {
	is, ok := d.acc.instances[x.Name]
	if !ok {
		d.add(StepInstances, Create, "instance", x.Name, func(ctx context.Context, r *run) error { return r.launch(ctx, x) })
		return
	}
	id := wire.Value(is.InstanceId)
	d.changes.known("instance", x.Name, id)
	d.instanceGroups(x, is)
	d.instanceTags(x, is)
	restart := func(what sim.Text) {
		d.add(StepInstances, Update, "instance", x.Name, func(ctx context.Context, r *run) error { return r.restart(ctx, x, is) })
		d.detail(what)
	}
	switch state := region.StateOf(is); {
	case d.detached(x, is) != nil:
		restart(sim.Cmd("attach-volume %s", strings.Join(d.detached(x, is), ", ")))
	case wire.Value(is.InstanceType) != x.Type:
		restart(sim.Cmd("instance_type %s", x.Type))
	case wire.TagValue(is.Tags, sim.TagHostname) != x.Hostname: // which a guest is born with
		restart(sim.Cmd("hostname %s", cmp.Or(x.Hostname, "-")))
	case state == sim.StateStopped || state == sim.StateStopping:
		d.add(StepInstances, Start, "instance", x.Name, func(ctx context.Context, r *run) error { return r.start(ctx, id) })
		d.detail(sim.Cmd("start"))
	case state == sim.StateRunning && d.lab.Public(x) && wire.Value(is.PublicIpAddress) == "":
		// an Elastic IP address was taken away, and EC2 gives another one at a start only
		restart(sim.T("stop and start, for a public address"))
	}
}

// detached names the volumes that an instance is to have and that nobody has.
func (d *differ) detached(x Instance, is wire.Instance) (names []string) {
	for _, m := range x.Mounts {
		if v, ok := d.acc.volumes[m.Volume]; ok && !isAttached(is, v) && wire.Value(v.State) == string(sim.VolumeAvailable) {
			names = append(names, m.Volume)
		}
	}
	return names
}

func isAttached(i wire.Instance, v wire.Volume) bool {
	return slices.ContainsFunc(i.BlockDeviceMappings, func(b wire.InstanceBlockDeviceMapping) bool {
		return b.Ebs != nil && wire.Value(b.Ebs.VolumeId) == wire.Value(v.VolumeId)
	})
}

// instanceGroups changes the groups of an instance; one that names none is in
// its VPC's default group.
func (d *differ) instanceGroups(x Instance, is wire.Instance) {
	want, now := map[string]bool{}, map[string]bool{}
	for _, g := range x.Groups {
		want[wire.Value(d.acc.groups[g].GroupId)] = true // "": a new one
	}
	if len(x.Groups) == 0 {
		want[d.acc.defaults[wire.Value(is.VpcId)]] = true
	}
	for _, g := range is.SecurityGroups {
		now[wire.Value(g.GroupId)] = true
	}
	if maps.Equal(want, now) {
		return
	}
	d.add(StepInstances, Update, "instance", x.Name, func(ctx context.Context, r *run) error {
		ids := r.groups(x)
		if len(ids) == 0 {
			ids = []string{d.acc.defaults[wire.Value(is.VpcId)]}
		}
		return r.do(ctx, "ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: is.InstanceId, Groups: ids}, nil)
	})
	d.detail(sim.Cmd("security_groups %s", cmp.Or(strings.Join(x.Groups, ", "), "default")))
}

// instanceTags makes the instance's tags the labels of the file. labsim's own
// and AWS's are no labels.
func (d *differ) instanceTags(x Instance, is wire.Instance) {
	change := map[string]*string{}
	for k, v := range x.Tags {
		if !slices.ContainsFunc(is.Tags, func(t wire.Tag) bool { return wire.Value(t.Key) == k && wire.Value(t.Value) == v }) {
			change[k] = &v
		}
	}
	for _, t := range is.Tags {
		if _, ok := x.Tags[wire.Value(t.Key)]; !ok && reservedTag(wire.Value(t.Key)) == "" {
			change[wire.Value(t.Key)] = nil
		}
	}
	if len(change) > 0 {
		d.retag(StepInstances, "instance", x.Name, wire.Value(is.InstanceId), change)
		d.detail(sim.Cmd("labels %s", strings.Join(sortedKeys(change), ", ")))
	}
}

// reservedTag returns what keeps a tag's key from being a label, or "".
func reservedTag(key string) string {
	for _, prefix := range []string{"aws:", "labsim:"} {
		if strings.HasPrefix(strings.ToLower(key), prefix) {
			return prefix
		}
	}
	if key == sim.TagName {
		return key
	}
	return ""
}

func wireTags(tags map[string]string) []wire.Tag {
	var out []wire.Tag
	for _, k := range sortedKeys(tags) {
		out = append(out, wire.Tag{Key: ptr(k), Value: ptr(tags[k])})
	}
	return out
}
