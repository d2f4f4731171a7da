package lab

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim/ec2/wire"
)

// What somebody changes by hand is mended.
func TestMend(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(r *simulated, a *account)
		want []string
	}{
		{"route deleted", func(r *simulated, a *account) {
			r.must("DeleteRoute", &wire.DeleteRouteRequest{RouteTableId: a.tables["public"].RouteTableId, DestinationCidrBlock: ptr("0.0.0.0/0")}, nil)
		}, []string{"3 create route public 0.0.0.0/0"}},
		{"route added", func(r *simulated, a *account) {
			r.must("CreateRoute", &wire.CreateRouteRequest{RouteTableId: a.tables["private"].RouteTableId, DestinationCidrBlock: ptr("0.0.0.0/0"),
				GatewayId: a.gateways["lab"].InternetGatewayId}, nil)
		}, []string{"3 delete route private 0.0.0.0/0"}},
		{"rule revoked", func(r *simulated, a *account) {
			r.must("RevokeSecurityGroupIngress", &wire.RevokeSecurityGroupIngressRequest{GroupId: a.groups["web"].GroupId,
				IpProtocol: ptr("tcp"), FromPort: ptr(22), ToPort: ptr(22), CidrIp: ptr("0.0.0.0/0")}, nil)
		}, []string{"4 update security-group web"}},
		{"rule opened", func(r *simulated, a *account) {
			r.must("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: a.groups["db"].GroupId,
				IpProtocol: ptr("tcp"), FromPort: ptr(5432), ToPort: ptr(5432), CidrIp: ptr("0.0.0.0/0")}, nil)
		}, []string{"4 update security-group db"}},
		{"rule for a stranger's group", func(r *simulated, a *account) {
			r.must("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: a.groups["db"].GroupId, IpPermissions: []wire.IpPermission{{
				IpProtocol: ptr("-1"), UserIdGroupPairs: []wire.UserIdGroupPair{{GroupId: ptr(a.defaults[wire.Value(a.vpcs["lab"].VpcId)])}}}}}, nil)
		}, []string{"4 update security-group db"}},
		{"instance terminated", func(r *simulated, a *account) {
			r.must("TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: []string{wire.Value(a.instances["db"].InstanceId)}}, nil)
			r.machine()
		}, []string{"4 create instance db"}},
		{"instance is shutting down", func(r *simulated, a *account) {
			r.must("TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: []string{wire.Value(a.instances["db"].InstanceId)}}, nil)
		}, []string{"0 delete instance db", "4 create instance db"}},
		{"instance stopped", func(r *simulated, a *account) {
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{wire.Value(a.instances["web"].InstanceId)}}, nil)
			r.machine()
		}, []string{"4 start instance web"}},
		{"instance is stopping", func(r *simulated, a *account) {
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{wire.Value(a.instances["web"].InstanceId)}}, nil)
		}, []string{"4 start instance web"}},
		{"volume detached", func(r *simulated, a *account) {
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{wire.Value(a.instances["db"].InstanceId)}}, nil)
			r.machine()
			r.must("DetachVolume", &wire.DetachVolumeRequest{VolumeId: a.volumes["db-data"].VolumeId}, nil)
		}, []string{"4 update instance db"}},
		{"volume deleted", func(r *simulated, a *account) {
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{wire.Value(a.instances["db"].InstanceId)}}, nil)
			r.machine()
			r.must("DetachVolume", &wire.DetachVolumeRequest{VolumeId: a.volumes["db-data"].VolumeId}, nil)
			r.must("DeleteVolume", &wire.DeleteVolumeRequest{VolumeId: a.volumes["db-data"].VolumeId}, nil)
		}, []string{"0 delete instance db (data)", "4 create volume db-data", "4 create instance db"}},
		{"address taken away", func(r *simulated, a *account) {
			var out wire.AllocateAddressResult
			r.must("AllocateAddress", &wire.AllocateAddressRequest{}, &out)
			r.must("AssociateAddress", &wire.AssociateAddressRequest{AllocationId: out.AllocationId, InstanceId: a.instances["web"].InstanceId}, nil)
			r.must("DisassociateAddress", &wire.DisassociateAddressRequest{PublicIp: out.PublicIp}, nil)
			r.must("ReleaseAddress", &wire.ReleaseAddressRequest{AllocationId: out.AllocationId}, nil)
		}, []string{"4 update instance web"}},
		{"other groups", func(r *simulated, a *account) {
			r.must("ModifyInstanceAttribute", &wire.ModifyInstanceAttributeRequest{InstanceId: a.instances["db"].InstanceId, Groups: []string{wire.Value(a.groups["web"].GroupId)}}, nil)
		}, []string{"4 update instance db"}},
		{"tag added", func(r *simulated, a *account) {
			r.must("CreateTags", &wire.CreateTagsRequest{Resources: []string{wire.Value(a.instances["db"].InstanceId)}, Tags: []wire.Tag{{Key: ptr("a"), Value: ptr("b")}}}, nil)
		}, []string{"4 update instance db"}},
		{"subnet at a table of somebody's", func(r *simulated, a *account) {
			var out wire.CreateRouteTableResult
			r.must("CreateRouteTable", &wire.CreateRouteTableRequest{VpcId: a.vpcs["lab"].VpcId}, &out)
			id := a.associations[wire.Value(a.subnets["public"].SubnetId)].id
			r.must("ReplaceRouteTableAssociation", &wire.ReplaceRouteTableAssociationRequest{AssociationId: &id, RouteTableId: out.RouteTable.RouteTableId}, nil)
		}, []string{"3 update association public"}},
		{"gateway replaced by one of somebody's", func(r *simulated, a *account) {
			web := []string{wire.Value(a.instances["web"].InstanceId)}
			r.must("StopInstances", &wire.StopInstancesRequest{InstanceIds: web}, nil)
			r.machine()
			r.must("DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: a.gateways["lab"].InternetGatewayId, VpcId: a.vpcs["lab"].VpcId}, nil)
			var out wire.CreateInternetGatewayResult
			r.must("CreateInternetGateway", &wire.CreateInternetGatewayRequest{}, &out)
			r.must("AttachInternetGateway", &wire.AttachInternetGatewayRequest{InternetGatewayId: out.InternetGateway.InternetGatewayId, VpcId: a.vpcs["lab"].VpcId}, nil)
		}, []string{"3 update route public 0.0.0.0/0", "4 start instance web"}},
		{"attributes", func(r *simulated, a *account) {
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
