package ec2

import (
	"net/netip"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func runInstances(c *call, in *wire.RunInstancesRequest) (*wire.Reservation, error) {
	var p parser
	args := world.RunInstances{
		Image: id[sim.ImageID](in.ImageId), Type: text(in.InstanceType), MinCount: value(in.MinCount), MaxCount: value(in.MaxCount),
		KeyName: text(in.KeyName), Subnet: id[sim.SubnetID](in.SubnetId), SecurityGroups: ids[sim.SecurityGroupID](in.SecurityGroupIds),
		SecurityGroupNames: in.SecurityGroups, PrivateIP: p.addr("privateIpAddress", in.PrivateIpAddress), UserData: p.userData(in.UserData),
		ShutdownAction:  id[sim.ShutdownAction](in.InstanceInitiatedShutdownBehavior),
		MetadataOptions: p.metadataOptions(in.MetadataOptions), ClientToken: text(in.ClientToken),
		Tags:       p.tags(in.TagSpecifications, "instance", "volume", "network-interface"),
		VolumeTags: p.tags(in.TagSpecifications, "volume", "instance", "network-interface"),
		ENITags:    p.tags(in.TagSpecifications, "network-interface", "instance", "volume"),
	}
	if in.Placement != nil {
		args.Zone = c.zoneOf(in.Placement.AvailabilityZone, in.Placement.AvailabilityZoneId)
	}
	for n, m := range in.BlockDeviceMappings {
		args.BlockDevices = append(args.BlockDevices, p.blockDevice(n+1, m))
	}
	p.primaryInterface(&args, in.NetworkInterfaces)
	if p.err != nil {
		return nil, p.err
	}
	r, err := c.tx.RunInstances(args)
	if err != nil {
		return nil, err
	}
	out := c.reservation(r)
	return &out, nil
}

// primaryInterface takes the one interface that a launch may describe; further
// ones are not simulated yet.
func (p *parser) primaryInterface(args *world.RunInstances, list []wire.InstanceNetworkInterfaceSpecification) {
	if len(list) == 0 {
		return
	}
	n := list[0]
	switch {
	case len(list) > 1 || value(n.DeviceIndex) != 0:
		p.fail(sim.CodeUnsupportedOperation, "labsim has one network interface per instance for now, with device index 0")
	case args.Subnet != "":
		p.fail(sim.CodeInvalidParameterCombination, "Network interfaces and an instance-level subnet ID may not be specified on the same request")
	case len(args.SecurityGroups)+len(args.SecurityGroupNames) > 0:
		p.fail(sim.CodeInvalidParameterCombination, "Network interfaces and an instance-level security groups may not be specified on the same request")
	case args.PrivateIP.IsValid():
		p.fail(sim.CodeInvalidParameterCombination, "Network interfaces and an instance-level private address may not be specified on the same request")
	}
	args.Subnet, args.SecurityGroups = id[sim.SubnetID](n.SubnetId), ids[sim.SecurityGroupID](n.Groups)
	args.PrivateIP, args.AssociatePublicIP = p.interfaceAddr(n), n.AssociatePublicIpAddress
	args.ENI, args.Description = id[sim.ENIID](n.NetworkInterfaceId), text(n.Description)
	args.KeepENI = n.DeleteOnTermination != nil && !*n.DeleteOnTermination
}

// interfaceAddr takes the primary address, which may be given alone or in a list.
func (p *parser) interfaceAddr(n wire.InstanceNetworkInterfaceSpecification) (out netip.Addr) {
	out = p.addr("privateIpAddress", n.PrivateIpAddress)
	for _, a := range n.PrivateIpAddresses {
		if out.IsValid() || !value(a.Primary) {
			p.fail(sim.CodeUnsupportedOperation, "labsim has one private address per network interface for now")
		}
		out = p.addr("privateIpAddresses", a.PrivateIpAddress)
	}
	return out
}

func (p *parser) blockDevice(n int, m wire.BlockDeviceMapping) world.BlockDeviceMapping {
	if m.Ebs == nil {
		p.fail(sim.CodeUnsupportedOperation, "BlockDeviceMapping.%d: labsim has EBS volumes only; give Ebs", n)
		return world.BlockDeviceMapping{}
	}
	return world.BlockDeviceMapping{Device: text(m.DeviceName), Size: value(m.Ebs.VolumeSize), Type: text(m.Ebs.VolumeType), IOPS: value(m.Ebs.Iops),
		Throughput: value(m.Ebs.Throughput), Encrypted: value(m.Ebs.Encrypted), DeleteOnTermination: m.Ebs.DeleteOnTermination,
		Volume: sim.VolumeID(text(m.Ebs.VolumeId))}
}

func (p *parser) metadataOptions(o *wire.InstanceMetadataOptionsRequest) world.MetadataOptions {
	if o == nil {
		return world.MetadataOptions{}
	}
	return world.MetadataOptions{
		TokensRequired: p.enabled("httpTokens", o.HttpTokens, "required", "optional"),
		Disabled:       p.enabled("httpEndpoint", o.HttpEndpoint, "disabled", "enabled"),
		InstanceTags:   p.enabled("instanceMetadataTags", o.InstanceMetadataTags, "enabled", "disabled"),
		HopLimit:       value(o.HttpPutResponseHopLimit),
	}
}
