package sim

import (
	"net/netip"
	"time"
)

// VPC is a virtual private cloud.
type VPC struct {
	ID           VPCID
	Owner        AccountID
	CIDRs        []netip.Prefix // the first one is the primary
	Tenancy      string         // "default"
	DNSSupport   bool           // the resolver at base+2 answers
	DNSHostnames bool           // instances get public DNS names
	Tags         Tags
}

// CIDR returns the primary block.
func (v VPC) CIDR() netip.Prefix { return v.CIDRs[0] }

// Subnet is a range of a VPC's addresses in one zone.
type Subnet struct {
	ID          SubnetID
	Owner       AccountID
	VPC         VPCID
	CIDR        netip.Prefix
	Zone        Zone
	MapPublicIP bool // instances launched here get a public address
	// Number is the smallest one, from 1 on, that no other subnet of the VPC had
	// when this one was made; it never changes. The dataplane marks packets with it.
	Number uint32
	Tags   Tags
	Status SubnetStatus
}

// SubnetStatus is what the reconciler has seen of a subnet.
type SubnetStatus struct {
	Ready bool // the network of the engine stands
}

// InternetGateway connects the VPC that it is attached to with the internet.
type InternetGateway struct {
	ID    InternetGatewayID
	Owner AccountID
	VPC   VPCID // "" while detached
	Tags  Tags
}

// RouteTable says where packets that leave a subnet go. The routes to the VPC's
// own blocks are part of Routes, with Target local.
type RouteTable struct {
	ID           RouteTableID
	Owner        AccountID
	VPC          VPCID
	Routes       []Route // sorted by destination
	Associations []RouteTableAssociation
	Number       uint32 // as Subnet.Number, among the VPC's route tables
	Tags         Tags
}

// Main reports whether the table serves the subnets that name no other.
func (t RouteTable) Main() bool {
	for _, a := range t.Associations {
		if a.Main {
			return true
		}
	}
	return false
}

// RouteTableAssociation binds a table to a subnet, or makes it the VPC's main table.
type RouteTableAssociation struct {
	ID     AssociationID
	Subnet SubnetID // "" for the main association
	Main   bool
}

// Route sends the packets for Destination to Target. Whether it is active or a
// blackhole follows from whether the target stands; it is not stored.
type Route struct {
	Destination netip.Prefix
	Target      RouteTarget
	Origin      RouteOrigin
}

// TargetKind is the kind of a route's target.
type TargetKind string

const (
	TargetLocal           TargetKind = "local"
	TargetInternetGateway TargetKind = "internet-gateway"
	TargetENI             TargetKind = "network-interface"
	// NAT gateway and peering follow with their issues.
)

// RouteTarget names where a route leads.
type RouteTarget struct {
	Kind TargetKind
	ID   string // igw-..., eni-...; "local" for TargetLocal
}

// RouteOrigin is how a route came to be (EC2 API, Route.Origin).
type RouteOrigin string

const (
	OriginCreateRouteTable RouteOrigin = "CreateRouteTable"
	OriginCreateRoute      RouteOrigin = "CreateRoute"
)

// Address is an Elastic IP address.
type Address struct {
	Allocation  AllocationID
	Owner       AccountID
	PublicIP    netip.Addr
	Association EIPAssociationID // "" while not associated
	ENI         ENIID
	PrivateIP   netip.Addr
	Tags        Tags
}

// ENI is an elastic network interface.
type ENI struct {
	ID              ENIID
	Owner           AccountID
	VPC             VPCID
	Subnet          SubnetID
	Zone            Zone
	Description     string
	MAC             string // lower case, colons
	PrivateIP       netip.Addr
	SecurityGroups  []SecurityGroupID
	SourceDestCheck bool
	Attachment      ENIAttachment // zero while available
	PublicIP        netip.Addr    // zero: none; auto-assigned or of Address Allocation
	Allocation      AllocationID  // "" where PublicIP was auto-assigned
	AutoPublicIP    bool          // while its instance runs it has an address of the pool, unless an Elastic IP
	Tags            Tags
}

// ENIAttachment binds an interface to an instance.
type ENIAttachment struct {
	ID                  AttachmentID // "" while the interface is available
	Instance            InstanceID
	DeviceIndex         int
	DeleteOnTermination bool
	At                  time.Time
}
