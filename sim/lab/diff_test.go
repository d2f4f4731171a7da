package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/compose"
	"labsim/sim"
	"labsim/sim/ec2/wire"
)

func defaultLab(t testing.TB) string {
	t.Helper()
	data, err := compose.File(compose.Default)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var defaultStanding = []string{
	"gateway lab at lab",
	"group db with 3 rules",
	"group default with 2 rules",
	"group web with 3 rules",
	"instance db t3.small running 10.0.2.10 public=false volumes=1",
	"instance web t3.micro running 10.0.1.10 public=true volumes=0",
	"key lab saved=true",
	"subnet private 10.0.2.0/24 us-east-1a public=false in lab",
	"subnet public 10.0.1.0/24 us-east-1a public=true in lab",
	"table  [10.0.0.0/16] of []",
	"table private [10.0.0.0/16] of [private]",
	"table public [0.0.0.0/0 10.0.0.0/16] of [public]",
	"volume db-data 2 gp3 at /data",
	"vpc lab 10.0.0.0/16 dns=true names=false",
}

// The default lab from nothing, and once more.
func TestUp(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	got := r.up(l)
	want := []string{
		"1 create vpc lab",
		"2 create subnet public", "2 update subnet public", "2 create subnet private",
		"3 create internet-gateway lab", "3 update internet-gateway lab",
		"3 create route-table private",
		"3 create route-table public", "3 create route public 0.0.0.0/0",
		"3 create association public", "3 create association private",
		"4 create security-group db", "4 create security-group web", "4 create security-group db", "4 create security-group web",
		"4 create volume db-data", "4 create key-pair lab", "4 create instance web", "4 create instance db",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes from nothing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(defaultStanding, r.standing()); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}
	if again := r.up(l); len(again) > 0 {
		t.Errorf("the same lab again changes %v", again)
	}
	i := r.account("custom-vpc").instances["db"]
	if m := i.BlockDeviceMappings; len(m) != 1 || val(m[0].Ebs.DeleteOnTermination) {
		t.Errorf("db's volume would die with it: %+v", m)
	}
}

// Changes of the file, and what they cost.
func TestChanges(t *testing.T) {
	base := defaultLab(t)
	noVolume := []string{"    volumes:\n      - db-data:/data\n", ""}
	for _, c := range []struct {
		name    string
		replace []string
		want    []string
	}{
		{"nothing", nil, []string{}},
		{"rule added", []string{"{ tcp: [22, 80], from: 0.0.0.0/0 }", "{ tcp: [22, 80, 443], from: 0.0.0.0/0 }"},
			[]string{"4 update security-group web"}},
		{"rule removed", []string{"{ tcp: [22, 80], from: 0.0.0.0/0 }", "{ tcp: 80, from: 0.0.0.0/0 }"},
			[]string{"4 update security-group web"}},
		{"rule of a group replaced", []string{"{ tcp: [22, 5432], from: web }", "{ tcp: [22, 5432], from: 10.0.1.0/24 }"},
			[]string{"4 update security-group db", "4 update security-group db"}},
		{"no way out", []string{"description: from web only", "description: from web only\n      egress: []"},
			[]string{"4 update security-group db"}},
		{"description changed", []string{"description: from web only", "description: only web"},
			[]string{"0 update instance db", "0 update security-group db", "0 delete security-group db",
				"4 create security-group db", "4 create security-group db", "4 update instance db"}},
		{"group that others name goes", []string{"    web:\n      description: from everywhere on ssh and http\n      ingress:\n        - { tcp: [22, 80], from: 0.0.0.0/0 }\n", "",
			"from: web }", "from: 10.0.1.0/24 }", "security_groups: [web]", "security_groups: [db]"},
			[]string{"0 update instance web", "0 update security-group db", "0 delete security-group web", "4 update security-group db", "4 update instance web"}},
		{"route removed", []string{"routes: { 0.0.0.0/0: internet_gateway }", "routes: {}"},
			[]string{"3 delete route public 0.0.0.0/0"}},
		{"route added", []string{"private: {}", "private: { routes: { 0.0.0.0/0: internet_gateway } }"},
			[]string{"3 create route private 0.0.0.0/0"}},
		{"association changed", []string{"zone: a, route_table: private", "zone: a, route_table: public"},
			[]string{"3 update association private"}},
		{"association removed", []string{"zone: a, route_table: private", "zone: a"},
			[]string{"3 delete association private"}},
		{"table renamed", []string{"    private: {}", "    inner: {}", "zone: a, route_table: private", "zone: a, route_table: inner"},
			[]string{"0 delete association private", "0 delete route-table private", "3 create route-table inner", "3 create association private"}},
		{"no public addresses any more", []string{", map_public_ip_on_launch: true", ""},
			[]string{"0 delete instance web (data)", "2 update subnet public", "4 create instance web"}},
		{"subnet moved", []string{"10.0.2.", "10.0.3."}, []string{
			"0 delete instance db (data)", "0 delete instance web (data)", "0 delete subnet private",
			"2 create subnet private", "3 create association private", "4 create instance web", "4 create instance db"}},
		{"zone changed", []string{"zone: a, route_table: private", "zone: b, route_table: private"}, []string{
			"0 delete instance db (data)", "0 delete volume db-data (data)", "0 delete subnet private",
			"2 create subnet private", "3 create association private", "4 create volume db-data", "4 create instance db"}},
		{"type changed", []string{"t3.small", "t3.medium"}, []string{"4 update instance db"}},
		{"groups changed", []string{"security_groups: [web]", "security_groups: [web, db]"}, []string{"4 update instance web"}},
		{"groups left out", []string{"      security_groups: [web]\n", ""}, []string{"4 update instance web"}},
		{"user data changed", []string{"# A page that asks", "# The page that asks"}, []string{"0 delete instance web (data)", "4 create instance web"}},
		{"address changed", []string{"10.0.1.10", "10.0.1.11"}, []string{"0 delete instance web (data)", "4 create instance web"}},
		{"key changed", []string{"key_name: lab\n      security_groups: [web]", "key_name: other\n      security_groups: [web]"},
			[]string{"0 delete instance web (data)", "4 create key-pair other", "4 create instance web"}},
		{"labels", []string{"  web:\n    image: labsim/linux", "  web:\n    image: labsim/linux\n    labels: { team: blue, empty: '' }"},
			[]string{"4 update instance web"}},
		{"instance removed", []string{base[strings.Index(base, "  db:\n    image"):strings.Index(base, "\nvolumes:\n")], ""},
			[]string{"0 delete instance db (data)", "4 update volume db-data"}},
		{"volume removed", append([]string{"\nvolumes:\n  db-data:\n    x-labsim-volume: { size: 2, type: gp3 }\n", ""}, noVolume...),
			[]string{"0 delete instance db (data)", "0 delete volume db-data (data)", "4 create instance db"}},
		{"volume not mounted", noVolume, []string{"0 delete instance db (data)", "4 update volume db-data", "4 create instance db"}},
		{"mounted elsewhere", []string{"- db-data:/data", "- db-data:/srv"},
			[]string{"0 delete instance db (data)", "4 update volume db-data", "4 create instance db"}},
		{"volume grown", []string{"size: 2,", "size: 3,"},
			[]string{"0 delete instance db (data)", "0 delete volume db-data (data)", "4 create volume db-data", "4 create instance db"}},
		{"volume of another type", []string{"type: gp3", "type: gp2"},
			[]string{"0 delete instance db (data)", "0 delete volume db-data (data)", "4 create volume db-data", "4 create instance db"}},
		{"names in DNS", []string{"internet_gateway: true }", "internet_gateway: true, enable_dns_hostnames: true }"}, []string{"1 update vpc lab"}},
		{"gateway taken away", []string{", internet_gateway: true", "", "routes: { 0.0.0.0/0: internet_gateway }", "routes: {}"},
			[]string{"0 stop instance web", "0 update internet-gateway lab", "0 delete internet-gateway lab",
				"3 delete route public 0.0.0.0/0", "4 start instance web"}},
		{"VPC moved", []string{"cidr_block: 10.0.0.0/16", "cidr_block: 10.0.0.0/17"}, []string{
			"0 delete instance web (data)", "0 delete instance db (data)", "0 delete association private", "0 delete association public",
			"0 delete subnet public", "0 delete subnet private", "0 delete route-table private", "0 delete route-table public",
			"0 update security-group db", "0 delete security-group db", "0 delete security-group web",
			"0 update internet-gateway lab", "0 delete internet-gateway lab", "0 delete vpc lab",
			"1 create vpc lab", "2 create subnet public", "2 update subnet public", "2 create subnet private",
			"3 create internet-gateway lab", "3 update internet-gateway lab", "3 create route-table private", "3 create route-table public",
			"3 create route public 0.0.0.0/0", "3 create association public", "3 create association private",
			"4 create security-group db", "4 create security-group web", "4 create security-group db", "4 create security-group web",
			"4 create instance web", "4 create instance db"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRegion(t)
			r.up(load(t, base))
			changed := load(t, edit(t, base, c.replace...))
			got := r.up(changed)
			// the order among what is deleted of a VPC follows from ids
			if c.name == "VPC moved" {
				slices.Sort(got)
				slices.Sort(c.want)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if again := r.diff(changed); len(again) > 0 {
				t.Errorf("after it there is still a difference: %v", again)
			}
			fresh := newRegion(t)
			fresh.up(changed)
			if diff := cmp.Diff(unused(fresh.standing()), unused(r.standing())); diff != "" {
				t.Errorf("it does not stand as it would from nothing (-want +got):\n%s", diff)
			}
			back := r.up(load(t, base))
			if again := r.diff(load(t, base)); len(again) > 0 {
				t.Errorf("after going back by %v there is still a difference: %v", back, again)
			}
			if diff := cmp.Diff(unused(defaultStanding), unused(r.standing())); diff != "" {
				t.Errorf("going back does not lead back (-want +got):\n%s", diff)
			}
		})
	}
}

// unused leaves out key pairs: one that no instance names any more stays.
func unused(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.HasPrefix(s, "key ") })
}

