package ec2_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

// The lab of five steps, by the API alone.
func TestLab(t *testing.T) {
	l := newLab(t, ec2.Options{})
	vpc := l.vpc("10.0.0.0/16", tag("Name", "lab"))
	l.do("ModifyVpcAttribute", &wire.ModifyVpcAttributeRequest{VpcId: &vpc, EnableDnsHostnames: &wire.AttributeBooleanValue{Value: new(true)}})
	public, private := l.subnet(vpc, "10.0.1.0/24"), l.subnet(vpc, "10.0.2.0/24")
	l.do("ModifySubnetAttribute", &wire.ModifySubnetAttributeRequest{SubnetId: &public, MapPublicIpOnLaunch: &wire.AttributeBooleanValue{Value: new(true)}})

	igw := *call[wire.CreateInternetGatewayResult](l, "CreateInternetGateway", nil).InternetGateway.InternetGatewayId
	l.do("AttachInternetGateway", &wire.AttachInternetGatewayRequest{InternetGatewayId: &igw, VpcId: &vpc})
	table := *call[wire.CreateRouteTableResult](l, "CreateRouteTable", &wire.CreateRouteTableRequest{VpcId: &vpc}).RouteTable.RouteTableId
	l.do("CreateRoute", &wire.CreateRouteRequest{RouteTableId: &table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &igw})
	association := call[wire.AssociateRouteTableResult](l, "AssociateRouteTable", &wire.AssociateRouteTableRequest{RouteTableId: &table, SubnetId: &public})

	web := *call[wire.CreateSecurityGroupResult](l, "CreateSecurityGroup", &wire.CreateSecurityGroupRequest{VpcId: &vpc, GroupName: new("web"), Description: new("web")}).GroupId
	db := *call[wire.CreateSecurityGroupResult](l, "CreateSecurityGroup", &wire.CreateSecurityGroupRequest{VpcId: &vpc, GroupName: new("db"), Description: new("db")}).GroupId
	rules := call[wire.AuthorizeSecurityGroupIngressResult](l, "AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []wire.IpPermission{
		{IpProtocol: new("tcp"), FromPort: new(22), ToPort: new(22), IpRanges: []wire.IpRange{{CidrIp: new("0.0.0.0/0"), Description: new("ssh")}}},
		{IpProtocol: new("tcp"), FromPort: new(80), ToPort: new(80), IpRanges: []wire.IpRange{{CidrIp: new("0.0.0.0/0")}, {CidrIp: new("10.0.0.0/16")}}}}})
	if len(rules.SecurityGroupRules) != 3 {
		t.Errorf("three rules were authorized, the answer has %d", len(rules.SecurityGroupRules))
	}
	l.do("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: &db, IpPermissions: []wire.IpPermission{
		{IpProtocol: new("tcp"), FromPort: new(5432), ToPort: new(5432), UserIdGroupPairs: []wire.UserIdGroupPair{{GroupId: &web}}}}})
	key := call[wire.KeyPair](l, "CreateKeyPair", &wire.CreateKeyPairRequest{KeyName: new("lab"), KeyType: new("ed25519")})

	l.run(public, 1, func(in *wire.RunInstancesRequest) {
		in.SecurityGroupIds, in.KeyName, in.PrivateIpAddress = []string{web}, key.KeyName, new("10.0.1.10")
		in.TagSpecifications = []wire.TagSpecification{{ResourceType: new("instance"), Tags: []wire.Tag{tag("Name", "web")}}}
	})
	l.run(private, 1, func(in *wire.RunInstancesRequest) {
		in.SecurityGroupIds, in.UserData = []string{db}, new("IyEvYmluL3NoCg==")
		in.BlockDeviceMappings = []wire.BlockDeviceMapping{{DeviceName: new("/dev/sdf"), Ebs: &wire.EbsBlockDevice{VolumeSize: new(2), VolumeType: new("gp3")}}}
		in.TagSpecifications = []wire.TagSpecification{{ResourceType: new("volume"), Tags: []wire.Tag{tag("labsim:mount", "/data")}}}
	})
	l.observe(sim.StateRunning)

	found := call[wire.DescribeInstancesResult](l, "DescribeInstances", &wire.DescribeInstancesRequest{Filters: []wire.Filter{filter("tag:Name", "w?b"), filter("instance-state-name", "running")}})
	if len(found.Reservations) != 1 {
		t.Fatalf("%d reservations with a running instance web, want 1", len(found.Reservations))
	}
	i := found.Reservations[0].Instances[0]
	got := []string{*i.PrivateIpAddress, *i.PublicIpAddress, *i.PrivateDnsName, *i.PublicDnsName, *i.KeyName, *i.SecurityGroups[0].GroupName, *i.NetworkInterfaces[0].Association.PublicIp}
	want := []string{"10.0.1.10", "198.51.100.20", "ip-10-0-1-10.ec2.internal", "ec2-198-51-100-20.compute-1.amazonaws.com", "lab", "web", "198.51.100.20"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("instance web (-want +got):\n%s", diff)
	}
	volumes := call[wire.DescribeVolumesResult](l, "DescribeVolumes", &wire.DescribeVolumesRequest{Filters: []wire.Filter{filter("tag:labsim:mount", "*"), filter("attachment.device", "/dev/sdf")}}).Volumes
	if len(volumes) != 1 || *volumes[0].State != "in-use" || *volumes[0].Size != 2 || len(volumes[0].Attachments) != 1 {
		t.Errorf("volumes of db: %+v", volumes)
	}

	// The route goes, is a blackhole where its gateway goes, and what is used stays.
	l.fails("DependencyViolation", "DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: &igw, VpcId: &vpc})
	l.fails("DependencyViolation", "DeleteSubnet", &wire.DeleteSubnetRequest{SubnetId: &private})
	all := call[wire.DescribeInstancesResult](l, "DescribeInstances", &wire.DescribeInstancesRequest{}).Reservations
	ids := []string{*all[0].Instances[0].InstanceId, *all[1].Instances[0].InstanceId}
	gone := call[wire.TerminateInstancesResult](l, "TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: ids}).TerminatingInstances
	if len(gone) != 2 || *gone[0].PreviousState.Code != 16 || *gone[0].CurrentState.Name != "shutting-down" {
		t.Errorf("terminating: %+v", gone)
	}
	l.observe(sim.StateTerminated)
	l.do("DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: &igw, VpcId: &vpc})
	blackholes := call[wire.DescribeRouteTablesResult](l, "DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: []wire.Filter{filter("route.state", "blackhole")}}).RouteTables
	if len(blackholes) != 1 || *blackholes[0].RouteTableId != table {
		t.Errorf("route tables with a blackhole: %+v", blackholes)
	}
	l.do("DisassociateRouteTable", &wire.DisassociateRouteTableRequest{AssociationId: association.AssociationId})
	l.do("DeleteRouteTable", &wire.DeleteRouteTableRequest{RouteTableId: &table})
	l.do("DeleteInternetGateway", &wire.DeleteInternetGatewayRequest{InternetGatewayId: &igw})
	l.do("DeleteSecurityGroup", &wire.DeleteSecurityGroupRequest{GroupId: &db})
	l.do("DeleteSecurityGroup", &wire.DeleteSecurityGroupRequest{GroupId: &web})
	l.do("DeleteSubnet", &wire.DeleteSubnetRequest{SubnetId: &public})
	l.do("DeleteSubnet", &wire.DeleteSubnetRequest{SubnetId: &private})
	l.do("DeleteVpc", &wire.DeleteVpcRequest{VpcId: &vpc})
	if left := l.world.View().VPCs.Len(); left != 0 {
		t.Errorf("%d VPCs are left", left)
	}
}
