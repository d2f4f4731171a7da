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
)

// tagUserData remembers the user data that an instance was launched with, as a
// digest: EC2 runs it once, so another one means another instance.
const tagUserData = "labsim:user-data"

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:8])
}

// imageName takes Compose's tag off: labsim/linux:latest is labsim/linux.
func imageName(ref string) string { return strings.TrimSuffix(ref, ":latest") }

// keys makes the key pairs that the instances name and the account lacks.
func (d *differ) keys() {
	wanted := map[string]bool{}
	for _, x := range d.lab.Instances {
		if _, ok := d.acc.keys[x.KeyName]; !ok && x.KeyName != "" {
			wanted[x.KeyName] = true
		}
	}
	for _, name := range sortedKeys(wanted) {
		d.add(StepInstances, Create, "key-pair", name, func(ctx context.Context, r *run) error {
			var out wire.KeyPair
			if err := r.do(ctx, "CreateKeyPair", &wire.CreateKeyPairRequest{KeyName: &name, KeyType: ptr("ed25519"),
				TagSpecifications: r.tags("key-pair", name)}, &out); err != nil {
				return err
			}
			return r.opts.SaveKey(name, str(out.KeyMaterial))
		})
	}
}

func (d *differ) volume(v Volume) {
	if is, ok := d.acc.volumes[v.Name]; ok {
		d.changes.known("volume", v.Name, str(is.VolumeId))
		return
	}
	d.add(StepInstances, Create, "volume", v.Name, func(ctx context.Context, r *run) error {
		mount := ""
		for _, x := range d.lab.Instances {
			for _, m := range x.Mounts {
				if m.Volume == v.Name {
					mount = m.Path
				}
			}
		}
		specs := r.tags("volume", v.Name)
		if mount != "" {
			specs[0].Tags = append(specs[0].Tags, wire.Tag{Key: ptr(sim.TagMount), Value: &mount})
		}
		var out wire.Volume
		if err := r.do(ctx, "CreateVolume", &wire.CreateVolumeRequest{AvailabilityZone: ptr(r.zone(v.Zone)), Size: &v.Size,
			VolumeType: &v.Type, TagSpecifications: specs}, &out); err != nil {
			return err
		}
		r.learn("volume", v.Name, str(out.VolumeId))
		return nil
	})
}

func (d *differ) instance(x Instance) {
	is, ok := d.acc.instances[x.Name]
	if !ok {
		d.add(StepInstances, Create, "instance", x.Name, func(ctx context.Context, r *run) error { return r.launch(ctx, x) })
		return
	}
	id := str(is.InstanceId)
	d.changes.known("instance", x.Name, id)
	d.instanceGroups(x, is)
	d.instanceTags(x, is)
	stopped := stateOf(is) == sim.StateStopped || stateOf(is) == sim.StateStopping
	if str(is.InstanceType) != x.Type {
		d.add(StepInstances, Update, "instance", x.Name, func(ctx context.Context, r *run) error { return r.resize(ctx, id, x) })
	} else if stopped {
		d.add(StepInstances, Start, "instance", x.Name, func(ctx context.Context, r *run) error { return r.start(ctx, id) })
	}
}

func (d *differ) instanceGroups(x Instance, is wire.Instance) {
	if len(x.Groups) == 0 {
		return
	}
	want, now := map[string]bool{}, map[string]bool{}
	for _, g := range x.Groups {
		want[str(d.acc.groups[g].GroupId)] = true
	}
	for _, g := range is.SecurityGroups {
		now[str(g.GroupId)] = true
	}
	if maps.Equal(want, now) {
		return
	}
	d.add(StepInstances, Update, "instance", x.Name, func(ctx context.Context, r *run) error {
		return r.do(ctx, "ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: is.InstanceId, Groups: r.groups(x)}, nil)
	})
}

func (d *differ) instanceTags(x Instance, is wire.Instance) {
	missing := map[string]string{}
	for k, v := range x.Tags {
		if tag(is.Tags, k) != v {
			missing[k] = v
		}
	}
	if len(missing) == 0 {
		return
	}
	d.add(StepInstances, Update, "instance", x.Name, func(ctx context.Context, r *run) error {
		return r.do(ctx, "CreateTags", &wire.CreateTagsRequest{Resources: []string{str(is.InstanceId)}, Tags: wireTags(missing)}, nil)
	})
}

func wireTags(tags map[string]string) []wire.Tag {
	var out []wire.Tag
	for _, k := range sortedKeys(tags) {
		out = append(out, wire.Tag{Key: ptr(k), Value: ptr(tags[k])})
	}
	return out
}

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
	tags := maps.Clone(x.Tags)
	tags[tagUserData] = digest(x.UserData)
	in.TagSpecifications[0].Tags = append(in.TagSpecifications[0].Tags, wireTags(tags)...)
	if x.KeyName != "" {
		in.KeyName = &x.KeyName
	}
	if x.UserData != "" {
		in.UserData = ptr(base64.StdEncoding.EncodeToString([]byte(x.UserData)))
	}
	for i, m := range x.Mounts {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, wire.BlockDeviceMapping{DeviceName: ptr(fmt.Sprintf("/dev/sd%c", 'f'+i)),
			Ebs: &wire.EbsBlockDevice{VolumeId: ptr(r.id("volume", m.Volume)), DeleteOnTermination: ptr(false)}})
	}
	var out wire.Reservation
	if err := r.do(ctx, "RunInstances", in, &out); err != nil {
		return err
	}
	r.learn("instance", x.Name, str(out.Instances[0].InstanceId))
	return nil
}

