package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func startInstances(c *call, in *wire.StartInstancesRequest) (*wire.StartInstancesResult, error) {
	changes, err := c.tx.StartInstances(ids[sim.InstanceID](in.InstanceIds))
	return &wire.StartInstancesResult{StartingInstances: convert(changes, stateChange)}, err
}

func stopInstances(c *call, in *wire.StopInstancesRequest) (*wire.StopInstancesResult, error) {
	changes, err := c.tx.StopInstances(world.StopInstances{IDs: ids[sim.InstanceID](in.InstanceIds), Force: value(in.Force)})
	return &wire.StopInstancesResult{StoppingInstances: convert(changes, stateChange)}, err
}

func rebootInstances(c *call, in *wire.RebootInstancesRequest) (*nothing, error) {
	return nil, c.tx.RebootInstances(ids[sim.InstanceID](in.InstanceIds))
}

func terminateInstances(c *call, in *wire.TerminateInstancesRequest) (*wire.TerminateInstancesResult, error) {
	changes, err := c.tx.TerminateInstances(ids[sim.InstanceID](in.InstanceIds))
	return &wire.TerminateInstancesResult{TerminatingInstances: convert(changes, stateChange)}, err
}

func stateChange(s world.StateChange) wire.InstanceStateChange {
	return wire.InstanceStateChange{InstanceId: new(string(s.ID)), PreviousState: instanceState(s.Previous), CurrentState: instanceState(s.Current)}
}

