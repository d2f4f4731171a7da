//go:build linux

package linux

import (
	"fmt"
	"hash/fnv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// EC2 does not track every connection (sim.OpenRule); the kernel does, as it needs to
// tell an answer. What EC2 does not track is marked, on the side of the sender of its
// first packet and on that of the receiver: each may have rules that track it. A
// marked connection passes as long as the rules are those that it was held against
// last, whose stamp is in its mark as well. Once they change, its next packets are
// held against them: the rules that let the connection begin, and, for answers, those
// of the other direction. So it is cut or goes on, tracked or not, at once, whoever is
// killed meanwhile; and as long as no rule changes it costs no more than another.
const (
	untrackedFrom = 1 << 0 // by the groups of the sender
	untrackedTo   = 1 << 1 // by the groups of the receiver
	sides         = untrackedFrom | untrackedTo
)

// Chains of what has begun, and of what a rule has allowed: an open one, or another.
const (
	knownOut   = "known-out"
	knownIn    = "known-in"
	openOut    = "allowed-open-out"
	openIn     = "allowed-open-in"
	trackedOut = "allowed-out"
	trackedIn  = "allowed-in"
)

// allowedBy is the chain that what a rule allows goes to.
func allowedBy(ingress, open bool) string {
	switch {
	case ingress && open:
		return openIn
	case ingress:
		return trackedIn
	case open:
		return openOut
	}
	return trackedOut
}

// trackingSets: the interfaces that let all out to everyone, or all in, by protocol.
// Such are the answers of connections that are not tracked.
func trackingSets(site sim.Site, v dataplane.VPC) []set {
	out, in := set{name: "all_out", kind: nameProtoSet}, set{name: "all_in", kind: nameProtoSet}
	groups := make(map[sim.SecurityGroupID]dataplane.SecurityGroup)
	for _, g := range v.Groups {
		groups[g.ID] = g
	}
	for _, e := range v.ENIs {
		for _, g := range e.Groups {
			for _, p := range []sim.Protocol{sim.ProtocolTCP, sim.ProtocolUDP} {
				if letsAll(groups[g].Egress, p) {
					out.add(nameProtoElement(site.RouterLink(e.ID), p))
				}
				if letsAll(groups[g].Ingress, p) {
					in.add(nameProtoElement(site.RouterLink(e.ID), p))
				}
			}
		}
	}
	return []set{out, in}
}

func letsAll(rules []dataplane.Rule, p sim.Protocol) bool {
	for _, r := range rules {
		if sim.OpenTo(r.Protocol, r.CIDR, p) && sim.AllPorts(r.FromPort, r.ToPort) {
			return true
		}
	}
	return false
}

// trackingChains are the same for all VPCs but for the stamp of their rules. The bits of
// a side are the concern of the interface whose own address the packet has there: a
// middlebox tracks what it passes on.
func trackingChains(stamp uint32) []chain {
	isTracked := func(side uint32) part { return marked(side, 0) }
	fresh := marked(^uint32(sides), stamp)
	stamped := func(keep, set uint32) part { return setConnMark(keep, set|stamp) }
	return []chain{
		{name: knownOut, rules: []rule{
			newRule(isTracked(sides), accept),
			newRule(fresh, accept),
			newRule(iifSaddrNotIn("eni_src"), accept),
			newRule(original, isTracked(untrackedFrom), accept),
			newRule(reply, isTracked(untrackedTo), accept),
		}},
		{name: knownIn, rules: []rule{
			newRule(isTracked(sides), accept),
			newRule(fresh, accept),
			newRule(oif(gatewayLink), original, stamped(untrackedFrom, 0), accept),
			newRule(oifDaddrNotIn("eni_src"), accept),
			newRule(original, isTracked(untrackedTo), stamped(untrackedFrom, 0), accept),
			newRule(reply, isTracked(untrackedFrom), accept),
		}},
		{name: openOut, rules: []rule{
			newRule(original, iifSaddrIn("eni_src"), iifProtoIn("all_in"), setConnMark(^uint32(sides)|untrackedTo, untrackedFrom), accept),
			newRule(goTo(trackedOut)),
		}},
		{name: trackedOut, rules: []rule{
			newRule(original, iifSaddrIn("eni_src"), setConnMark(^uint32(untrackedFrom), 0), accept),
			newRule(accept),
		}},
		{name: openIn, rules: []rule{
			newRule(original, oifDaddrIn("eni_src"), oifProtoIn("all_out"), stamped(untrackedFrom, untrackedTo), goTo(allowedChain)),
			newRule(goTo(trackedIn)),
		}},
		{name: trackedIn, rules: []rule{
			newRule(oif(gatewayLink), stamped(untrackedFrom, 0), goTo(allowedChain)),
			newRule(original, oifDaddrIn("eni_src"), stamped(untrackedFrom, 0), goTo(allowedChain)),
			newRule(goTo(allowedChain)),
		}},
	}
}

// stampOf is a number for the rules in chains and sets: other rules, another number;
// never 0, and above the bits of the sides.
func stampOf(chains []chain, sets []set) uint32 {
	h := fnv.New32a()
	for _, c := range chains {
		fmt.Fprintln(h, "chain", c.name)
		for _, r := range c.rules {
			fmt.Fprintln(h, r.text)
		}
	}
	for _, s := range sets {
		fmt.Fprintln(h, "set", s.name)
		for _, e := range s.elements {
			fmt.Fprintln(h, e.text)
		}
	}
	return max(h.Sum32()&^sides, sides+1)
}

var nameProtoSet = setKind{text: "type ifname . inet_proto", concat: true,
	key: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeInetProto)}

func nameProtoElement(n string, p sim.Protocol) element {
	return element{text: fmt.Sprintf("%s . %d", n, p), key: append(ifname(n), byte(p), 0, 0, 0)} // to whole words
}

func iifProtoIn(set string) part { return nameProtoIn("iifname", expr.MetaKeyIIFNAME, set) }
func oifProtoIn(set string) part { return nameProtoIn("oifname", expr.MetaKeyOIFNAME, set) }

func nameProtoIn(word string, key expr.MetaKey, set string) part {
	return part{word + " . meta l4proto @" + set, []expr.Any{
		&expr.Meta{Key: key, Register: regName}, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: regAddr}, lookup(set, false)}}
}

// marked matches connections whose mark has value in the bits of mask.
func marked(mask, value uint32) part {
	return part{fmt.Sprintf("ct mark & %#x == %#x", mask, value), append(loadMark(mask, 0), equal(binaryutil.NativeEndian.PutUint32(value)))}
}

// setConnMark keeps some bits of the connection's mark and sets others.
func setConnMark(keep, set uint32) part {
	return part{fmt.Sprintf("ct mark set ct mark & %#x | %#x", keep&^set, set),
		append(loadMark(keep&^set, set), &expr.Ct{Key: expr.CtKeyMARK, Register: reg, SourceRegister: true})}
}

func loadMark(mask, xor uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: reg},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(mask), Xor: binaryutil.NativeEndian.PutUint32(xor)},
	}
}
