//go:build linux

package linux

import (
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// The kernel learns neighbours from what ARP says, in one table for the whole
// machine (arp(7), gc_thresh3: 1,024 entries). So a router hears only what is true.

// dropARP counts ARP packets whose sender isn't the interface's own address.
const dropARP = "drop:forged-arp"

// Offsets into an ARP packet of Ethernet and IPv4 (RFC 826).
const (
	offSenderMAC = 8
	offSenderIP  = 14
)

// arpTable lets a router hear ARP packets that tell an interface's own address and
// MAC as their sender's, and no others.
func arpTable(site sim.Site, v dataplane.VPC) table {
	own := set{name: "eni_arp", kind: nameAddrMACSet}
	for _, e := range v.ENIs {
		if mac, err := net.ParseMAC(e.MAC); err == nil { // else it gets no link, either
			own.add(nameAddrMACElement(site.RouterLink(e.ID), e.Addr, mac))
		}
	}
	return table{family: nftables.TableFamilyARP, name: "vpc", counters: []string{dropARP}, sets: []set{own},
		chains: []chain{{name: "c_arp", hook: arpInput(nftables.ChainPolicyDrop), rules: []rule{
			newRule(arpSenderIn("eni_arp"), markPassed, accept),
			newRule(count(dropARP), drop),
		}}}}
}

// edgeARPTable: only labsim's own and the engine's machine are on the bridge, so an
// edge hears all; but it answers nothing without rules, see gates.go.
func edgeARPTable() table {
	return table{family: nftables.TableFamilyARP, name: "igw",
		chains: []chain{{name: "c_arp", hook: arpInput(nftables.ChainPolicyAccept), rules: []rule{newRule(markPassed)}}}}
}

// arpInput is the hook of ARP packets that came in. Its number is that of the
// first hook of IP.
func arpInput(policy nftables.ChainPolicy) *hook {
	return base(nftables.ChainTypeFilter, "input", nftables.ChainHookPrerouting, 0, policy)
}

// arpSenderIn looks the incoming interface, the sender's address and its MAC up.
func arpSenderIn(set string) part {
	return part{"iifname . arp saddr ip . arp saddr ether @" + set, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: regName},
		&expr.Payload{DestRegister: regAddr, Base: expr.PayloadBaseNetworkHeader, Offset: offSenderIP, Len: 4},
		&expr.Payload{DestRegister: regMAC, Base: expr.PayloadBaseNetworkHeader, Offset: offSenderMAC, Len: 6},
		lookup(set, false)}}
}

// regMAC lies behind regName (16 bytes) and regAddr (4).
const regMAC = unix.NFT_REG32_05
