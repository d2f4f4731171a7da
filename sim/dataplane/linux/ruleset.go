//go:build linux

package linux

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Names in a router.
const (
	gatewayLink = "igw0" // towards the edge
	noRouteLink = "lo"   // what has no route is sent here, and counted and dropped on the way
)

// Names of what decides, as Counter.ID has them.
const (
	dropSpoofed  = "drop:spoofed"
	dropNoRoute  = "drop:no-route"
	dropNoPublic = "drop:no-public-address"
	dropSrcDest  = "drop:source-dest-check"
	dropInvalid  = "drop:invalid"
	dropRouter   = "drop:router" // for an address of the router itself
	dropServices = "drop:link-local"
)

func dropIngress(e sim.ENIID) string { return "drop:" + string(e) + ":ingress" }
func dropEgress(e sim.ENIID) string  { return "drop:" + string(e) + ":egress" }

// Priorities of the base chains on the forward hook, in the order in which EC2
// asks: the sender's groups, (network ACL out, 10), the route, (network ACL in,
// 30), the receiver's groups. "accept" ends its own base chain only, so a packet
// has to be accepted by each.
const (
	prioEgress  = 0
	prioGateway = 20
	prioIngress = 40
)

// ruleset compiles a VPC into the table of its router. public is the site's
// public range, whose first address is the engine's host.
func ruleset(site sim.Site, public netip.Prefix, v dataplane.VPC) table {
	t := table{family: nftables.TableFamilyINet, name: "vpc",
		counters: []string{dropSpoofed, dropNoRoute, dropNoPublic, dropSrcDest, dropInvalid, dropRouter, dropServices, dropFlows}}
	groups := make(map[sim.SecurityGroupID]bool)
	for _, g := range v.Groups {
		groups[g.ID] = true
	}
	tracking := trackingSets(site, v)
	t.sets = slices.Concat(interfaceSets(site, v), tracking, flowSets())
	t.sets = append(t.sets, dynamicSet("services", "ifname", nftables.TypeIFName, maxSources, 0))
	for _, g := range v.Groups {
		t.sets = append(t.sets, memberSet(g))
	}
	t.chains = []chain{
		spoofChain(v), markChain(), localChain(v),
		egressChain(), gatewayChain(public), ingressChain(),
	}
	t.chains = append(t.chains, flowChains()...)
	var asked []chain // of groups and interfaces
	for _, g := range v.Groups {
		for _, open := range []bool{true, false} {
			asked = append(asked, groupChain(groupIn(g.ID, open), g.Ingress, true, open, groups), groupChain(groupOut(g.ID, open), g.Egress, false, open, groups))
		}
		for _, r := range append(append([]dataplane.Rule{}, g.Ingress...), g.Egress...) {
			t.counters = append(t.counters, string(r.ID))
		}
	}
	for _, e := range v.ENIs {
		link := site.RouterLink(e.ID)
		asked = append(asked,
			interfaceChain(eniIn(link), e.Groups, groupIn, groups, dropIngress(e.ID)),
			interfaceChain(eniOut(link), e.Groups, groupOut, groups, dropEgress(e.ID)))
		t.counters = append(t.counters, dropIngress(e.ID), dropEgress(e.ID))
	}
	t.chains = slices.Concat(t.chains, trackingChains(stampOf(asked, tracking)), asked)
	return t
}

// Names of chains and sets. Some plain words are nft's own, so all have a prefix. A
// group has a chain for its open rules (sim.OpenRule) and one for the others.
func groupIn(g sim.SecurityGroupID, open bool) string  { return openWord(open) + "in-" + string(g) }
func groupOut(g sim.SecurityGroupID, open bool) string { return openWord(open) + "out-" + string(g) }
func chainsOf(g sim.SecurityGroupID) []string {
	return []string{groupIn(g, true), groupOut(g, true), groupIn(g, false), groupOut(g, false)}
}
func members(g sim.SecurityGroupID) string { return "members-" + string(g) }
func eniIn(link string) string             { return "in-" + link }
func eniOut(link string) string            { return "out-" + link }

func openWord(open bool) string {
	if open {
		return "open-"
	}
	return ""
}

