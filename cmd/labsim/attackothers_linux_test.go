package main

import (
	"strings"
	"time"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// othersTrouble has somebody launch an instance that can't start, as its volume
// would lie on a file: what others do goes on as if it were not there.
func othersTrouble(u *user) {
	a := u.account()
	volume, id := a.unstartable("/etc/passwd")
	defer func() {
		u.must(0, ``, "terminate", id)
		a.do("DeleteVolume", &wire.DeleteVolumeRequest{VolumeId: &volume}, nil)
	}()
	for end := time.Now().Add(30 * time.Second); ; {
		if out, _ := u.call("status"); strings.Contains(out, id+": ") {
			break
		} else if time.Now().After(end) {
			u.t.Fatalf("%s has no trouble:\n%s", id, out)
		}
	}
	began := time.Now()
	u.must(0, ``, "reboot", "web")
	u.must(0, `5 ✓ Access`, "up")
	if took := time.Since(began); took > 30*time.Second {
		u.t.Errorf("reboot and up took %v beside an instance that can't start", took)
	}
	if err := a.api.Do(u.t.Context(), "CreateTags", &wire.CreateTagsRequest{Resources: []string{volume},
		Tags: []wire.Tag{{Key: ptr(sim.TagMount), Value: ptr("/proc")}}}, nil); sim.ErrorCode(err) != sim.CodeInvalidParameterValue {
		u.t.Errorf("a volume at /proc: %v, want %s", err, sim.CodeInvalidParameterValue)
	}
}

// unstartable launches an instance like web, with a volume mounted at that path.
func (a *account) unstartable(path string) (volume, instance string) {
	a.t.Helper()
	var list wire.DescribeInstancesResult
	a.do("DescribeInstances", &wire.DescribeInstancesRequest{InstanceIds: []string{*a.instance("web")}}, &list)
	web := list.Reservations[0].Instances[0]
	var v wire.Volume
	a.do("CreateVolume", &wire.CreateVolumeRequest{AvailabilityZone: web.Placement.AvailabilityZone, Size: ptr(1),
		TagSpecifications: []wire.TagSpecification{{ResourceType: ptr("volume"), Tags: []wire.Tag{{Key: ptr(sim.TagMount), Value: &path}}}}}, &v)
	var out wire.Reservation
	a.do("RunInstances", &wire.RunInstancesRequest{ImageId: web.ImageId, SubnetId: web.SubnetId, InstanceType: ptr("t3.nano"), MinCount: ptr(1), MaxCount: ptr(1),
		BlockDeviceMappings: []wire.BlockDeviceMapping{{DeviceName: ptr("/dev/sdf"), Ebs: &wire.EbsBlockDevice{VolumeId: v.VolumeId}}}}, &out)
	return *v.VolumeId, *out.Instances[0].InstanceId
}
