package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

var instances = resource[sim.InstanceID, sim.Instance]{
	table:   func(s *world.State) *world.Table[sim.InstanceID, sim.Instance] { return s.Instances },
	filters: instanceFilters(),
}

func instanceFilters() filters[sim.Instance] {
	f := filters[sim.Instance]{
		"affinity":                         never[sim.Instance],
		"architecture":                     func(c *call, i sim.Instance) []string { return str(c.Images.Row(i.Image).Architecture) },
		"availability-zone":                func(_ *call, i sim.Instance) []string { return str(i.Zone) },
		"block-device-mapping.attach-time": blockDevices(func(d sim.BlockDevice) []string { return moment(d.AttachTime) }),
		"block-device-mapping.delete-on-termination": blockDevices(func(d sim.BlockDevice) []string { return yesNo(d.DeleteOnTermination) }),
		"block-device-mapping.device-name":           blockDevices(func(d sim.BlockDevice) []string { return str(d.Device) }),
		"block-device-mapping.status":                blockDevices(func(sim.BlockDevice) []string { return []string{"attached"} }),
		"block-device-mapping.volume-id":             blockDevices(func(d sim.BlockDevice) []string { return str(d.Volume) }),
		"client-token":                               func(_ *call, i sim.Instance) []string { return str(i.ClientToken) },
		"dns-name":                                   primary(func(c *call, e sim.ENI) []string { return str(c.publicDNSName(e)) }),
		"host-id":                                    never[sim.Instance],
		"hypervisor":                                 func(*call, sim.Instance) []string { return []string{"xen"} },
		"iam-instance-profile.arn":                   never[sim.Instance],
		"image-id":                                   func(_ *call, i sim.Instance) []string { return str(i.Image) },
		"instance-id":                                func(_ *call, i sim.Instance) []string { return str(i.ID) },
		"instance-lifecycle":                         never[sim.Instance],
		"instance-state-code":                        func(_ *call, i sim.Instance) []string { return number(stateCodes[i.Status.State]) },
		"instance-state-name":                        func(_ *call, i sim.Instance) []string { return str(i.Status.State) },
		"instance-type":                              func(_ *call, i sim.Instance) []string { return str(i.Type) },
		"instance.group-id":                          primary(func(_ *call, e sim.ENI) []string { return networkInterfaces.filters["group-id"](nil, e) }),
		"instance.group-name":                        primary(func(c *call, e sim.ENI) []string { return convert(e.SecurityGroups, c.groupName) }),
		"ip-address":                                 primary(func(_ *call, e sim.ENI) []string { return address(e.PublicIP) }),
		"kernel-id":                                  never[sim.Instance],
		"key-name":                                   func(_ *call, i sim.Instance) []string { return str(i.KeyName) },
		"launch-index":                               func(_ *call, i sim.Instance) []string { return number(i.LaunchIndex) },
		"launch-time":                                func(_ *call, i sim.Instance) []string { return moment(i.LaunchTime) },
		"metadata-options.http-endpoint":             metadata(func(o *wire.InstanceMetadataOptionsResponse) *string { return o.HttpEndpoint }),
		"metadata-options.http-tokens":               metadata(func(o *wire.InstanceMetadataOptionsResponse) *string { return o.HttpTokens }),
		"monitoring-state":                           func(*call, sim.Instance) []string { return []string{"disabled"} },
		"owner-id":                                   func(_ *call, i sim.Instance) []string { return str(i.Owner) },
		"placement-group-name":                       never[sim.Instance],
		"platform":                                   never[sim.Instance],
		"platform-details":                           func(*call, sim.Instance) []string { return []string{"Linux/UNIX"} },
		"private-dns-name":                           primary(func(c *call, e sim.ENI) []string { return str(c.privateDNSName(e)) }),
		"private-ip-address":                         primary(func(_ *call, e sim.ENI) []string { return address(e.PrivateIP) }),
		"product-code":                               never[sim.Instance],
		"ramdisk-id":                                 never[sim.Instance],
		"reason":                                     func(_ *call, i sim.Instance) []string { return str(transitionReason(i)) },
		"reservation-id":                             func(_ *call, i sim.Instance) []string { return str(i.Reservation) },
		"root-device-name":                           func(c *call, i sim.Instance) []string { return str(c.Images.Row(i.Image).RootDevice) },
		"root-device-type":                           func(*call, sim.Instance) []string { return []string{"ebs"} },
		"source-dest-check":                          primary(func(_ *call, e sim.ENI) []string { return yesNo(e.SourceDestCheck) }),
		"state-reason-code":                          func(_ *call, i sim.Instance) []string { return str(i.Status.Reason.Code) },
		"state-reason-message":                       func(_ *call, i sim.Instance) []string { return str(i.Status.Reason.Message) },
		"subnet-id":                                  func(_ *call, i sim.Instance) []string { return str(i.Subnet) },
		"tenancy":                                    func(*call, sim.Instance) []string { return []string{"default"} },
		"virtualization-type":                        func(*call, sim.Instance) []string { return []string{"hvm"} },
		"vpc-id":                                     func(_ *call, i sim.Instance) []string { return str(i.VPC) },
	}
	// The filters of interfaces are those of instances too, over all of them.
	for name, values := range networkInterfaces.filters {
		f["network-interface."+name] = func(c *call, i sim.Instance) []string {
			var out []string
			for _, e := range c.ENIsOfInstance(i.ID) {
				out = append(out, values(c, e)...)
			}
			return out
		}
	}
	return f
}

func blockDevices(f func(sim.BlockDevice) []string) func(*call, sim.Instance) []string {
	return func(_ *call, i sim.Instance) []string {
		var out []string
		for _, d := range i.BlockDevices {
			out = append(out, f(d)...)
		}
		return out
	}
}

func primary(f func(*call, sim.ENI) []string) func(*call, sim.Instance) []string {
	return func(c *call, i sim.Instance) []string {
		e, ok := c.PrimaryENI(i.ID)
		if !ok {
			return nil
		}
		return f(c, e)
	}
}

func metadata(f func(*wire.InstanceMetadataOptionsResponse) *string) func(*call, sim.Instance) []string {
	return func(_ *call, i sim.Instance) []string { return str(text(f(metadataOptions(i.MetadataOptions)))) }
}
