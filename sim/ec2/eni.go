package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

var networkInterfaces = resource[sim.ENIID, sim.ENI]{
	table: func(s *world.State) *world.Table[sim.ENIID, sim.ENI] { return s.ENIs },
	filters: filters[sim.ENI]{
		"addresses.association.owner-id":   associationFilter(func(a *wire.NetworkInterfaceAssociation) *string { return a.IpOwnerId }),
		"addresses.association.public-ip":  associationFilter(func(a *wire.NetworkInterfaceAssociation) *string { return a.PublicIp }),
		"addresses.primary":                func(*call, sim.ENI) []string { return yesNo(true) },
		"addresses.private-ip-address":     func(_ *call, e sim.ENI) []string { return address(e.PrivateIP) },
		"association.allocation-id":        associationFilter(func(a *wire.NetworkInterfaceAssociation) *string { return a.AllocationId }),
		"association.association-id":       associationFilter(func(a *wire.NetworkInterfaceAssociation) *string { return a.AssociationId }),
		"association.ip-owner-id":          associationFilter(func(a *wire.NetworkInterfaceAssociation) *string { return a.IpOwnerId }),
		"association.public-dns-name":      associationFilter(func(a *wire.NetworkInterfaceAssociation) *string { return a.PublicDnsName }),
		"association.public-ip":            associationFilter(func(a *wire.NetworkInterfaceAssociation) *string { return a.PublicIp }),
		"attachment.attach-time":           attachmentFilter(func(a sim.ENIAttachment) []string { return moment(a.At) }),
		"attachment.attachment-id":         attachmentFilter(func(a sim.ENIAttachment) []string { return str(a.ID) }),
		"attachment.delete-on-termination": attachmentFilter(func(a sim.ENIAttachment) []string { return yesNo(a.DeleteOnTermination) }),
		"attachment.device-index":          attachmentFilter(func(a sim.ENIAttachment) []string { return number(a.DeviceIndex) }),
		"attachment.instance-id":           attachmentFilter(func(a sim.ENIAttachment) []string { return str(a.Instance) }),
		"attachment.instance-owner-id": func(_ *call, e sim.ENI) []string {
			if e.Attachment.Instance == "" {
				return nil
			}
			return str(e.Owner)
		},
		"attachment.status": attachmentFilter(func(sim.ENIAttachment) []string { return []string{"attached"} }),
		"availability-zone": func(_ *call, e sim.ENI) []string { return str(e.Zone) },
		"description":       func(_ *call, e sim.ENI) []string { return str(e.Description) },
		"group-id": func(_ *call, e sim.ENI) []string {
			return convert(e.SecurityGroups, func(g sim.SecurityGroupID) string { return string(g) })
		},
		"group-name":                  func(c *call, e sim.ENI) []string { return convert(e.SecurityGroups, c.groupName) },
		"interface-type":              func(*call, sim.ENI) []string { return []string{"interface"} },
		"ipv6-addresses.ipv6-address": never[sim.ENI],
		"mac-address":                 func(_ *call, e sim.ENI) []string { return str(e.MAC) },
		"network-interface-id":        func(_ *call, e sim.ENI) []string { return str(e.ID) },
		"owner-id":                    func(_ *call, e sim.ENI) []string { return str(e.Owner) },
		"private-dns-name":            func(c *call, e sim.ENI) []string { return str(c.privateDNSName(e)) },
		"private-ip-address":          func(_ *call, e sim.ENI) []string { return address(e.PrivateIP) },
		"requester-id":                never[sim.ENI],
		"requester-managed":           func(*call, sim.ENI) []string { return yesNo(false) },
		"source-dest-check":           func(_ *call, e sim.ENI) []string { return yesNo(e.SourceDestCheck) },
		"status":                      func(_ *call, e sim.ENI) []string { return str(world.ENIStatus(e)) },
		"subnet-id":                   func(_ *call, e sim.ENI) []string { return str(e.Subnet) },
		"vpc-id":                      func(_ *call, e sim.ENI) []string { return str(e.VPC) },
	},
}

