package sim

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Limits of a CIDR block (VPC User Guide, "VPC CIDR blocks"): between /16 and
// /28, for the VPC and for a subnet alike.
const (
	MinPrefixBits = 16
	MaxPrefixBits = 28
)

// Well-known addresses that every VPC's router answers.
var (
	MetadataAddr  = netip.MustParseAddr("169.254.169.254")
	DNSLinkLocal  = netip.MustParseAddr("169.254.169.253")
	Everywhere    = netip.MustParsePrefix("0.0.0.0/0")
	linkLocalNet  = netip.MustParsePrefix("169.254.0.0/16")
	loopbackNet   = netip.MustParsePrefix("127.0.0.0/8")
	multicastNet  = netip.MustParsePrefix("224.0.0.0/4")
	reservedAbove = netip.MustParsePrefix("240.0.0.0/4")
)

// Ranges that sites take their public addresses from: TEST-NET-2 (RFC 5737) for
// the default site, the benchmark range (RFC 2544) for the others. Neither is
// anybody's address.
var (
	DefaultPublic = netip.MustParsePrefix("198.51.100.0/24")
	OtherPublic   = netip.MustParsePrefix("198.18.0.0/15")
)

// PrivateRanges are not routed on the internet: an internet gateway takes them
// from nobody (VPC User Guide, "Internet gateways").
var PrivateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	linkLocalNet,
	netip.MustParsePrefix("100.64.0.0/10"),
}

// BeyondReach are, besides the machine's own addresses, the ranges that the
// machine passes on from no instance, whatever the lab says: private ones, the
// sites', and those that are no address of the internet (RFC 6890).
var BeyondReach = append(slices.Clip(PrivateRanges),
	netip.MustParsePrefix("0.0.0.0/8"), loopbackNet, netip.MustParsePrefix("192.0.0.0/24"),
	DefaultPublic, OtherPublic, multicastNet, reservedAbove)

// OnInternet reports whether a is an address that an instance may reach through
// the machine, where the internet is real.
func OnInternet(a netip.Addr) bool {
	return a.Is4() && !slices.ContainsFunc(BeyondReach, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ParseCIDR parses an IPv4 CIDR block. Host bits are cleared, as EC2 does with
// a subnet's block; changed says whether there were any, so that a caller can
// warn and show the block that was meant.
func ParseCIDR(s string) (p netip.Prefix, changed bool, err error) {
	p, perr := netip.ParsePrefix(s)
	if perr != nil || !p.Addr().Is4() {
		return netip.Prefix{}, false, Errorf(CodeInvalidParameterValue,
			"Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", s)
	}
	m := p.Masked()
	return m, m != p, nil
}

// CheckVPCCIDR says why p can't be the block of a VPC, or nil.
func CheckVPCCIDR(p netip.Prefix) error {
	if !sizeOK(p) {
		return Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid.", p)
	}
	for _, r := range []netip.Prefix{linkLocalNet, loopbackNet, multicastNet, reservedAbove} {
		if r.Overlaps(p) {
			return Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid: it overlaps with %s, which is reserved.", p, r)
		}
	}
	return nil
}

// CheckSubnetCIDR says why p can't be the block of a subnet in a VPC of the
// blocks vpc beside the subnets others, or nil.
func CheckSubnetCIDR(p netip.Prefix, vpc, others []netip.Prefix) error {
	if !sizeOK(p) || !within(p, vpc) {
		return Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", p)
	}
	for _, o := range others {
		if o.Overlaps(p) {
			return Errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", p)
		}
	}
	return nil
}

// CheckSubnetAddr says why a can't be given to an interface in a subnet, or
// nil. Whether it is in use is the world's to know. The first four addresses
// and the last one are reserved (VPC User Guide, "Subnet sizing").
func CheckSubnetAddr(a netip.Addr, subnet netip.Prefix) error {
	if !subnet.Contains(a) {
		return Errorf(CodeInvalidParameterValue, "Address %s does not fall within the subnet's address range", a)
	}
	if off := offset(a, subnet); off < 4 || off == size(subnet)-1 {
		return Errorf(CodeInvalidParameterValue, "Address %s is in subnet's reserved address range", a)
	}
	return nil
}

// RouterAddr returns the subnet's router, its first address after the network's own.
func RouterAddr(subnet netip.Prefix) netip.Addr { return AddrAt(subnet, 1) }

// DNSAddr returns the address of the VPC's resolver: the block's base plus two.
func DNSAddr(vpc netip.Prefix) netip.Addr { return AddrAt(vpc, 2) }

// UsableAddrs returns how many addresses of an empty subnet can be given out.
func UsableAddrs(subnet netip.Prefix) int { return int(size(subnet)) - 5 }

// AddrAt returns the address at that offset from the block's base.
func AddrAt(p netip.Prefix, off uint32) netip.Addr {
	b := p.Masked().Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+off)
	return netip.AddrFrom4(b)
}

func sizeOK(p netip.Prefix) bool {
	return p.IsValid() && p.Addr().Is4() && p.Bits() >= MinPrefixBits && p.Bits() <= MaxPrefixBits
}

func within(p netip.Prefix, blocks []netip.Prefix) bool {
	for _, b := range blocks {
		if b.Bits() <= p.Bits() && b.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

func offset(a netip.Addr, p netip.Prefix) uint32 {
	x, base := a.As4(), p.Masked().Addr().As4()
	return binary.BigEndian.Uint32(x[:]) - binary.BigEndian.Uint32(base[:])
}

func size(p netip.Prefix) uint32 { return 1 << (32 - p.Bits()) }
