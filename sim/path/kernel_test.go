package path_test

import (
	"net/netip"
	"slices"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// kernel is the dataplane in a few lines: it moves one packet through a Config
// as the routers' rulesets do, chain by chain, and knows nothing of the world
// but which instances are up.
type kernel struct {
	c    *dataplane.Config
	live map[sim.InstanceID]bool
	// machine has further addresses of the host: what it refuses though the
	// internet is real.
	machine []netip.Addr
}

type packet struct {
	src, dst netip.Addr
	proto    sim.Protocol
	port     int
	reply    bool // conntrack: established
}

// port is where a packet enters or leaves a VPC's router.
type port struct {
	eni     *dataplane.ENI // nil: see below
	gateway bool
	local   bool
}

var unroutable = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("100.64.0.0/10")}

var special = []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/3"), netip.MustParsePrefix("0.0.0.0/8")}

// fromGuest returns whether p, sent by an interface, is answered to it.
func (k kernel) fromGuest(v *dataplane.VPC, e *dataplane.ENI, p packet) bool {
	if !k.live[e.Instance] {
		return false
	}
	if p.dst == e.Addr {
		return true
	}
	out, ok := k.forward(v, port{eni: e}, p)
	switch {
	case !ok:
		return false
	case out.local:
		return true
	case out.eni != nil: // within the VPC
		back, ok := k.forward(v, port{eni: out.eni}, packet{src: p.dst, dst: p.src, reply: true})
		return ok && out.eni.Addr == p.dst && back.eni == e
	}
	p.src = translate(v, p.src, false)
	if !k.fromEdge(p) && !k.throughHost(v, p) {
		return false
	}
	_, ok = k.forward(v, port{gateway: true}, packet{src: p.dst, dst: e.Addr, reply: true})
	return ok
}

// fromEdge returns whether p, on the public range, is answered there.
func (k kernel) fromEdge(p packet) bool {
	for i := range k.c.VPCs {
		v := &k.c.VPCs[i]
		private := translate(v, p.dst, true)
		if v.Gateway == nil || private == p.dst {
			continue
		}
		p.dst = private
		out, ok := k.forward(v, port{gateway: true}, p)
		if !ok || out.eni == nil {
			return false
		}
		out, ok = k.forward(v, port{eni: out.eni}, packet{src: private, dst: p.src, reply: true})
		return ok && out.gateway && k.c.Public.Contains(p.src)
	}
	return false
}

// throughHost returns whether the edge has a way to the host for p, and the host
// passes it on.
func (k kernel) throughHost(v *dataplane.VPC, p packet) bool {
	return v.Gateway.Internet && !k.c.Public.Contains(p.dst) && !slices.Contains(k.machine, p.dst) &&
		!contains(unroutable, p.dst) && !contains(special, p.dst)
}

// translate maps a public address to the private one, or back; what is not
// mapped stays.
func translate(v *dataplane.VPC, a netip.Addr, inwards bool) netip.Addr {
	if v.Gateway == nil {
		return a
	}
	for _, p := range v.Gateway.Publics {
		if inwards && p.Public == a {
			return p.Private
		}
		if !inwards && p.Private == a {
			return p.Public
		}
	}
	return a
}

// forward is one VPC's router: raw, routing, then the forward chains in turn.
func (k kernel) forward(v *dataplane.VPC, in port, p packet) (port, bool) {
	if in.gateway && contains(v.CIDRs, p.src) || in.eni != nil && in.eni.Addr != p.src {
		return port{}, false
	}
	out, ok := k.lookup(v, in, p.dst)
	if !ok {
		return port{}, false
	}
	if out.local {
		return out, k.input(v, p)
	}
	if out.gateway {
		if !p.reply && (contains(unroutable, p.dst) || p.dst == sim.AddrAt(k.c.Public, 1)) || translate(v, p.src, false) == p.src {
			return port{}, false
		}
	}
	if !p.reply && in.eni != nil && !k.accepts(v, in.eni, true, p, p.dst) {
		return port{}, false
	}
	if !p.reply && out.eni != nil && !k.accepts(v, out.eni, false, p, p.src) {
		return port{}, false
	}
	if out.eni != nil && out.eni.Addr != p.dst && out.eni.SourceDestCheck {
		return port{}, false
	}
	return out, true
}