func associationFilter(f func(*wire.NetworkInterfaceAssociation) *string) func(*call, sim.ENI) []string {
	return func(c *call, e sim.ENI) []string {
		if a := c.association(e); a != nil {
			return str(text(f(a)))
		}
		return nil
	}
}

func attachmentFilter(f func(sim.ENIAttachment) []string) func(*call, sim.ENI) []string {
	return func(_ *call, e sim.ENI) []string {
		if e.Attachment.ID == "" {
			return nil
		}
		return f(e.Attachment)
	}
}

func describeNetworkInterfaces(c *call, in *wire.DescribeNetworkInterfacesRequest) (*wire.DescribeNetworkInterfacesResult, error) {
	rows, next, err := networkInterfaces.find(c, query{in.NetworkInterfaceIds, in.Filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeNetworkInterfacesResult{NetworkInterfaces: convert(rows, c.networkInterface), NextToken: next}, err
}

func (c *call) networkInterface(e sim.ENI) wire.NetworkInterface {
	out := wire.NetworkInterface{
		NetworkInterfaceId: new(string(e.ID)), OwnerId: new(string(e.Owner)), VpcId: new(string(e.VPC)), SubnetId: new(string(e.Subnet)),
		AvailabilityZone: new(string(e.Zone)), Description: new(e.Description), InterfaceType: new("interface"), MacAddress: new(e.MAC),
		PrivateIpAddress: new(e.PrivateIP.String()), PrivateDnsName: optional(c.privateDNSName(e)), Groups: c.groups(e),
		RequesterManaged: new(false), SourceDestCheck: new(e.SourceDestCheck), Status: new(world.ENIStatus(e)),
		Association: c.association(e), Ipv6Addresses: []wire.NetworkInterfaceIpv6Address{}, TagSet: tagSet(e.Tags),
		PrivateIpAddresses: []wire.NetworkInterfacePrivateIpAddress{{Primary: new(true), PrivateIpAddress: new(e.PrivateIP.String()),
			PrivateDnsName: optional(c.privateDNSName(e)), Association: c.association(e)}},
	}
	if a := e.Attachment; a.ID != "" {
		out.Attachment = &wire.NetworkInterfaceAttachment{AttachmentId: new(string(a.ID)), InstanceId: optional(a.Instance), InstanceOwnerId: new(string(e.Owner)),
			DeviceIndex: &a.DeviceIndex, DeleteOnTermination: &a.DeleteOnTermination, AttachTime: optionalTime(a.At), NetworkCardIndex: new(0), Status: new("attached")}
	}
	return out
}

// association is an interface's public address. One out of the pool belongs to
// Amazon and has no ids, an Elastic IP belongs to its account.
func (c *call) association(e sim.ENI) *wire.NetworkInterfaceAssociation {
	if !e.PublicIP.IsValid() {
		return nil
	}
	out := &wire.NetworkInterfaceAssociation{PublicIp: new(e.PublicIP.String()), PublicDnsName: new(c.publicDNSName(e)), IpOwnerId: new("amazon")}
	if a, ok := c.Addresses.Get(e.Allocation); ok {
		out.AllocationId, out.AssociationId, out.IpOwnerId = optional(a.Allocation), optional(a.Association), new(string(a.Owner))
	}
	return out
}

func (c *call) publicDNSName(e sim.ENI) string { return c.PublicDNSName(c.opts.Region, e) }

// privateDNSName is "" in a VPC without a resolver.
func (c *call) privateDNSName(e sim.ENI) string {
	if !e.PrivateIP.IsValid() || !c.VPCs.Row(e.VPC).DNSSupport {
		return ""
	}
	return sim.PrivateDNSName(c.opts.Region, e.PrivateIP)
}

func (c *call) groupName(g sim.SecurityGroupID) string { return c.SecurityGroups.Row(g).Name }

func (c *call) groups(e sim.ENI) []wire.GroupIdentifier {
	return convert(e.SecurityGroups, func(g sim.SecurityGroupID) wire.GroupIdentifier {
		return wire.GroupIdentifier{GroupId: new(string(g)), GroupName: new(c.groupName(g))}
	})
}
