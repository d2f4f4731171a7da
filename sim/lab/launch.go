package lab

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

func (r *run) groups(x Instance) []string {
	var ids []string
	for _, g := range x.Groups {
		ids = append(ids, r.id("security-group", g))
	}
	return ids
}

func (r *run) launch(ctx context.Context, x Instance) error {
	nic := wire.InstanceNetworkInterfaceSpecification{DeviceIndex: ptr(0), SubnetId: ptr(r.id("subnet", x.Subnet)),
		Groups: r.groups(x), AssociatePublicIpAddress: x.PublicIP}
	if x.PrivateIP.IsValid() {
		nic.PrivateIpAddress = ptr(x.PrivateIP.String())
	}
	in := &wire.RunInstancesRequest{ImageId: ptr(r.changes.acc.images[imageName(x.Image)]), InstanceType: &x.Type,
		MinCount: ptr(1), MaxCount: ptr(1), NetworkInterfaces: []wire.InstanceNetworkInterfaceSpecification{nic},
		ClientToken: ptr(r.token(x)), TagSpecifications: r.tags("instance", x.Name)}
	tags := map[string]string{}
	maps.Copy(tags, x.Tags)
	tags[tagLaunch] = r.changes.lab.launchDigest(x)
	if x.Hostname != "" {
		tags[sim.TagHostname] = x.Hostname
	}
	in.TagSpecifications[0].Tags = append(in.TagSpecifications[0].Tags, wireTags(tags)...)
	if x.KeyName != "" {
		in.KeyName = &x.KeyName
	}
	if data := x.userData(); data != "" {
		in.UserData = ptr(base64.StdEncoding.EncodeToString([]byte(data)))
	}
	for i, m := range x.Mounts {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, wire.BlockDeviceMapping{DeviceName: ptr(deviceOf(i)),
			Ebs: &wire.EbsBlockDevice{VolumeId: ptr(r.id("volume", m.Volume)), DeleteOnTermination: ptr(false)}})
	}
	var out wire.Reservation
	if err := r.do(ctx, "RunInstances", in, &out); err != nil {
		return err
	}
	r.learn("instance", x.Name, wire.Value(out.Instances[0].InstanceId))
	return nil
}

// token makes the launch idempotent: the same lab and name in the same subnet,
// with the same predecessors, is the same instance, however often `up` is cut off
// and repeated.
func (r *run) token(x Instance) string {
	before := slices.Sorted(slices.Values(r.changes.acc.launched[x.Name]))
	h := sha256.Sum256([]byte(strings.Join(append([]string{r.changes.lab.Name, x.Name, r.id("subnet", x.Subnet)}, before...), "\x00")))
	return "labsim-" + hex.EncodeToString(h[:16])
}

func (r *run) start(ctx context.Context, id string) error {
	if err := r.until(ctx, id, sim.StateStopped, sim.StateRunning); err != nil {
		return err
	}
	return r.do(ctx, "StartInstances", &wire.StartInstancesRequest{InstanceIds: []string{id}}, nil)
}

func (r *run) stop(ctx context.Context, id string) error {
	if err := r.until(ctx, id, sim.StateStopped, sim.StateRunning); err != nil { // EC2 stops nothing that is pending
		return err
	}
	if err := r.do(ctx, "StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{id}}, nil); err != nil {
		return err
	}
	return r.until(ctx, id, sim.StateStopped)
}

// restart changes what of an instance can be changed only while it is stopped:
// its type, its volumes, the name that its guest gives itself.
func (r *run) restart(ctx context.Context, x Instance, is wire.Instance) error {
	id := wire.Value(is.InstanceId)
	if err := r.stop(ctx, id); err != nil {
		return err
	}
	if wire.Value(is.InstanceType) != x.Type {
		if err := r.do(ctx, "ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: &id,
			InstanceType: &wire.AttributeValue{Value: &x.Type}}, nil); err != nil {
			return err
		}
	}
	if err := r.setHostname(ctx, x, is); err != nil {
		return err
	}
	if err := r.attach(ctx, x, is); err != nil {
		return err
	}
	return r.do(ctx, "StartInstances", &wire.StartInstancesRequest{InstanceIds: []string{id}}, nil)
}

func (r *run) setHostname(ctx context.Context, x Instance, is wire.Instance) error {
	of, tags := []string{wire.Value(is.InstanceId)}, []wire.Tag{{Key: ptr(sim.TagHostname), Value: &x.Hostname}}
	switch {
	case wire.TagValue(is.Tags, sim.TagHostname) == x.Hostname:
		return nil
	case x.Hostname == "":
		tags[0].Value = nil
		return r.do(ctx, "DeleteTags", &wire.DeleteTagsRequest{Resources: of, Tags: tags}, nil)
	}
	return r.do(ctx, "CreateTags", &wire.CreateTagsRequest{Resources: of, Tags: tags}, nil)
}

// attach gives an instance its volumes back, each at the device of its launch.
func (r *run) attach(ctx context.Context, x Instance, is wire.Instance) error {
	for i, m := range x.Mounts {
		v := r.changes.acc.volumes[m.Volume]
		if isAttached(is, v) {
			continue
		}
		if err := r.do(ctx, "AttachVolume", &wire.AttachVolumeRequest{InstanceId: is.InstanceId, VolumeId: v.VolumeId, Device: ptr(deviceOf(i))}, nil); err != nil {
			return err
		}
	}
	return nil
}

// deviceOf names the device of an instance's nth volume.
func deviceOf(n int) string { return fmt.Sprintf("/dev/sd%c", 'f'+n) }

// until waits for an instance to reach one of the states. One that ends instead
// never does.
func (r *run) until(ctx context.Context, id string, states ...sim.InstanceState) error {
	return r.opts.Wait(ctx, func(ctx context.Context) (bool, error) {
		var out wire.DescribeInstancesResult
		if err := r.do(ctx, "DescribeInstances", &wire.DescribeInstancesRequest{InstanceIds: []string{id}}, &out); err != nil {
			return false, err
		}
		for _, i := range instancesOf(out) {
			switch s := region.StateOf(i); {
			case slices.Contains(states, s):
				return true, nil
			case s == sim.StateTerminated:
				return false, &sim.Failure{What: sim.T("instance %s was terminated meanwhile", id)}
			}
		}
		return false, nil
	})
}

// terminate ends an instance and waits until it has: what it holds (address,
// volumes, groups) is free then. All that are to end are told at once, so that
// they end at the same time.
func (r *run) terminate(ctx context.Context, id string) error {
	ids := []string{id}
	if len(r.ending) > 0 {
		ids, r.ending = r.ending, nil
	} else if r.told[id] {
		ids = nil
	}
	var err error
	if len(ids) > 0 {
		err = r.do(ctx, "TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: ids}, nil)
	}
	if sim.ErrorCode(err) == notFound && len(ids) > 1 { // one of them ended long ago
		ids = []string{id}
		err = r.do(ctx, "TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: ids}, nil)
	}
	for _, x := range ids {
		r.told[x] = true
	}
	if err == nil {
		err = r.until(ctx, id, sim.StateTerminated)
	}
	if sim.ErrorCode(err) == notFound {
		return nil
	}
	return err
}

const notFound = "InvalidInstanceID.NotFound"

// byStep orders changes: deletions, then the five steps, each as it was noted.
func byStep(list []Change) {
	slices.SortStableFunc(list, func(a, b Change) int { return cmp.Compare(a.Step, b.Step) })
}