// token makes the launch idempotent: the same lab, name and generation in the
// same subnet is the same instance, however often `up` is cut off and repeated.
func (r *run) token(x Instance) string {
	h := sha256.Sum256([]byte(strings.Join([]string{r.changes.lab.Name, x.Name, r.id("subnet", x.Subnet),
		fmt.Sprint(r.changes.acc.launched[x.Name])}, "\x00")))
	return "labsim-" + hex.EncodeToString(h[:16])
}

func (r *run) start(ctx context.Context, id string) error {
	if err := r.until(ctx, id, sim.StateStopped, sim.StateRunning); err != nil {
		return err
	}
	return r.do(ctx, "StartInstances", &wire.StartInstancesRequest{InstanceIds: []string{id}}, nil)
}

// resize gives an instance another type, for which it has to be stopped.
func (r *run) resize(ctx context.Context, id string, x Instance) error {
	ids := []string{id}
	if err := r.do(ctx, "StopInstances", &wire.StopInstancesRequest{InstanceIds: ids}, nil); err != nil {
		return err
	}
	if err := r.until(ctx, id, sim.StateStopped); err != nil {
		return err
	}
	if err := r.do(ctx, "ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: &id,
		InstanceType: &wire.AttributeValue{Value: &x.Type}}, nil); err != nil {
		return err
	}
	return r.do(ctx, "StartInstances", &wire.StartInstancesRequest{InstanceIds: ids}, nil)
}

// until waits for an instance to reach one of the states.
func (r *run) until(ctx context.Context, id string, states ...sim.InstanceState) error {
	return r.opts.Wait(ctx, func(ctx context.Context) (bool, error) {
		var out wire.DescribeInstancesResult
		if err := r.do(ctx, "DescribeInstances", &wire.DescribeInstancesRequest{InstanceIds: []string{id}}, &out); err != nil {
			return false, err
		}
		for _, res := range out.Reservations {
			for _, i := range res.Instances {
				if slices.Contains(states, stateOf(i)) {
					return true, nil
				}
			}
		}
		return false, nil
	})
}

func (d *differ) deleteInstance(name string) {
	is := d.acc.instances[name]
	delete(d.acc.instances, name)
	d.changes.List = append(d.changes.List, Change{Verb: Delete, Kind: "instance", Name: name, DestroysData: true,
		do: func(ctx context.Context, r *run) error { return r.terminate(ctx, []string{str(is.InstanceId)}) }})
}

// terminate ends instances and waits until they have: what they hold (addresses,
// volumes, groups) is free then.
func (r *run) terminate(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := r.do(ctx, "TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: ids}, nil); err != nil {
		return err
	}
	for _, id := range ids {
		if err := r.until(ctx, id, sim.StateTerminated); err != nil {
			return err
		}
	}
	return nil
}

// delete notes the deletion of a resource that is no instance.
func (d *differ) delete(kind, name, id string) {
	d.changes.List = append(d.changes.List, Change{Verb: Delete, Kind: kind, Name: name, DestroysData: kind == "volume",
		do: func(ctx context.Context, r *run) error { return r.remove(ctx, kind, id) }})
}

func (r *run) remove(ctx context.Context, kind, id string) error {
	var in any
	switch kind {
	case "vpc":
		in = &wire.DeleteVpcRequest{VpcId: &id}
	case "internet-gateway":
		in = &wire.DeleteInternetGatewayRequest{InternetGatewayId: &id}
	case "subnet":
		in = &wire.DeleteSubnetRequest{SubnetId: &id}
	case "route-table":
		in = &wire.DeleteRouteTableRequest{RouteTableId: &id}
	case "security-group":
		in = &wire.DeleteSecurityGroupRequest{GroupId: &id}
	case "volume":
		in = &wire.DeleteVolumeRequest{VolumeId: &id}
	case "key-pair":
		in = &wire.DeleteKeyPairRequest{KeyName: &id}
	default:
		return fmt.Errorf("nothing deletes a %s", kind)
	}
	return r.do(ctx, deleteAction[kind], in, nil)
}

var deleteAction = map[string]string{
	"vpc": "DeleteVpc", "internet-gateway": "DeleteInternetGateway", "subnet": "DeleteSubnet", "route-table": "DeleteRouteTable",
	"security-group": "DeleteSecurityGroup", "volume": "DeleteVolume", "key-pair": "DeleteKeyPair",
}

// byStep orders changes: deletions, then the five steps, each as it was noted.
func byStep(list []Change) {
	slices.SortStableFunc(list, func(a, b Change) int { return cmp.Compare(a.Step, b.Step) })
}
