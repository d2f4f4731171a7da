package dataplane

import (
	"net/netip"
	"time"

	"labsim/sim"
)

// Config is everything that a node keeps. Slices are sorted by ID, so that two
// configs of the same world are equal byte for byte. A new field, of any type here,
// comes with a new Revision, and its zero value means: as before it was there.
type Config struct {
	Site    string
	Version uint64 // of the world it was compiled from
	Region  sim.Region
	Public  netip.Prefix // the site's public range, 198.51.100.0/24
	VPCs    []VPC
	Volumes []Volume
	// Engine is what the engine knows, for an agent that has lost its record of it
	// (Report.Lost); else nil.
	Engine *Engine `json:",omitempty"`
}

// Engine is what the engine told the agent when containers were started.
type Engine struct {
	Endpoints []Endpoint // sorted by id
	Volumes   map[string]sim.VolumeID
}

// Endpoint is the engine's word for an interface that a running container has.
// Sandbox is the path of the container's network namespace.
type Endpoint struct {
	ID      string
	ENI     sim.ENIID
	Sandbox string
}

// VPC is one router: a network namespace with routes and rules.
type VPC struct {
	ID       sim.VPCID
	CIDRs    []netip.Prefix
	DNS      netip.Addr // base+2; also answered on 169.254.169.253; zero: no resolver
	Subnets  []Subnet
	Tables   []RouteTable
	Groups   []SecurityGroup
	ENIs     []ENI
	Gateway  *Gateway // nil: no internet gateway attached
	Names    []Name   // private DNS of this VPC
	Metadata []Metadata
}

// Subnet is a Docker network of the VPC. Number is small, dense and stable while
// the subnet lives; the driver uses it as device group and fwmark.
type Subnet struct {
	ID     sim.SubnetID
	CIDR   netip.Prefix
	Number uint32
	Table  sim.RouteTableID
}

// RouteTable is a table of routes that at least one subnet uses. Local routes
// are implied by the VPC's CIDRs and not listed.
type RouteTable struct {
	ID     sim.RouteTableID
	Number uint32
	Routes []Route
}

// Route leads out of the VPC, or to one of its interfaces. A route whose target
// doesn't stand is a blackhole.
type Route struct {
	Destination netip.Prefix
	Kind        RouteKind
	ENI         sim.ENIID // for RouteENI
}

// RouteKind is what a route does with a packet.
type RouteKind string

const (
	RouteBlackhole RouteKind = "blackhole"
	RouteGateway   RouteKind = "internet-gateway"
	RouteENI       RouteKind = "eni"
)

// SecurityGroup is one group's rules, compiled. Peers that are groups stay
// references: the driver keeps one address set per group (Members), so that a
// change of members touches one set.
type SecurityGroup struct {
	ID      sim.SecurityGroupID
	Ingress []Rule
	Egress  []Rule
	Members []netip.Addr // private addresses of the interfaces that carry it; for references only
}

// Rule accepts a packet. ID is counted by the kernel, so that a trace can show
// that the rule was hit.
type Rule struct {
	ID       sim.SecurityGroupRuleID
	Protocol sim.Protocol
	FromPort int // ports of TCP and UDP, type and code of ICMP; -1: all
	ToPort   int
	CIDR     netip.Prefix        // the peer, if Group is ""
	Group    sim.SecurityGroupID // the peer: members of this group
}

// ENI is a network interface that an instance of this node has, or will have.
type ENI struct {
	ID       sim.ENIID
	Subnet   sim.SubnetID
	Instance sim.InstanceID
	Addr     netip.Addr
	MAC      string
	Groups   []sim.SecurityGroupID
	// Public is the address that the gateway translates to Addr; zero: none.
	Public netip.Addr
	// SourceDestCheck drops packets that are neither from nor for Addr.
	SourceDestCheck bool
	// Bandwidth limits both directions, in Mbit/s; 0: no limit.
	Bandwidth int
}

// Gateway is the VPC's internet gateway: an edge container of the engine.
type Gateway struct {
	ID        sim.InternetGatewayID
	Container string // the edge container's name; the agent finds its namespace
	PID       int    // of the edge's first process on this node; 0: not there yet
	Publics   []PublicAddr
	// Internet lets them out to the machine's own internet; else there is the
	// site's public range and no more.
	Internet bool
}

// PublicAddr is a 1:1 translation.
type PublicAddr struct{ Public, Private netip.Addr }

// Name is a DNS name with its address. Names end without a dot.
type Name struct {
	Name string
	Addr netip.Addr
}

// Metadata is what 169.254.169.254 answers to the interface of address Addr.
type Metadata struct {
	Addr           netip.Addr
	Instance       sim.InstanceID
	Account        sim.AccountID
	Reservation    sim.ReservationID
	LaunchIndex    int
	LaunchTime     time.Time // of the last start
	Image          sim.ImageID
	Type           string
	Zone           sim.Zone
	Hostname       string // private DNS name
	PublicHostname string
	Public         netip.Addr
	MAC            string
	ENI            sim.ENIID
	VPC            sim.VPCID
	Subnet         sim.SubnetID
	VPCCIDR        netip.Prefix
	SubnetCIDR     netip.Prefix
	Groups         []sim.SecurityGroupID
	GroupNames     []string
	KeyName        string
	PublicKey      string
	UserData       []byte
	BlockDevices   map[string]string // ami: /dev/xvda, ebs1: /dev/sdf
	Tags           sim.Tags          // only if the instance shows its tags
	TokensRequired bool
	HopLimit       int
	Disabled       bool
	Architecture   string
}

// Volume is a volume's file on this node.
type Volume struct {
	ID      sim.VolumeID
	Account sim.AccountID
	Region  sim.Region
	SizeGiB int
	Lab     string
	Name    string
	Tags    sim.Tags
	// Delete destroys the data: the owner deleted the volume. A volume that is
	// merely missing from the config keeps its file.
	Delete bool
}
