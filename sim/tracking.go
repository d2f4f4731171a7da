package sim

import "net/netip"

// Not every connection is tracked. One of TCP or UDP is not where a rule for
// 0.0.0.0/0 lets it begin and one of the other direction lets all answers go to
// 0.0.0.0/0, whatever their port. Each of its packets needs its rule, so it is cut as
// soon as that goes; a tracked one goes on. ICMP is always tracked, and so is what has
// addresses only (EC2 User Guide, "Security group connection tracking", "Untracked
// connections"). Of several rules that allow the same, the most permissive applies
// (EC2 User Guide, "Security group rules"): an open one goes before others.

// OpenRule reports whether a rule of a security group about a protocol and a peer is
// one by which connections begin that may be untracked.
func OpenRule(rule Protocol, peer netip.Prefix) bool {
	return OpenTo(rule, peer, ProtocolTCP) || OpenTo(rule, peer, ProtocolUDP)
}

// OpenTo reports the same of connections of one protocol.
func OpenTo(rule Protocol, peer netip.Prefix, p Protocol) bool {
	everyone := peer.IsValid() && peer.Bits() == 0
	return everyone && (p == ProtocolTCP || p == ProtocolUDP) && (rule == ProtocolAll || rule == p)
}

// AllPorts reports whether a rule is about every port.
func AllPorts(from, to int) bool { return from < 0 || from == 0 && to == 65535 }