// Cut off at any call, before it or after it has worked: the next `up` goes on.
func TestCutOff(t *testing.T) {
	base := defaultLab(t)
	moved := load(t, edit(t, base, "10.0.2.", "10.0.3.", "size: 2,", "size: 3,", "t3.micro", "t3.medium", "description: from web only", "description: only web"))
	for _, c := range []struct {
		name     string
		from, to *Lab
	}{
		{"from nothing", nil, load(t, base)},
		{"a change", load(t, base), moved},
		{"the gateway goes", load(t, base), load(t, edit(t, base, ", internet_gateway: true", "", "routes: { 0.0.0.0/0: internet_gateway }", "routes: {}"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := func() *region {
				r := newRegion(t)
				if c.from != nil {
					r.up(c.from)
				}
				r.calls = nil
				return r
			}
			whole := start()
			whole.up(c.to)
			for n, action := range whole.calls {
				if strings.HasPrefix(action, "Describe") {
					continue // as if the call before it were the last
				}
				for _, done := range []bool{false, true} {
					r := start()
					r.fail = func(i int, _ string) (bool, bool) { return i > n, done && i == n+1 }
					if err := r.try(c.to); err == nil {
						continue // the last calls are those of the list
					}
					cut := r.calls[n]
					r.fail = nil
					r.up(c.to)
					if diff := cmp.Diff(whole.standing(), r.standing()); diff != "" {
						t.Fatalf("cut at call %d (%s, done %t), then up (-want +got):\n%s", n, cut, done, diff)
					}
					if again := r.diff(c.to); len(again) > 0 {
						t.Errorf("cut at call %d (%s, done %t): still a difference: %v", n, cut, done, again)
					}
				}
			}
		})
	}
}

// An answer that was lost on the way is no second instance.
func TestLostAnswer(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	c, err := Diff(context.Background(), r, l, r.options())
	if err != nil {
		t.Fatal(err)
	}
	lost := map[string]bool{}
	r.fail = func(_ int, action string) (bool, bool) {
		first := action == "RunInstances" && !lost[action]
		lost[action] = true
		return first, true
	}
	apply := func() (err error) {
		for step := 0; err == nil && step <= StepInstances; step++ {
			err = c.Apply(context.Background(), r, step, r.options())
		}
		return err
	}
	if err := apply(); err == nil {
		t.Fatal("the lost answer is no error")
	}
	// the same step once more, with the same list: the token finds the instance
	var again []Change
	for _, x := range c.List {
		if x.Kind == "instance" {
			again = append(again, x)
		}
	}
	c.List = again
	if err := c.Apply(context.Background(), r, StepInstances, r.options()); err != nil {
		t.Fatal(err)
	}
	r.machine()
	if diff := cmp.Diff(defaultStanding, r.standing()); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}
}

