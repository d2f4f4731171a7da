package ec2_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

func TestInstanceStatus(t *testing.T) {
	l := newLab(t, ec2.Options{})
	l.run(l.subnet(l.vpc("10.0.0.0/16"), "10.0.1.0/24"), 1)
	for _, tt := range []struct {
		observed     sim.InstanceState
		all          bool
		count        int
		state, check string
	}{
		{"", false, 0, "", ""},
		{"", true, 1, "pending", "initializing"},
		{sim.StateRunning, false, 1, "running", "ok"},
		{sim.StateTerminated, true, 1, "terminated", "not-applicable"},
	} {
		l.observe(tt.observed)
		got := call[wire.DescribeInstanceStatusResult](l, "DescribeInstanceStatus", &wire.DescribeInstanceStatusRequest{IncludeAllInstances: &tt.all}).InstanceStatuses
		if len(got) != tt.count {
			t.Fatalf("%v: %d instances, want %d", tt, len(got), tt.count)
		}
		if tt.count > 0 && (*got[0].InstanceState.Name != tt.state || *got[0].InstanceStatus.Status != tt.check || *got[0].SystemStatus.Status != tt.check) {
			t.Errorf("state %s, check %s, want %s, %s", *got[0].InstanceState.Name, *got[0].InstanceStatus.Status, tt.state, tt.check)
		}
	}
}

func TestInstanceAttributes(t *testing.T) {
	l := newLab(t, ec2.Options{})
	i := *l.run(l.subnet(l.vpc("10.0.0.0/16"), "10.0.1.0/24"), 1, func(in *wire.RunInstancesRequest) { in.UserData = new("IyEvYmluL3NoCg==") })[0].InstanceId
	attribute := func(name string) *wire.InstanceAttribute {
		return call[wire.InstanceAttribute](l, "DescribeInstanceAttribute", &wire.DescribeInstanceAttributeRequest{InstanceId: &i, Attribute: &name})
	}
	l.do("ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: &i, SourceDestCheck: &wire.AttributeBooleanValue{Value: new(false)}})
	l.do("ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: &i, Attribute: new("instanceInitiatedShutdownBehavior"), Value: new("terminate")})
	got := []any{*attribute("userData").UserData.Value, *attribute("sourceDestCheck").SourceDestCheck.Value,
		*attribute("instanceInitiatedShutdownBehavior").InstanceInitiatedShutdownBehavior.Value, *attribute("instanceType").InstanceType.Value}
	if diff := cmp.Diff([]any{"IyEvYmluL3NoCg==", false, "terminate", "t3.micro"}, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	l.fails("InvalidParameterValue", "DescribeInstanceAttribute", &wire.DescribeInstanceAttributeRequest{InstanceId: &i, Attribute: new("colour")})
	l.fails("UnsupportedOperation", "ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: &i, EbsOptimized: &wire.AttributeBooleanValue{Value: new(true)}})
}

// What a launch asks for and labsim can't give is refused, not forgotten.
func TestRefusedLaunches(t *testing.T) {
	l := newLab(t, ec2.Options{})
	subnet := l.subnet(l.vpc("10.0.0.0/16"), "10.0.1.0/24")
	eni := wire.InstanceNetworkInterfaceSpecification{SubnetId: &subnet, DeviceIndex: new(0)}
	for code, changes := range map[string][]func(*wire.RunInstancesRequest){
		"UnsupportedOperation": {
			func(in *wire.RunInstancesRequest) {
				in.Monitoring = &wire.RunInstancesMonitoringEnabled{Enabled: new(true)}
			},
			func(in *wire.RunInstancesRequest) { in.Placement = &wire.Placement{Tenancy: new("dedicated")} },
			func(in *wire.RunInstancesRequest) {
				in.BlockDeviceMappings = []wire.BlockDeviceMapping{{DeviceName: new("/dev/sdb"), VirtualName: new("ephemeral0")}}
			},
			func(in *wire.RunInstancesRequest) {
				in.NetworkInterfaces = []wire.InstanceNetworkInterfaceSpecification{eni, eni}
				in.SubnetId = nil
			},
			func(in *wire.RunInstancesRequest) {
				in.IamInstanceProfile = &wire.IamInstanceProfileSpecification{Name: new("admin")}
			},
		},
		"InvalidParameterCombination": {
			func(in *wire.RunInstancesRequest) {
				in.NetworkInterfaces = []wire.InstanceNetworkInterfaceSpecification{eni}
			},
		},
		"InvalidParameterValue": {
			func(in *wire.RunInstancesRequest) { in.UserData = new("%%%") },
			func(in *wire.RunInstancesRequest) { in.PrivateIpAddress = new("10.0.1.300") },
			func(in *wire.RunInstancesRequest) { in.InstanceType = new("t9.huge") },
			func(in *wire.RunInstancesRequest) {
				in.MetadataOptions = &wire.InstanceMetadataOptionsRequest{HttpTokens: new("perhaps")}
			},
			func(in *wire.RunInstancesRequest) {
				in.TagSpecifications = []wire.TagSpecification{{ResourceType: new("vpc")}}
			},
			func(in *wire.RunInstancesRequest) {
				in.TagSpecifications = []wire.TagSpecification{{ResourceType: new("instance"), Tags: []wire.Tag{tag("a", "1"), tag("a", "2")}}}
			},
		},
	} {
		for n, change := range changes {
			in := &wire.RunInstancesRequest{ImageId: &l.image, MinCount: new(1), MaxCount: new(1), SubnetId: &subnet}
			change(in)
			if err := l.Do(context.Background(), "RunInstances", in, nil); sim.ErrorCode(err) != code {
				t.Errorf("%s %d: %v", code, n, err)
			}
		}
	}
	if n := l.world.View().Instances.Len(); n != 0 {
		t.Errorf("%d instances were launched", n)
	}
}

func TestConsoleOutput(t *testing.T) {
	at := time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)
	l := newLab(t, ec2.Options{Console: func(_ context.Context, id sim.InstanceID) ([]byte, time.Time, error) {
		return fmt.Appendf(nil, "hello from %s\n", id), at, nil
	}})
	i := *l.run(l.subnet(l.vpc("10.0.0.0/16"), "10.0.1.0/24"), 1)[0].InstanceId
	got := call[wire.GetConsoleOutputResult](l, "GetConsoleOutput", &wire.GetConsoleOutputRequest{InstanceId: &i})
	want := &wire.GetConsoleOutputResult{InstanceId: &i, Output: new(base64.StdEncoding.EncodeToString([]byte("hello from " + i + "\n"))), Timestamp: &at}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("console (-want +got):\n%s", diff)
	}
}

// The server's part alone: the client's XML decoder takes longer.
func BenchmarkDescribeInstances500(b *testing.B) {
	l := newLab(b, ec2.Options{})
	vpc := l.vpc("10.0.0.0/16")
	for n := range 5 {
		l.run(l.subnet(vpc, fmt.Sprintf("10.0.%d.0/24", n)), 100)
	}
	h := ec2.NewHandler(l.world, ec2.Options{})
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(l, "Action=DescribeInstances&Version=2016-11-15", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
