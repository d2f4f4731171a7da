package ec2

// operations are what is served, by the name of the action. After a handler
// stand the members of its request that it honours, see support.
var operations map[string]operation

// A function fills the table: the handlers reach it through server.
func init() {
	operations = map[string]operation{
		"CreateVpc":            change(createVpc, "CidrBlock", "InstanceTenancy", "TagSpecifications"),
		"DeleteVpc":            change(deleteVpc, "VpcId"),
		"DescribeVpcs":         read(describeVpcs, "VpcIds"),
		"DescribeVpcAttribute": read(describeVpcAttribute, "VpcId", "Attribute"),
		"ModifyVpcAttribute":   change(modifyVpcAttribute, "VpcId", "EnableDnsSupport", "EnableDnsHostnames"),

		"CreateSubnet":          change(createSubnet, "VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId", "TagSpecifications"),
		"DeleteSubnet":          change(deleteSubnet, "SubnetId"),
		"DescribeSubnets":       read(describeSubnets, "SubnetIds"),
		"ModifySubnetAttribute": change(modifySubnetAttribute, "SubnetId", "MapPublicIpOnLaunch"),

		"CreateInternetGateway":    change(createInternetGateway, "TagSpecifications"),
		"AttachInternetGateway":    change(attachInternetGateway, "InternetGatewayId", "VpcId"),
		"DetachInternetGateway":    change(detachInternetGateway, "InternetGatewayId", "VpcId"),
		"DeleteInternetGateway":    change(deleteInternetGateway, "InternetGatewayId"),
		"DescribeInternetGateways": read(describeInternetGateways, "InternetGatewayIds"),

		"CreateRouteTable":             change(createRouteTable, "VpcId", "ClientToken", "TagSpecifications"),
		"DeleteRouteTable":             change(deleteRouteTable, "RouteTableId"),
		"DescribeRouteTables":          read(describeRouteTables, "RouteTableIds"),
		"AssociateRouteTable":          change(associateRouteTable, "RouteTableId", "SubnetId"),
		"DisassociateRouteTable":       change(disassociateRouteTable, "AssociationId"),
		"ReplaceRouteTableAssociation": change(replaceRouteTableAssociation, "AssociationId", "RouteTableId"),
		"CreateRoute":                  change(createRoute, "RouteTableId", "DestinationCidrBlock", "GatewayId", "NetworkInterfaceId", "InstanceId"),
		"ReplaceRoute":                 change(replaceRoute, "RouteTableId", "DestinationCidrBlock", "GatewayId", "NetworkInterfaceId", "InstanceId", "LocalTarget"),
		"DeleteRoute":                  change(deleteRoute, "RouteTableId", "DestinationCidrBlock"),

		"CreateSecurityGroup":           change(createSecurityGroup, "VpcId", "GroupName", "Description", "TagSpecifications"),
		"DeleteSecurityGroup":           change(deleteSecurityGroup, "GroupId", "GroupName"),
		"DescribeSecurityGroups":        read(describeSecurityGroups, "GroupIds", "GroupNames"),
		"DescribeSecurityGroupRules":    read(describeSecurityGroupRules, "SecurityGroupRuleIds"),
		"AuthorizeSecurityGroupIngress": change(authorizeSecurityGroupIngress, append(ruleMembers, "GroupName", "TagSpecifications")...),
		"AuthorizeSecurityGroupEgress":  change(authorizeSecurityGroupEgress, append(ruleMembers, "TagSpecifications")...),
		"RevokeSecurityGroupIngress":    change(revokeSecurityGroupIngress, append(ruleMembers, "GroupName", "SecurityGroupRuleIds")...),
		"RevokeSecurityGroupEgress":     change(revokeSecurityGroupEgress, append(ruleMembers, "SecurityGroupRuleIds")...),

		"CreateKeyPair":    plain(createKeyPair, "KeyName", "KeyType", "KeyFormat=pem", "TagSpecifications"),
		"ImportKeyPair":    change(importKeyPair, "KeyName", "PublicKeyMaterial", "TagSpecifications"),
		"DeleteKeyPair":    change(deleteKeyPair, "KeyName", "KeyPairId"),
		"DescribeKeyPairs": read(describeKeyPairs, "KeyNames", "KeyPairIds", "IncludePublicKey"),

		"AllocateAddress":     change(allocateAddress, "Address", "Domain=vpc", "PublicIpv4Pool=amazon", "TagSpecifications"),
		"AssociateAddress":    change(associateAddress, "AllocationId", "PublicIp", "NetworkInterfaceId", "InstanceId", "PrivateIpAddress", "AllowReassociation"),
		"DisassociateAddress": change(disassociateAddress, "AssociationId", "PublicIp"),
		"ReleaseAddress":      change(releaseAddress, "AllocationId", "PublicIp", "NetworkBorderGroup"),
		"DescribeAddresses":   read(describeAddresses, "AllocationIds", "PublicIps"),

		"DescribeNetworkInterfaces": read(describeNetworkInterfaces, "NetworkInterfaceIds", "IncludeManagedResources"),

		"RunInstances":              change(runInstances, launchMembers...),
		"DescribeInstances":         read(describeInstances, "InstanceIds", "IncludeManagedResources"),
		"DescribeInstanceStatus":    read(describeInstanceStatus, "InstanceIds", "IncludeAllInstances", "IncludeManagedResources"),
		"DescribeInstanceAttribute": read(describeInstanceAttribute, "InstanceId", "Attribute"),
		"ModifyInstanceAttribute": change(modifyInstanceAttribute, "InstanceId", "Attribute", "Value", "Groups", "SourceDestCheck", "InstanceType", "UserData",
			"InstanceInitiatedShutdownBehavior", "BlockDeviceMappings.DeviceName", "BlockDeviceMappings.Ebs.DeleteOnTermination"),
		"StartInstances":     change(startInstances, "InstanceIds"),
		"StopInstances":      change(stopInstances, "InstanceIds", "Force"),
		"RebootInstances":    change(rebootInstances, "InstanceIds"),
		"TerminateInstances": change(terminateInstances, "InstanceIds"),
		"GetConsoleOutput":   read(getConsoleOutput, "InstanceId", "Latest"),

		"CreateVolume":    change(createVolume, "AvailabilityZone", "AvailabilityZoneId", "Size", "VolumeType", "Iops", "Throughput", "Encrypted", "ClientToken", "TagSpecifications"),
		"DeleteVolume":    change(deleteVolume, "VolumeId"),
		"DescribeVolumes": read(describeVolumes, "VolumeIds", "IncludeManagedResources"),
		"AttachVolume":    change(attachVolume, "VolumeId", "InstanceId", "Device"),
		"DetachVolume":    change(detachVolume, "VolumeId", "InstanceId", "Device", "Force"),

		"DescribeImages":            read(describeImages, "ImageIds", "Owners", "ExecutableUsers", "IncludeDeprecated", "IncludeDisabled"),
		"DescribeInstanceTypes":     read(describeInstanceTypes, "InstanceTypes"),
		"DescribeRegions":           read(describeRegions, "RegionNames", "AllRegions"),
		"DescribeAvailabilityZones": read(describeAvailabilityZones, "ZoneNames", "ZoneIds", "AllAvailabilityZones"),

		"CreateTags":   change(createTags, "Resources", "Tags"),
		"DeleteTags":   change(deleteTags, "Resources", "Tags"),
		"DescribeTags": read(describeTags),
	}
}