func (k kernel) input(v *dataplane.VPC, p packet) bool {
	dns := v.DNS.IsValid() && (p.dst == v.DNS || p.dst == sim.DNSLinkLocal)
	return p.dst == sim.MetadataAddr && p.proto == sim.ProtocolTCP && p.port == 80 ||
		dns && p.port == 53 && (p.proto == sim.ProtocolTCP || p.proto == sim.ProtocolUDP)
}

// lookup is the kernel's rules: local, the subnet's table, then the interfaces.
func (k kernel) lookup(v *dataplane.VPC, in port, dst netip.Addr) (port, bool) {
	if dst == sim.MetadataAddr || dst == sim.DNSLinkLocal || dst == sim.DNSAddr(v.CIDRs[0]) {
		return port{local: true}, true
	}
	for _, n := range v.Subnets {
		if sim.RouterAddr(n.CIDR) == dst {
			return port{local: true}, true
		}
	}
	if in.eni != nil {
		if r, ok := k.longest(v, in.eni, dst); ok {
			switch r.Kind {
			case dataplane.RouteGateway:
				return port{gateway: true}, v.Gateway != nil
			case dataplane.RouteENI:
				e := eniOf(v, func(e dataplane.ENI) bool { return e.ID == r.ENI })
				return port{eni: e}, e != nil && k.live[e.Instance]
			}
			return port{}, false
		}
		if !contains(v.CIDRs, dst) {
			return port{}, false
		}
	}
	e := eniOf(v, func(e dataplane.ENI) bool { return e.Addr == dst })
	return port{eni: e}, e != nil && k.live[e.Instance]
}

// longest returns the table's route, unless the throw of the VPC's own block is longer.
func (k kernel) longest(v *dataplane.VPC, e *dataplane.ENI, dst netip.Addr) (best dataplane.Route, ok bool) {
	bits := -1
	for _, c := range v.CIDRs {
		if c.Contains(dst) {
			bits = max(bits, c.Bits())
		}
	}
	for _, n := range v.Subnets {
		for _, t := range v.Tables {
			for _, r := range t.Routes {
				if n.ID == e.Subnet && t.ID == n.Table && r.Destination.Contains(dst) && r.Destination.Bits() >= bits {
					best, bits, ok = r, r.Destination.Bits(), true
				}
			}
		}
	}
	return best, ok
}

func (k kernel) accepts(v *dataplane.VPC, e *dataplane.ENI, egress bool, p packet, peer netip.Addr) bool {
	for _, g := range v.Groups {
		rules := g.Ingress
		if egress {
			rules = g.Egress
		}
		for _, r := range rules {
			if slices.Contains(e.Groups, g.ID) && matches(r, p) && peerMatches(v, r, peer) {
				return true
			}
		}
	}
	return false
}

func matches(r dataplane.Rule, p packet) bool {
	if r.Protocol == sim.ProtocolAll {
		return true
	}
	if r.Protocol != p.proto {
		return false
	}
	switch p.proto {
	case sim.ProtocolTCP, sim.ProtocolUDP:
		return r.FromPort < 0 || p.port >= r.FromPort && p.port <= r.ToPort
	case sim.ProtocolICMP:
		return (r.FromPort < 0 || r.FromPort == 8) && (r.FromPort < 0 || r.ToPort < 0 || r.ToPort == 0)
	}
	return true
}

func peerMatches(v *dataplane.VPC, r dataplane.Rule, peer netip.Addr) bool {
	if r.Group == "" {
		return r.CIDR.Contains(peer)
	}
	for _, g := range v.Groups {
		if g.ID == r.Group {
			return slices.Contains(g.Members, peer)
		}
	}
	return false
}

func eniOf(v *dataplane.VPC, is func(dataplane.ENI) bool) *dataplane.ENI {
	if i := slices.IndexFunc(v.ENIs, is); i >= 0 {
		return &v.ENIs[i]
	}
	return nil
}

func contains(blocks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(blocks, func(p netip.Prefix) bool { return p.Contains(a) })
}