// interfaceSets says which interfaces there are, and what is whose.
func interfaceSets(site sim.Site, v dataplane.VPC) []set {
	src := set{name: "eni_src", kind: nameAddrSet}   // interface and its own address
	noCheck := set{name: "eni_nochk", kind: nameSet} // no source/destination check
	in := set{name: "eni_in", kind: verdictMap}
	out := set{name: "eni_out", kind: verdictMap}
	pub := set{name: "pubsrc", kind: addrSet} // private addresses that have a public one
	mark := set{name: "subnet_mark", kind: markMap}
	dns := set{name: "dns", kind: addrSet}
	for _, e := range v.ENIs {
		link := site.RouterLink(e.ID)
		src.add(nameAddrElement(link, e.Addr))
		if !e.SourceDestCheck {
			noCheck.add(nameElement(link))
		}
		in.add(jumpElement(link, eniIn(link)))
		out.add(jumpElement(link, eniOut(link)))
	}
	if v.Gateway != nil {
		for _, p := range v.Gateway.Publics {
			pub.add(addrElement(p.Private))
		}
	}
	mark.add(markElement(0, passed)) // the gateway's link
	for _, s := range v.Subnets {
		mark.add(markElement(deviceGroup(s), subnetMark(s)))
	}
	if v.DNS.IsValid() {
		dns.add(addrElement(v.DNS), addrElement(sim.DNSLinkLocal))
	}
	return []set{src, noCheck, in, out, pub, mark, dns}
}

func memberSet(g dataplane.SecurityGroup) set {
	s := set{name: members(g.ID), kind: addrSet}
	for _, a := range g.Members {
		s.add(addrElement(a))
	}
	return s
}

// spoofChain lets in what comes from an interface with that interface's own
// address, and from the internet what doesn't claim to come from the VPC. The
// order is by how often: most of all packets meet one lookup.
func spoofChain(v dataplane.VPC) chain {
	c := chain{name: "c_spoof", hook: base(nftables.ChainTypeFilter, "prerouting", nftables.ChainHookPrerouting, -300, nftables.ChainPolicyDrop)}
	c.rules = []rule{
		newRule(iif("lo"), accept),
		newRule(notIPv4(), drop),
		newRule(iifSaddrIn("eni_src"), accept),
	}
	for _, p := range v.CIDRs {
		c.rules = append(c.rules, newRule(iif(gatewayLink), saddr(p), count(dropSpoofed), drop))
	}
	c.rules = append(c.rules,
		newRule(iif(gatewayLink), accept),
		newRule(iifIn("eni_nochk"), accept),
		newRule(count(dropSpoofed), drop))
	return c
}

// markChain marks packets with their subnet, which chooses the route table. What has
// no mark goes nowhere: see gates.go.
func markChain() chain {
	return chain{name: "c_mark",
		hook:  base(nftables.ChainTypeFilter, "prerouting", nftables.ChainHookPrerouting, -150, nftables.ChainPolicyAccept),
		rules: []rule{newRule(markByGroup("subnet_mark"))}}
}

// What one interface may send to the router's own services, metadata and DNS, in a
// second and at once: what EC2 has (EC2 User Guide, "Query instance metadata", and
// VPC User Guide, "DNS quotas"; its counter is linklocal_allowance_exceeded). Packets
// are counted, not connections: those of one port are one connection, and who asks
// from one port would fill the socket that its whole VPC shares.
const servicePackets = 1024

// localChain: what the router itself answers, which no security group governs.
// Other addresses of the router, a subnet's first one for instance, don't answer,
// as on AWS.
func localChain(v dataplane.VPC) chain {
	c := chain{name: "c_local", hook: base(nftables.ChainTypeFilter, "input", nftables.ChainHookInput, 0, nftables.ChainPolicyDrop)}
	c.rules = []rule{
		newRule(iif("lo"), accept),
		newRule(iif(gatewayLink), count(dropRouter), drop),
		newRule(note(keyIif, "services", overRate(servicePackets, servicePackets)), count(dropServices), drop),
	}
	if !v.DNS.IsValid() { // also what has been answered until now, and who asks from the same port
		for _, a := range resolverAddrs(v) {
			c.rules = append(c.rules, newRule(daddr(prefix32(a)), count(dropRouter), drop))
		}
	}
	c.rules = append(c.rules,
		newRule(established, accept),
		newRule(invalid, count(dropInvalid), drop),
		newRule(daddr(netip.PrefixFrom(sim.MetadataAddr, 32)), protocol(sim.ProtocolTCP), dports(80, 80), goTo(allowedChain)),
		newRule(daddrIn("dns"), protocol(sim.ProtocolUDP), dports(53, 53), goTo(allowedChain)),
		newRule(daddrIn("dns"), protocol(sim.ProtocolTCP), dports(53, 53), goTo(allowedChain)),
		newRule(count(dropRouter), drop))
	return c
}

// resolverAddrs are those that the VPC's resolver has, or would have.
func resolverAddrs(v dataplane.VPC) []netip.Addr {
	out := []netip.Addr{sim.DNSLinkLocal}
	if len(v.CIDRs) > 0 {
		out = append(out, sim.DNSAddr(v.CIDRs[0]))
	}
	return out
}