// A key whose private half never arrived is made anew before anything uses it.
func TestLostKey(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	o := r.options()
	o.SaveKey = func(string, string) error { return fmt.Errorf("disk full") }
	c, err := Diff(context.Background(), r, l, o)
	for step := 0; err == nil && step <= StepInstances; step++ {
		err = c.Apply(context.Background(), r, step, o)
	}
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("error %v, want that of SaveKey", err)
	}
	if got := r.up(l); !slices.Contains(got, "4 update key-pair lab") {
		t.Errorf("the key is not made anew: %v", got)
	}
	if r.files["lab"] == "" {
		t.Error("the key was not saved")
	}
	delete(r.files, "lab") // another computer: instances that run keep their key
	if got := r.diff(l); len(got) > 0 {
		t.Errorf("on another computer: %v", got)
	}
}

// What somebody changes by hand is mended.
func TestMend(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(r *region, a *account)
		want []string
	}{
		{"route deleted", func(r *region, a *account) {
			r.must("DeleteRoute", &wire.DeleteRouteRequest{RouteTableId: a.tables["public"].RouteTableId, DestinationCidrBlock: ptr("0.0.0.0/0")}, nil)
		}, []string{"3 create route public 0.0.0.0/0"}},
		{"route added", func(r *region, a *account) {
			r.must("CreateRoute", &wire.CreateRouteRequest{RouteTableId: a.tables["private"].RouteTableId, DestinationCidrBlock: ptr("0.0.0.0/0"),
				GatewayId: a.gateways["lab"].InternetGatewayId}, nil)
		}, []string{"3 delete route private 0.0.0.0/0"}},
		{"rule revoked", func(r *region, a *account) {
			r.must("RevokeSecurityGroupIngress", &wire.RevokeSecurityGroupIngressRequest{GroupId: a.groups["web"].GroupId,
				IpProtocol: ptr("tcp"), FromPort: ptr(22), ToPort: ptr(22), CidrIp: ptr("0.0.0.0/0")}, nil)
		}, []string{"4 update security-group web"}},
		{"rule opened", func(r *region, a *account) {
			r.must("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: a.groups["db"].GroupId,
				IpProtocol: ptr("tcp"), FromPort: ptr(5432), ToPort: ptr(5432), CidrIp: ptr("0.0.0.0/0")}, nil)
		}, []string{"4 update security-group db"}},
		{"rule for a stranger's group", func(r *region, a *account) {
			r.must("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: a.groups["db"].GroupId, IpPermissions: []wire.IpPermission{{
				IpProtocol: ptr("-1"), UserIdGroupPairs: []wire.UserIdGroupPair{{GroupId: ptr(a.defaults[str(a.vpcs["lab"].VpcId)])}}}}}, nil)
		}, []string{"4 update security-group db"}},
		{"instance terminated", func(r *region, a *account) {
			r.must("TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: []string{str(a.instances["db"].InstanceId)}}, nil)
			r.machine()
		}, []string{"4 create instance db"}},
		{"instance is shutting down", func(r *region, a *account) {
			r.must("TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: []string{str(a.instances["db"].InstanceId)}}, nil)
		}, []string{"0 delete instance db", "4 create instance db"}},
		{"instance stopped", func(r *region, a *account) {
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{str(a.instances["web"].InstanceId)}}, nil)
			r.machine()
		}, []string{"4 start instance web"}},
		{"instance is stopping", func(r *region, a *account) {
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{str(a.instances["web"].InstanceId)}}, nil)
		}, []string{"4 start instance web"}},
		{"volume detached", func(r *region, a *account) {
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{str(a.instances["db"].InstanceId)}}, nil)
			r.machine()
			r.must("DetachVolume", &wire.DetachVolumeRequest{VolumeId: a.volumes["db-data"].VolumeId}, nil)
		}, []string{"0 delete instance db (data)", "4 create instance db"}},
		{"other groups", func(r *region, a *account) {
			r.must("ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: a.instances["db"].InstanceId, Groups: []string{str(a.groups["web"].GroupId)}}, nil)
		}, []string{"4 update instance db"}},
		{"tag added", func(r *region, a *account) {
			r.must("CreateTags", &wire.CreateTagsRequest{Resources: []string{str(a.instances["db"].InstanceId)}, Tags: []wire.Tag{{Key: ptr("a"), Value: ptr("b")}}}, nil)
		}, []string{"4 update instance db"}},
		{"subnet at a table of somebody's", func(r *region, a *account) {
			var out wire.CreateRouteTableResult
			r.must("CreateRouteTable", &wire.CreateRouteTableRequest{VpcId: a.vpcs["lab"].VpcId}, &out)
			id := a.associations[str(a.subnets["public"].SubnetId)].id
			r.must("ReplaceRouteTableAssociation", &wire.ReplaceRouteTableAssociationRequest{AssociationId: &id, RouteTableId: out.RouteTable.RouteTableId}, nil)
		}, []string{"3 update association public"}},
		{"gateway replaced by one of somebody's", func(r *region, a *account) {
			web := []string{str(a.instances["web"].InstanceId)}
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: web}, nil)
			r.machine()
			r.must("DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: a.gateways["lab"].InternetGatewayId, VpcId: a.vpcs["lab"].VpcId}, nil)
			var out wire.CreateInternetGatewayResult
			r.must("CreateInternetGateway", &wire.CreateInternetGatewayRequest{}, &out)
			r.must("AttachInternetGateway", &wire.AttachInternetGatewayRequest{InternetGatewayId: out.InternetGateway.InternetGatewayId, VpcId: a.vpcs["lab"].VpcId}, nil)
		}, []string{"3 update route public 0.0.0.0/0", "4 start instance web"}},
		{"attributes", func(r *region, a *account) {
			off := &wire.AttributeBooleanValue{Value: ptr(false)}
			r.must("ModifyVpcAttribute", &wire.ModifyVpcAttributeRequest{VpcId: a.vpcs["lab"].VpcId, EnableDnsSupport: off}, nil)
			r.must("ModifySubnetAttribute", &wire.ModifySubnetAttributeRequest{SubnetId: a.subnets["public"].SubnetId, MapPublicIpOnLaunch: off}, nil)
		}, []string{"1 update vpc lab", "2 update subnet public"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRegion(t)
			l := load(t, defaultLab(t))
			r.up(l)
			c.do(r, r.account(l.Name))
			if diff := cmp.Diff(c.want, r.up(l)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if again := r.diff(l); len(again) > 0 {
				t.Errorf("after it there is still a difference: %v", again)
			}
			got := r.standing()
			if missing := slices.DeleteFunc(slices.Clone(defaultStanding), func(s string) bool { return slices.Contains(got, s) || strings.HasPrefix(s, "gateway ") }); len(missing) > 0 {
				t.Errorf("not mended: %v, there is %v", missing, got)
			}
		})
	}
}

// down lists what is not the lab's, removes all and keeps the volume; the next up uses it.
func TestDown(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	r.up(l)
	a := r.account(l.Name)
	volume := str(a.volumes["db-data"].VolumeId)
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
	if got := str(r.account(l.Name).instances["db"].BlockDeviceMappings[0].Ebs.VolumeId); got != volume {
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