// ruleMembers are common to the operations on a security group's rules.
var ruleMembers = []string{"GroupId", "IpProtocol", "FromPort", "ToPort", "CidrIp",
	"IpPermissions.IpProtocol", "IpPermissions.FromPort", "IpPermissions.ToPort", "IpPermissions.IpRanges",
	"IpPermissions.UserIdGroupPairs.GroupId", "IpPermissions.UserIdGroupPairs.GroupName", "IpPermissions.UserIdGroupPairs.UserId",
	"IpPermissions.UserIdGroupPairs.VpcId", "IpPermissions.UserIdGroupPairs.Description"}

var launchMembers = []string{"ImageId", "InstanceType", "MinCount", "MaxCount", "KeyName", "SubnetId", "SecurityGroupIds", "SecurityGroups",
	"PrivateIpAddress", "UserData", "InstanceInitiatedShutdownBehavior", "ClientToken", "TagSpecifications",
	"Placement.AvailabilityZone", "Placement.AvailabilityZoneId", "Placement.Tenancy=default", "CreditSpecification.CpuCredits=unlimited",
	"BlockDeviceMappings.DeviceName", "BlockDeviceMappings.Ebs.VolumeSize", "BlockDeviceMappings.Ebs.VolumeType", "BlockDeviceMappings.Ebs.Iops",
	"BlockDeviceMappings.Ebs.Throughput", "BlockDeviceMappings.Ebs.Encrypted", "BlockDeviceMappings.Ebs.DeleteOnTermination", "BlockDeviceMappings.Ebs.VolumeId",
	"MetadataOptions.HttpTokens", "MetadataOptions.HttpEndpoint", "MetadataOptions.HttpPutResponseHopLimit", "MetadataOptions.InstanceMetadataTags",
	"MetadataOptions.HttpProtocolIpv6=disabled",
	"NetworkInterfaces.DeviceIndex", "NetworkInterfaces.SubnetId", "NetworkInterfaces.Groups", "NetworkInterfaces.PrivateIpAddress",
	"NetworkInterfaces.PrivateIpAddresses", "NetworkInterfaces.AssociatePublicIpAddress", "NetworkInterfaces.NetworkInterfaceId",
	"NetworkInterfaces.Description", "NetworkInterfaces.DeleteOnTermination", "NetworkInterfaces.InterfaceType=interface"}