// egressChain asks the groups of the sending interface, for what has not begun yet.
func egressChain() chain {
	return chain{name: "c_egress", hook: forward(prioEgress), rules: []rule{
		newRule(established, jump(knownOut)),
		newRule(invalid, count(dropInvalid), drop),
		newRule(iif(gatewayLink), accept),
		newRule(iifVmap("eni_out")),
	}}
}

// gatewayChain drops what leads nowhere. It asks every packet, so that a route
// or a public address that was taken away cuts connections at once. What goes to
// an interface's own address is most of it, and comes first.
func gatewayChain(public netip.Prefix) chain {
	c := chain{name: "c_gateway", hook: forward(prioGateway)}
	c.rules = []rule{
		newRule(oifDaddrIn("eni_src"), accept),
		newRule(oif(noRouteLink), count(dropNoRoute), drop),
	}
	toInternet := func(p ...part) { c.rules = append(c.rules, newRule(append([]part{oif(gatewayLink)}, p...)...)) }
	toInternet(saddrNotIn("pubsrc"), count(dropNoPublic), drop)
	// Only what an instance begins: answers to such a peer pass.
	for _, p := range sim.PrivateRanges {
		toInternet(daddr(p), original, count(dropNoRoute), drop)
	}
	if public.IsValid() {
		host := netip.PrefixFrom(sim.AddrAt(public, 1), 32)
		toInternet(daddr(host), original, count(dropNoRoute), drop)
	}
	toInternet(accept)
	c.rules = append(c.rules,
		newRule(oifIn("eni_nochk"), accept),
		newRule(count(dropSrcDest), drop))
	return c
}

// ingressChain asks the groups of the receiving interface.
func ingressChain() chain {
	return chain{name: "c_ingress", hook: forward(prioIngress), rules: []rule{
		newRule(established, jump(knownIn)),
		newRule(oif(gatewayLink), goTo(trackedIn)),
		newRule(oifVmap("eni_in")),
	}}
}

func forward(priority int) *hook {
	return base(nftables.ChainTypeFilter, "forward", nftables.ChainHookForward, priority, nftables.ChainPolicyDrop)
}

// interfaceChain asks one group after the other, all for their open rules first: the
// most permissive rule applies, and says whether the connection is tracked. A group
// that the config lacks allows nothing.
func interfaceChain(name string, ids []sim.SecurityGroupID, chainOf func(sim.SecurityGroupID, bool) string, known map[sim.SecurityGroupID]bool, counter string) chain {
	c := chain{name: name}
	for _, open := range []bool{true, false} {
		for _, g := range ids {
			if known[g] {
				c.rules = append(c.rules, newRule(jump(chainOf(g, open))))
			}
		}
	}
	c.rules = append(c.rules, newRule(count(counter), drop))
	return c
}

// groupChain has the rules of a group that are open, or those that are not.
func groupChain(name string, rules []dataplane.Rule, ingress, open bool, known map[sim.SecurityGroupID]bool) chain {
	c := chain{name: name}
	verdict := goTo(allowedBy(ingress, open))
	for _, r := range rules {
		peer, ok := peerOf(r, ingress, known)
		if !ok || sim.OpenRule(r.Protocol, r.CIDR) != open {
			continue
		}
		parts := append([]part{peer}, traffic(r)...)
		c.rules = append(c.rules, newRule(append(parts, count(string(r.ID)), verdict)...))
	}
	return c
}

// peerOf matches the other side; false: there can't be such a packet.
func peerOf(r dataplane.Rule, ingress bool, known map[sim.SecurityGroupID]bool) (part, bool) {
	switch {
	case r.Group != "" && ingress:
		return saddrIn(members(r.Group)), known[r.Group]
	case r.Group != "":
		return daddrIn(members(r.Group)), known[r.Group]
	case !r.CIDR.Addr().Is4():
		return part{}, false
	case ingress:
		return saddr(r.CIDR), true
	}
	return daddr(r.CIDR), true
}

func traffic(r dataplane.Rule) []part {
	switch r.Protocol {
	case sim.ProtocolAll:
		return nil
	case sim.ProtocolTCP, sim.ProtocolUDP:
		if r.FromPort < 0 {
			return []part{protocol(r.Protocol)}
		}
		return []part{protocol(r.Protocol), dports(r.FromPort, r.ToPort)}
	case sim.ProtocolICMP:
		parts := []part{protocol(r.Protocol)}
		if r.FromPort >= 0 {
			parts = append(parts, icmpType(r.FromPort))
		}
		if r.FromPort >= 0 && r.ToPort >= 0 {
			parts = append(parts, icmpCode(r.ToPort))
		}
		return parts
	}
	return []part{protocol(r.Protocol)}
}
