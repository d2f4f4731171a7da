package world

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
)

func TestRunInstances(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	web := r.group(v, "web")
	k := do(r, func(tx *Tx) (sim.KeyPair, error) {
		return tx.CreateKeyPair(CreateKeyPair{Name: "lab", Type: "ed25519", PublicKey: "ssh-ed25519 AAAA", Fingerprint: "f"})
	})
	ami := r.ami()
	res := do(r, func(tx *Tx) (Reservation, error) {
		return tx.RunInstances(RunInstances{Image: ami, Type: "t3.small", MinCount: 2, MaxCount: 2, KeyName: "lab", Subnet: n.ID,
			SecurityGroups: []sim.SecurityGroupID{web.ID}, AssociatePublicIP: ptr(true), UserData: []byte("#!/bin/sh"),
			BlockDevices: []BlockDeviceMapping{{Device: "/dev/sdf", Size: 2, Type: "gp3"}},
			Tags:         sim.Tags{{Key: "Name", Value: "web"}}, VolumeTags: sim.Tags{{Key: "Name", Value: "data"}}, ENITags: sim.Tags{{Key: "Name", Value: "eth"}}})
	})
	r.run(drop(func(tx *Tx) (sim.KeyPairID, error) { return tx.DeleteKeyPair(DeleteKeyPair{ID: k.ID}) }))
	if len(res.Instances) != 2 {
		t.Fatalf("%d instances, want 2", len(res.Instances))
	}
	for n1, i := range res.Instances {
		e := r.eni(i.ID)
		vol := r.View().Volumes.Row(i.BlockDevices[0].Volume)
		got := fmt.Sprintln(i.LaunchIndex, i.Reservation == res.ID, i.Status.State, i.Desired, i.Boot, i.Type, i.Zone, i.ShutdownAction, i.Tags,
			"|", e.PrivateIP, e.PublicIP, e.SecurityGroups, e.Tags, e.Attachment.DeleteOnTermination,
			"|", i.BlockDevices[0].Device, i.BlockDevices[0].DeleteOnTermination, vol.Size, vol.Type, vol.IOPS, vol.Throughput, vol.Zone, vol.Tags,
			"|", r.instance(i.ID).PublicKey)
		want := fmt.Sprintf("%d true pending running 1 t3.small us-east-1a stop [{Name web}] | 10.0.1.%d 198.51.100.%d [%s] [{Name eth}] true"+
			" | /dev/sdf true 2 gp3 3000 125 us-east-1a [{Name data}] | ssh-ed25519 AAAA", n1, 4+n1, 20+n1, web.ID)
		if diff := cmp.Diff(strings.Fields(want), strings.Fields(got)); diff != "" {
			t.Errorf("instance %d (-want +got):\n%s", n1, diff)
		}
	}
}

