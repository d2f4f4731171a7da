package path

import (
	"net/netip"

	"labsim/sim"
)

// aStranger stands for any address of the internet beyond the site's range.
var aStranger = netip.MustParseAddr("203.0.113.1")

// host is the engine's machine, as the internet side of the site sees it.
func (t *tracer) host() netip.Addr { return sim.AddrAt(t.public, 1) }

// sender resolves the query's From; where nobody could send, it stops.
func (t *tracer) sender() (at, bool) {
	from := t.q.From
	switch {
	case from.Internet:
		return at{addr: t.host()}, true
	case from.Instance != "":
		return t.primary(from.Instance)
	}
	if e, ok := t.holder(from.Address); ok {
		return t.of(e), true
	}
	if !t.private(from.Address) {
		return at{addr: from.Address}, true
	}
	return t.inside(from.Address, t.vpcOf(t.q.To))
}

// primary resolves an instance to its primary interface.
func (t *tracer) primary(id sim.InstanceID) (at, bool) {
	i, ok := t.s.Instances.Get(id)
	if !ok {
		t.stop(Hop{Kind: KindEndpoint, Resource: string(id), Text: sim.T("there is no instance %s", string(id))})
		return at{}, false
	}
	e, ok := t.s.PrimaryENI(id)
	if !ok || i.Status.State == sim.StateTerminated {
		t.stop(Hop{Kind: KindInstance, Resource: string(id), Text: sim.T("%s is not running, but %s", name(i.Tags, id), string(i.Status.State))})
		return at{}, false
	}
	return t.of(e), true
}

// inside resolves a private address to the interface that has it, in one VPC or,
// where none is known, in any; it must be one.
func (t *tracer) inside(a netip.Addr, v sim.VPCID) (at, bool) {
	var found []sim.ENI
	for _, e := range t.s.ENIs.All() {
		if e.PrivateIP == a && (v == "" || e.VPC == v) && wired(t.s, e) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 1:
		return t.of(found[0]), true
	case 0:
		t.stop(Hop{Kind: KindEndpoint, Resource: a.String(), Text: sim.T("no instance has the address %s", a.String())})
	default:
		t.stop(Hop{Kind: KindEndpoint, Resource: a.String(), Text: sim.T("%d instances have the address %s, in VPCs of their own: name the instance", len(found), a.String())})
	}
	return at{}, false
}

// holder returns the interface whose public address a is.
func (t *tracer) holder(a netip.Addr) (sim.ENI, bool) {
	if !a.IsValid() {
		return sim.ENI{}, false
	}
	for _, e := range t.s.ENIs.All() {
		if e.PublicIP == a && wired(t.s, e) {
			return e, true
		}
	}
	return sim.ENI{}, false
}

// vpcOf returns the VPC that an endpoint is in by its own name, or "".
func (t *tracer) vpcOf(e Endpoint) sim.VPCID {
	if e.Instance != "" {
		return t.s.Instances.Row(e.Instance).VPC
	}
	h, _ := t.holder(e.Address)
	return h.VPC
}

// private reports whether an address means something within VPCs only.
func (t *tracer) private(a netip.Addr) bool {
	if a.IsPrivate() || a.IsLinkLocalUnicast() {
		return true
	}
	for _, v := range t.s.VPCs.All() {
		if within(a, v.CIDRs) {
			return true
		}
	}
	return false
}

// goal returns the address to which an interface of VPC v sends: between
// instances of one VPC the private one, else the public one.
func (t *tracer) goal(v sim.VPCID) (netip.Addr, bool) {
	to := t.q.To
	switch {
	case to.Internet:
		return aStranger, true
	case to.Instance == "":
		return to.Address, true
	}
	a, ok := t.primary(to.Instance)
	if !ok {
		return netip.Addr{}, false
	}
	if a.eni.VPC == v {
		return a.eni.PrivateIP, true
	}
	if !a.eni.PublicIP.IsValid() {
		t.stop(Hop{Kind: KindPublic, Resource: string(a.eni.ID), Text: sim.T(
			"%s is in another VPC and has no public address", t.label(a))}, t.giveAddress(a.eni))
		t.far = a
		return aStranger, true // as if it had one: what else is in the way?
	}
	return a.eni.PublicIP, true
}

func within(a netip.Addr, blocks []netip.Prefix) bool {
	for _, b := range blocks {
		if b.Contains(a) {
			return true
		}
	}
	return false
}
