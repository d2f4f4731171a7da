package lab

import (
	"net/netip"

	"labsim/sim"
)

// Lab is a lab file, checked and in canonical form. The slices are in the order
// of the names, instances in the order in which they are to be launched.
type Lab struct {
	Name        string
	Internet    bool // instances reach the real internet
	VPCs        []VPC
	RouteTables []RouteTable
	Groups      []SecurityGroup
	Subnets     []Subnet
	Instances   []Instance
	Volumes     []Volume
}

// VPC: x-labsim.vpcs.NAME.
type VPC struct {
	Name            string
	CIDR            netip.Prefix
	InternetGateway bool
	DNSHostnames    bool
	DNSSupport      bool
}

// RouteTable: x-labsim.route_tables.NAME.
type RouteTable struct {
	Name, VPC string
	Routes    []Route
}

// Route leads to the VPC's internet gateway; other targets follow with their issues.
type Route struct {
	Destination netip.Prefix
	Target      string // internet_gateway
}

// SecurityGroup: x-labsim.security_groups.NAME. Egress nil: everything, as a
// new group has it.
type SecurityGroup struct {
	Name, VPC, Description string
	Ingress                []Rule
	Egress                 []Rule
	EgressSet              bool
}

// Rule allows one range of ports for one peer.
type Rule struct {
	Protocol sim.Protocol
	From, To int          // ports, or ICMP type and code; -1: all
	CIDR     netip.Prefix // the peer, if Group is ""
	Group    string       // the peer: a group of the lab, by name
}

// Subnet: networks.NAME with x-labsim-subnet.
type Subnet struct {
	Name, VPC   string
	CIDR        netip.Prefix
	Zone        string // a, b or c
	RouteTable  string // "": the VPC's main table
	MapPublicIP bool
}

// Instance: services.NAME with x-labsim-instance.
type Instance struct {
	Name      string
	Image     string
	Type      string
	Hostname  string // "": as EC2 names the private address
	KeyName   string
	Subnet    string
	PrivateIP netip.Addr // zero: EC2 chooses
	PublicIP  *bool      // nil: as the subnet says
	Groups    []string   // empty: the VPC's default group
	UserData  string     // of the file; see (Instance).userData
	Service   *sim.Service
	Mounts    []Mount
	Tags      map[string]string // Compose's labels
}

// Mount is a volume of the lab at a path of the guest.
type Mount struct{ Volume, Path string }

// Volume: volumes.NAME with x-labsim-volume.
type Volume struct {
	Name string
	Size int // GiB
	Type string
	Zone string // of the instance that mounts it
}

func named[T any](list []T, name func(T) string, want string) (T, bool) {
	for _, x := range list {
		if name(x) == want {
			return x, true
		}
	}
	var zero T
	return zero, false
}

func (l *Lab) vpc(name string) (VPC, bool) {
	return named(l.VPCs, func(v VPC) string { return v.Name }, name)
}

func (l *Lab) subnet(name string) (Subnet, bool) {
	return named(l.Subnets, func(s Subnet) string { return s.Name }, name)
}

func (l *Lab) group(name string) (SecurityGroup, bool) {
	return named(l.Groups, func(g SecurityGroup) string { return g.Name }, name)
}

func (l *Lab) routeTable(name string) (RouteTable, bool) {
	return named(l.RouteTables, func(t RouteTable) string { return t.Name }, name)
}

func (l *Lab) instance(name string) (Instance, bool) {
	return named(l.Instances, func(i Instance) string { return i.Name }, name)
}

func (l *Lab) volume(name string) (Volume, bool) {
	return named(l.Volumes, func(v Volume) string { return v.Name }, name)
}