func TestRunInstancesRefuses(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/28")
	far := r.group(r.vpc("10.1.0.0/16"), "far")
	i := r.running(n, nil)
	e := r.eni(i.ID)
	groups := make([]sim.SecurityGroupID, 6)
	for n := range groups {
		groups[n] = r.group(v, fmt.Sprint("g", n)).ID
	}
	disk := func(device string) func(*RunInstances) {
		return func(in *RunInstances) { in.BlockDevices = []BlockDeviceMapping{{Device: device, Size: 1}} }
	}
	for name, c := range map[string]struct {
		change     func(*RunInstances)
		code, text string
	}{
		"no image":        {func(in *RunInstances) { in.Image = "" }, "MissingParameter", "ImageId"},
		"unknown image":   {func(in *RunInstances) { in.Image = "ami-0123456789abcdef0" }, "InvalidAMIID.NotFound", "The image id '[ami-0123456789abcdef0]' does not exist"},
		"malformed image": {func(in *RunInstances) { in.Image = "ubuntu" }, "InvalidAMIID.Malformed", `Invalid id: "ubuntu" (expecting "ami-...")`},
		"unknown type":    {func(in *RunInstances) { in.Type = "t9.huge" }, "InvalidParameterValue", "Invalid value 't9.huge' for InstanceType."},
		"unknown key":     {func(in *RunInstances) { in.KeyName = "lost" }, "InvalidKeyPair.NotFound", "The key pair 'lost' does not exist"},
		"no subnet":       {func(in *RunInstances) { in.Subnet = "" }, "VPCIdNotSpecified", "No default VPC for this user"},
		"unknown subnet":  {func(in *RunInstances) { in.Subnet = "subnet-none" }, "InvalidSubnetID.NotFound", ""},
		"other zone":      {func(in *RunInstances) { in.Zone = "us-east-1b" }, "InvalidParameterValue", "us-east-1b"},
		"counts":          {func(in *RunInstances) { in.MinCount, in.MaxCount = 3, 2 }, "InvalidParameterValue", "minCount"},
		"zero":            {func(in *RunInstances) { in.MinCount = 0 }, "InvalidParameterValue", "minCount"},
		"user data":       {func(in *RunInstances) { in.UserData = make([]byte, 16*1024+1) }, "InvalidParameterValue", "User data is limited to 16384 bytes"},
		"other VPC":       {func(in *RunInstances) { in.SecurityGroups = []sim.SecurityGroupID{far.ID} }, "InvalidParameter", "belong to different networks"},
		"six groups":      {func(in *RunInstances) { in.SecurityGroups = groups }, "SecurityGroupsPerInterfaceLimitExceeded", ""},
		"group by name":   {func(in *RunInstances) { in.SecurityGroupNames = []string{"web"} }, "InvalidParameterCombination", "groupName"},
		"address taken":   {func(in *RunInstances) { in.PrivateIP = e.PrivateIP }, "InvalidIPAddress.InUse", "Address 10.0.1.4 is in use."},
		"address of two":  {func(in *RunInstances) { in.PrivateIP, in.MaxCount = addr("10.0.1.9"), 2 }, "InvalidParameterCombination", ""},
		"interface taken": {func(in *RunInstances) { in.Subnet, in.ENI = "", e.ID }, "InvalidNetworkInterface.InUse", "Interface: [" + string(e.ID) + "] in use."},
		"interface and":   {func(in *RunInstances) { in.ENI = e.ID }, "InvalidParameterCombination", "subnet"},
		"too many":        {func(in *RunInstances) { in.MinCount, in.MaxCount = 11, 20 }, "InsufficientFreeAddressesInSubnet", ""},
		"shutdown":        {func(in *RunInstances) { in.ShutdownAction = "explode" }, "InvalidParameterValue", "explode"},
		"hops":            {func(in *RunInstances) { in.MetadataOptions.HopLimit = 65 }, "InvalidParameterValue", "65"},
		"root device":     {disk("/dev/xvda"), "UnsupportedOperation", "root device"},
		"device":          {disk("/dev/nvme1"), "InvalidParameterValue", "not a valid EBS device name"},
		"device twice": {func(in *RunInstances) {
			in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf", Size: 1}, {Device: "/dev/xvdf", Size: 1}}
		}, "InvalidBlockDeviceMapping", "/dev/xvdf"},
		"disk without size": {func(in *RunInstances) { in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf"}} }, "MissingParameter", "size"},
		"bad tag":           {func(in *RunInstances) { in.Tags = sim.Tags{{Key: "aws:x"}} }, "InvalidParameterValue", "reserved"},
		"bad volume tag": {func(in *RunInstances) {
			disk("/dev/sdf")(in)
			in.VolumeTags = sim.Tags{{Key: ""}}
		}, "InvalidParameterValue", "empty"},
		"long token": {func(in *RunInstances) { in.ClientToken = strings.Repeat("t", 65) }, "InvalidParameterValue", "clientToken"},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			in := RunInstances{Image: i.Image, MinCount: 1, MaxCount: 1, Subnet: n.ID}
			c.change(&in)
			r.refused(c.code, c.text, drop(func(tx *Tx) (Reservation, error) { return tx.RunInstances(in) }))
		})
	}
}

// Between MinCount and MaxCount EC2 launches what there is room for.
func TestRunInstancesTakesWhatFits(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/28")
	ami := r.ami()
	res := do(r, func(tx *Tx) (Reservation, error) {
		return tx.RunInstances(RunInstances{Image: ami, MinCount: 1, MaxCount: 20, Subnet: n.ID})
	})
	if len(res.Instances) != 11 {
		t.Errorf("%d instances in a /28, want 11", len(res.Instances))
	}
}

func TestLaunchWithAnInterface(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	e := do(r, func(tx *Tx) (sim.ENI, error) {
		return tx.CreateNetworkInterface(CreateNetworkInterface{Subnet: n.ID, PrivateIP: addr("10.0.1.77")})
	})
	i := r.running(n, func(in *RunInstances) { in.Subnet, in.ENI = "", e.ID })
	if got := r.eni(i.ID); got.ID != e.ID || i.Subnet != n.ID {
		t.Errorf("the instance has %s in %s, want %s in %s", got.ID, i.Subnet, e.ID, n.ID)
	}
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.TerminateInstances([]sim.InstanceID{i.ID}) })
	r.observe(i.ID, Observation{State: sim.StateTerminated})
	if got, ok := r.View().ENIs.Get(e.ID); !ok || got.Attachment.ID != "" {
		t.Errorf("after termination the interface is there: %t, attached: %q; want it there and free", ok, got.Attachment.ID)
	}
}

