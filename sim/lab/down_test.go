package lab

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// down lists what is not the lab's, removes all and keeps the volume; the next up uses it.
func TestDown(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	r.up(l)
	a := r.account(l.Name)
	volume := wire.Value(a.volumes["db-data"].VolumeId)
	var group wire.CreateSecurityGroupResult
	r.must("CreateSecurityGroup", &wire.CreateSecurityGroupRequest{VpcId: a.vpcs["lab"].VpcId, GroupName: ptr("mine"), Description: ptr("mine")}, &group)
	self := []wire.IpPermission{{IpProtocol: ptr("-1"), UserIdGroupPairs: []wire.UserIdGroupPair{{GroupId: group.GroupId}}}}
	r.must("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: group.GroupId, IpPermissions: self}, nil)
	r.must("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: a.groups["web"].GroupId, IpPermissions: self}, nil)
	r.must("RunInstances", &wire.RunInstancesRequest{ImageId: ptr(a.images["labsim/linux"]), SubnetId: a.subnets["private"].SubnetId, MinCount: ptr(1), MaxCount: ptr(1),
		SecurityGroupIds: []string{*group.GroupId}, KeyName: ptr("lab"),
		TagSpecifications: []wire.TagSpecification{{ResourceType: ptr("instance"), Tags: []wire.Tag{{Key: ptr("Name"), Value: ptr("extra")}}}}}, nil)
	r.machine()

	c := r.down(l.Name, false)
	var byHand, kept []string
	for _, x := range c.ByHand {
		byHand = append(byHand, x.Kind+" "+x.Name)
	}
	for _, x := range c.Kept {
		kept = append(kept, x.Kind+" "+x.Name+" "+x.ID)
	}
	slices.Sort(byHand)
	if diff := cmp.Diff([]string{"instance extra", "security-group "}, byHand); diff != "" {
		t.Errorf("made by hand (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"volume db-data " + volume}, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"volume db-data 2 gp3 at /data"}, r.standing()); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}

	if got := r.up(l); slices.Contains(got, "4 create volume db-data") {
		t.Errorf("the volume that was kept is made again: %v", got)
	}
	if got := wire.Value(r.account(l.Name).instances["db"].BlockDeviceMappings[0].Ebs.VolumeId); got != volume {
		t.Errorf("db has the volume %s, want the one that was kept, %s", got, volume)
	}
	if diff := cmp.Diff(defaultStanding, r.standing()); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}
	r.down(l.Name, true)
	if left := r.standing(); len(left) > 0 {
		t.Errorf("left after down --volumes: %v", left)
	}
}

// Cut off at any call, down goes on.
func TestDownCutOff(t *testing.T) {
	l := load(t, defaultLab(t))
	for n := 0; ; n++ {
		r := newRegion(t)
		r.up(l)
		r.calls = nil
		r.fail = func(i int, _ string) (bool, bool) { return i > n, i == n+1 && n%2 == 0 }
		c, err := Down(context.Background(), r, l.Name, true)
		if err == nil {
			err = c.Apply(context.Background(), r, 0, r.options())
		}
		if err == nil {
			return
		}
		r.fail = nil
		r.down(l.Name, true)
		if left := r.standing(); len(left) > 0 {
			t.Fatalf("cut at call %d (%s), then down: left is %v", n, r.calls[n], left)
		}
	}
}

// Two labs in one account: neither sees the other, and a key that both use stays.
func TestTwoLabs(t *testing.T) {
	r := newRegion(t)
	one := load(t, defaultLab(t))
	two := load(t, edit(t, defaultLab(t), "name: custom-vpc", "name: second"))
	r.up(one)
	r.up(two)
	if again := r.diff(one); len(again) > 0 {
		t.Errorf("the second lab changes the first: %v", again)
	}
	if keys := r.down(one.Name, true).Keys; len(keys) > 0 {
		t.Errorf("the first lab takes the key %v away that the second one uses", keys)
	}
	if again := r.diff(two); len(again) > 0 {
		t.Errorf("down of the first lab changes the second: %v", again)
	}
}

// The subnet of a lab can go with what a stranger launched in it; the user is asked.
func TestStrangers(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	r.up(l)
	a := r.account(l.Name)
	r.must("RunInstances", &wire.RunInstancesRequest{ImageId: ptr(a.images["labsim/linux"]), SubnetId: a.subnets["private"].SubnetId, MinCount: ptr(1), MaxCount: ptr(1)}, nil)
	r.machine()
	moved := load(t, edit(t, defaultLab(t), "10.0.2.", "10.0.3."))
	c, err := Diff(context.Background(), r, moved, r.options())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(slices.DeleteFunc(c.DestroysData(), func(x Change) bool { return !x.ByHand })); n != 1 {
		t.Errorf("%d things made by hand are shown, want 1: %v", n, lines(c.List))
	}
	r.up(moved)
	if again := r.diff(moved); len(again) > 0 {
		t.Errorf("still a difference: %v", again)
	}
}

func TestUnknownImage(t *testing.T) {
	r := newRegion(t)
	l := load(t, edit(t, defaultLab(t), "image: labsim/linux", "image: labsim/linus"))
	_, err := Diff(context.Background(), r, l, r.options())
	var f *sim.Failure
	if !asFailure(err, &f) || !strings.Contains(f.Next[0].String(), "labsim/linux") {
		t.Errorf("error %v, want one that names labsim/linux", err)
	}
	if n := len(r.standing()); n != 0 {
		t.Errorf("%d things were made", n)
	}
}

func asFailure(err error, f **sim.Failure) bool {
	x, ok := err.(*sim.Failure)
	*f = x
	return ok
}
