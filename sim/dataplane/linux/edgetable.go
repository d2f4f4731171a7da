//go:build linux

package linux

import (
	"net/netip"
	"time"

	"github.com/google/nftables"

	"labsim/sim/dataplane"
)

// edgeTables are all of an edge's.
func edgeTables(public netip.Prefix, g dataplane.Gateway) []table {
	return []table{edgeTable(public, g), edgeARPTable()}
}

// edgeTable translates 1:1, and passes nothing but what it translates.
func edgeTable(public netip.Prefix, g dataplane.Gateway) table {
	in := set{name: "pub2priv", kind: addrMap}
	out := set{name: "priv2pub", kind: addrMap}
	own := set{name: "privates", kind: addrSet}
	for _, p := range g.Publics {
		in.add(addrPairElement(p.Public, p.Private))
		out.add(addrPairElement(p.Private, p.Public))
		own.add(addrElement(p.Private))
	}
	return table{family: nftables.TableFamilyIPv4, name: "igw", sets: append([]set{in, out, own}, nearSets()...), chains: []chain{
		{name: "c_mark", hook: base(nftables.ChainTypeFilter, "prerouting", nftables.ChainHookPrerouting, -150, nftables.ChainPolicyAccept),
			rules: []rule{newRule(markPassed)}},
		// The edge itself answers nothing but ARP.
		{name: "c_in", hook: base(nftables.ChainTypeFilter, "input", nftables.ChainHookInput, 0, nftables.ChainPolicyDrop),
			rules: []rule{newRule(iif("lo"), accept)}},
		{name: "c_forward", hook: base(nftables.ChainTypeFilter, "forward", nftables.ChainHookForward, 0, nftables.ChainPolicyDrop),
			rules: []rule{
				newRule(iif(internetLink), oif(vpcLink), translated, accept),
				newRule(iif(vpcLink), oif(vpcLink), translated, accept),                         // to a public address of the same VPC
				newRule(iif(vpcLink), oif(internetLink), saddrIn("privates"), goTo("outwards")), // not yet translated
			}},
		outwardsChain(public),
		{name: "c_dnat", hook: base(nftables.ChainTypeNAT, "prerouting", nftables.ChainHookPrerouting, -100, nftables.ChainPolicyAccept),
			rules: []rule{newRule(dnatBy("pub2priv"))}},
		// No condition on the way out: within the VPC, too, the peer sees the public address.
		{name: "c_snat", hook: base(nftables.ChainTypeNAT, "postrouting", nftables.ChainHookPostrouting, 100, nftables.ChainPolicyAccept),
			rules: []rule{newRule(snatBy("priv2pub"))}},
	}}
}

// The edge has to ask by ARP for each new address of the public range that an
// instance sends to, and nobody may answer. The kernel keeps each question for
// seconds, and has room for gc_thresh3 (arp(7): 1,024) on the whole machine. So who
// scans the range is slowed down: an instance may begin with nearBurst addresses
// that were not sent to lately, and then with nearRate more each second.
const (
	nearRate  = 10
	nearBurst = 20
	nearMost  = 128 // of all instances of a VPC
	nearTime  = 10 * time.Second
)

func nearSets() []set {
	return []set{
		dynamicSet("near", "ipv4_addr", nftables.TypeIPAddr, nearMost, nearTime),     // sent to lately
		dynamicSet("asking", "ipv4_addr", nftables.TypeIPAddr, maxSources, nearTime), // by whom
	}
}

// outwardsChain lets out what is answered already, what goes to the internet by the
// machine, and what begins with addresses of the public range slowly enough.
func outwardsChain(public netip.Prefix) chain {
	return chain{name: "outwards", rules: []rule{
		newRule(established, accept),
		newRule(daddrNot(public), accept),
		newRule(daddrIn("near"), accept),
		newRule(note(keySaddr, "asking", overRate(nearRate, nearBurst)), drop),
		newRule(note(keyDaddr, "near"), accept),
		newRule(drop),
	}}
}