func describeInstances(c *call, in *wire.DescribeInstancesRequest) (*wire.DescribeInstancesResult, error) {
	if len(in.InstanceIds) > 0 && in.MaxResults != nil {
		return nil, sim.Errorf(sim.CodeInvalidParameterCombination, "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	rows, next, err := instances.find(c, query{in.InstanceIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeInstancesResult{Reservations: c.reservations(rows), NextToken: next}, err
}

// reservations puts instances that were launched together into one reservation.
func (c *call) reservations(rows []sim.Instance) []wire.Reservation {
	list := []world.Reservation{}
	at := map[sim.ReservationID]int{}
	for _, i := range rows {
		n, ok := at[i.Reservation]
		if !ok {
			n = len(list)
			at[i.Reservation] = n
			list = append(list, world.Reservation{ID: i.Reservation, Owner: i.Owner})
		}
		list[n].Instances = append(list[n].Instances, i)
	}
	return convert(list, c.reservation)
}

// reservation has no Groups: those are of EC2-Classic.
func (c *call) reservation(r world.Reservation) wire.Reservation {
	return wire.Reservation{ReservationId: new(string(r.ID)), OwnerId: new(string(r.Owner)), Groups: []wire.GroupIdentifier{}, Instances: convert(r.Instances, c.instance)}
}

var stateCodes = map[sim.InstanceState]int{sim.StatePending: 0, sim.StateRunning: 16, sim.StateShuttingDown: 32,
	sim.StateTerminated: 48, sim.StateStopping: 64, sim.StateStopped: 80}

func instanceState(s sim.InstanceState) *wire.InstanceState {
	return &wire.InstanceState{Code: new(stateCodes[s]), Name: new(string(s))}
}

// instance shows an instance with what belongs to it. One that is terminated
// has nothing left but its name.
func (c *call) instance(i sim.Instance) wire.Instance {
	image, kind := c.Images.Row(i.Image), instanceTypeOf(i.Type)
	out := wire.Instance{
		InstanceId: new(string(i.ID)), ImageId: new(string(i.Image)), InstanceType: new(i.Type), KeyName: optional(i.KeyName),
		AmiLaunchIndex: new(i.LaunchIndex), LaunchTime: optionalTime(i.LaunchTime), ClientToken: new(i.ClientToken),
		State: instanceState(i.Status.State), StateTransitionReason: new(transitionReason(i)), StateReason: stateReason(i),
		Placement:  &wire.Placement{AvailabilityZone: new(string(i.Zone)), GroupName: new(""), Tenancy: new("default")},
		Monitoring: &wire.Monitoring{State: new("disabled")}, ProductCodes: []wire.ProductCode{}, Architecture: new(image.Architecture),
		Hypervisor: new("xen"), VirtualizationType: new("hvm"), RootDeviceName: new(image.RootDevice), RootDeviceType: new("ebs"),
		EbsOptimized: new(false), EnaSupport: new(true), PlatformDetails: new("Linux/UNIX"), UsageOperation: new("RunInstances"),
		CpuOptions: &wire.CpuOptions{CoreCount: new(cores(kind)), ThreadsPerCore: new(threads(kind))}, HibernationOptions: &wire.HibernationOptions{Configured: new(false)},
		EnclaveOptions: &wire.EnclaveOptions{Enabled: new(false)}, MetadataOptions: metadataOptions(i.MetadataOptions),
		BlockDeviceMappings: convert(i.BlockDevices, blockDevice), PrivateDnsName: new(""), PublicDnsName: new(""),
		SecurityGroups: []wire.GroupIdentifier{}, NetworkInterfaces: []wire.InstanceNetworkInterface{}, Tags: some(tagSet(i.Tags)),
	}
	if i.Status.State != sim.StateTerminated {
		out.VpcId, out.SubnetId = new(string(i.VPC)), new(string(i.Subnet))
	}
	if e, ok := c.PrimaryENI(i.ID); ok {
		c.addPrimary(&out, e)
	}
	for _, e := range c.ENIsOfInstance(i.ID) {
		out.NetworkInterfaces = append(out.NetworkInterfaces, c.instanceInterface(e))
	}
	return out
}

// addPrimary adds what EC2 shows of the primary interface in the instance itself.
func (c *call) addPrimary(out *wire.Instance, e sim.ENI) {
	out.PrivateIpAddress, out.PrivateDnsName = new(e.PrivateIP.String()), new(c.privateDNSName(e))
	out.PublicIpAddress, out.PublicDnsName = optionalAddr(e.PublicIP), new(c.publicDNSName(e))
	out.SecurityGroups, out.SourceDestCheck = c.groups(e), new(e.SourceDestCheck)
}

func (c *call) instanceInterface(e sim.ENI) wire.InstanceNetworkInterface {
	a := e.Attachment
	out := wire.InstanceNetworkInterface{
		NetworkInterfaceId: new(string(e.ID)), OwnerId: new(string(e.Owner)), VpcId: new(string(e.VPC)), SubnetId: new(string(e.Subnet)),
		Description: new(e.Description), InterfaceType: new("interface"), MacAddress: new(e.MAC), Status: new(world.ENIStatus(e)),
		PrivateIpAddress: new(e.PrivateIP.String()), PrivateDnsName: optional(c.privateDNSName(e)), SourceDestCheck: new(e.SourceDestCheck),
		Groups: c.groups(e), Ipv6Addresses: []wire.InstanceIpv6Address{},
		Attachment: &wire.InstanceNetworkInterfaceAttachment{AttachmentId: new(string(a.ID)), AttachTime: optionalTime(a.At), DeviceIndex: &a.DeviceIndex,
			DeleteOnTermination: &a.DeleteOnTermination, NetworkCardIndex: new(0), Status: new("attached")},
	}
	if p := c.association(e); p != nil {
		out.Association = &wire.InstanceNetworkInterfaceAssociation{IpOwnerId: p.IpOwnerId, PublicDnsName: p.PublicDnsName, PublicIp: p.PublicIp}
	}
	out.PrivateIpAddresses = []wire.InstancePrivateIpAddress{{Primary: new(true), PrivateIpAddress: out.PrivateIpAddress, PrivateDnsName: out.PrivateDnsName, Association: out.Association}}
	return out
}

func blockDevice(d sim.BlockDevice) wire.InstanceBlockDeviceMapping {
	return wire.InstanceBlockDeviceMapping{DeviceName: new(d.Device), Ebs: &wire.EbsInstanceBlockDevice{VolumeId: new(string(d.Volume)),
		Status: new("attached"), AttachTime: optionalTime(d.AttachTime), DeleteOnTermination: new(d.DeleteOnTermination)}}
}

func metadataOptions(m sim.MetadataOptions) *wire.InstanceMetadataOptionsResponse {
	pick := func(b bool, yes, no string) *string {
		if b {
			return &yes
		}
		return &no
	}
	return &wire.InstanceMetadataOptionsResponse{State: new("applied"), HttpTokens: pick(m.TokensRequired, "required", "optional"),
		HttpEndpoint: pick(m.Disabled, "disabled", "enabled"), HttpPutResponseHopLimit: new(m.HopLimit), HttpProtocolIpv6: new("disabled"),
		InstanceMetadataTags: pick(m.InstanceTags, "enabled", "disabled")}
}

// stateReason is left out while an instance runs as its owner wants.
func stateReason(i sim.Instance) *wire.StateReason {
	if i.Status.Reason.Code == "" {
		return nil
	}
	return &wire.StateReason{Code: new(i.Status.Reason.Code), Message: new(i.Status.Reason.Message)}
}

// transitionReason is the older form of the reason, which has the time too.
func transitionReason(i sim.Instance) string {
	switch i.Status.Reason.Code {
	case "":
		return ""
	case "Client.UserInitiatedShutdown":
		return "User initiated (" + i.Status.TransitionTime.UTC().Format("2006-01-02 15:04:05") + " GMT)"
	}
	return i.Status.Reason.Message
}
