package exercise

import (
	"net/netip"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// subnetBits is the prefix length of a subnet that a solution makes, where its
// VPC has room for several; it takes a quarter of a smaller one.
const (
	subnetBits    = 24
	quarterBits   = 2
	longestSubnet = 28
)

// freeCIDR returns a block of the VPC for one more subnet, "" where there is none.
// The first block is the last choice: 10.0.1.0/24 is easier to talk about than
// 10.0.0.0/24.
func (d *description) freeCIDR(vpc, cidr string) string {
	block, err := netip.ParsePrefix(cidr)
	if err != nil {
		return ""
	}
	var taken []netip.Prefix
	for _, s := range d.Subnets {
		if p, err := netip.ParsePrefix(wire.Value(s.CidrBlock)); err == nil && wire.Value(s.VpcId) == vpc {
			taken = append(taken, p)
		}
	}
	bits := min(max(subnetBits, block.Bits()+quarterBits), longestSubnet)
	n := uint32(1) << (bits - block.Bits())
	for i := range n {
		p := netip.PrefixFrom(sim.AddrAt(block, (i+1)%n<<(32-bits)), bits)
		if sim.CheckSubnetCIDR(p, []netip.Prefix{block}, taken) == nil {
			return p.String()
		}
	}
	return ""
}