// A lab that comes up again attaches the volume that holds its data.
func TestLaunchWithAnAdoptedVolume(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	const id sim.VolumeID = "vol-0123456789abcdef0"
	adopt := func() {
		err := r.Update(drop(func(tx *Tx) (sim.Volume, error) {
			return tx.AdoptVolume(AdoptVolume{ID: id, Account: alice, Zone: "us-east-1a", Size: 2, Type: "gp3", Tags: sim.Tags{{Key: sim.TagLab, Value: "l"}}})
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	adopt()
	in := RunInstances{Image: r.ami(), MinCount: 1, MaxCount: 1, Subnet: n.ID, BlockDevices: []BlockDeviceMapping{{Device: "/dev/sdf", Volume: id}}}
	launch := func(tx *Tx) (Reservation, error) { return tx.RunInstances(in) }
	observe := func(o VolumeObservation) {
		if err := r.Update(func(tx *Tx) error { return tx.ObserveVolume(id, o) }); err != nil {
			t.Fatal(err)
		}
	}
	observe(VolumeObservation{Error: "no space left"})
	r.refused("IncorrectState", "'error'", drop(launch))
	observe(VolumeObservation{}) // it is still being made, which a launch may wait for
	adopt()                      // again: it stays as it is
	i := do(r, launch).Instances[0]
	if d := i.BlockDevices[0]; d.Volume != id || d.DeleteOnTermination {
		t.Errorf("block device %+v, want %s, kept at termination", d, id)
	}
	r.refused("VolumeInUse", "is already attached", drop(launch))
}

func TestClientTokens(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	in := RunInstances{Image: r.ami(), MinCount: 1, MaxCount: 1, Subnet: n.ID, ClientToken: "lab/web/1"}
	launch := func(tx *Tx) (Reservation, error) { return tx.RunInstances(in) }
	first := do(r, launch)
	r.observe(first.Instances[0].ID, Observation{State: sim.StateRunning, Boot: 1})
	again := do(r, launch)
	if again.ID != first.ID || again.Instances[0].Status.State != sim.StateRunning || r.View().Instances.Len() != 1 {
		t.Errorf("the same call again gave %s, %s; want %s as it is now", again.ID, again.Instances[0].Status.State, first.ID)
	}
	other := in
	other.Type = "t3.small"
	r.refused("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent", drop(func(tx *Tx) (Reservation, error) { return tx.RunInstances(other) }))

	// The token is of RunInstances and of this account alone.
	do(r, func(tx *Tx) (sim.Volume, error) {
		return tx.CreateVolume(CreateVolume{Zone: "us-east-1a", Size: 1, ClientToken: in.ClientToken})
	})
	v := as(r, bob, func(tx *Tx) (sim.Volume, error) {
		return tx.CreateVolume(CreateVolume{Zone: "us-east-1a", Size: 2, ClientToken: in.ClientToken})
	})
	if v.Owner != bob {
		t.Errorf("bob's token gave him a volume of %s", v.Owner)
	}

	// A terminated instance is still the answer, until it is forgotten.
	id := first.Instances[0].ID
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.TerminateInstances([]sim.InstanceID{id}) })
	r.observe(id, Observation{State: sim.StateTerminated})
	if got := do(r, launch); got.Instances[0].Status.State != sim.StateTerminated {
		t.Errorf("got an instance in state %s, want the terminated one", got.Instances[0].Status.State)
	}
	purge := func() {
		t.Helper()
		if err := r.Update(func(tx *Tx) error { return tx.PurgeTerminated(r.now.Add(time.Hour)) }); err != nil {
			t.Fatal(err)
		}
	}
	purge()
	if n := r.View().Tokens.Len(); n != 3 {
		t.Errorf("%d tokens are kept within a day, want all three", n)
	}
	r.now = r.now.Add(tokenLife)
	purge()
	if n := r.View().Tokens.Len(); n != 2 {
		t.Errorf("%d tokens are kept, want those of the two volumes", n)
	}
	if got := do(r, launch); got.ID == first.ID {
		t.Error("a forgotten token still gives the old reservation")
	}
}
