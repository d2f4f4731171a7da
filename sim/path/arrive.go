package path

import (
	"net/netip"

	"labsim/sim"
	"labsim/sim/world"
)

// fromOutside follows a packet of the internet side.
func (t *tracer) fromOutside(from at) {
	to, ok := t.published()
	if !ok {
		return
	}
	t.pass(Hop{Kind: KindInternet, Text: sim.T("comes from the internet, from %s", from.addr.String())})
	t.arriveByGateway(from.addr, to)
	if !t.public.Contains(from.addr) {
		t.stop(Hop{Kind: KindInternet, Text: sim.T("labsim's internet is the range %s and no more: nobody there has the address %s", t.public.String(), from.addr.String())})
		return
	}
	t.answer()
	t.pass(Hop{Kind: KindTarget, Text: sim.T("the answer is back on the internet, at %s", from.addr.String())})
}

// published resolves the query's To for a sender outside.
func (t *tracer) published() (at, bool) {
	to := t.q.To
	if to.Instance != "" {
		return t.primary(to.Instance)
	}
	if e, ok := t.holder(to.Address); ok {
		return t.of(e), true
	}
	switch {
	case to.Internet || !t.public.Contains(to.Address) && !t.private(to.Address):
		t.stop(Hop{Kind: KindInternet, Text: sim.T("from the internet to the internet: no VPC is on the way")})
	case t.private(to.Address):
		t.stop(Hop{Kind: KindPublic, Resource: to.Address.String(), Text: sim.T("%s is a private address: outside of its VPC nobody can send to it", to.Address.String())})
	default:
		t.stop(Hop{Kind: KindInternet, Text: sim.T("no running instance has the public address %s", to.Address.String())})
	}
	return at{}, false
}

// arriveByGateway follows a packet from a public sender through the target's
// gateway, and the answer back to that gateway.
func (t *tracer) arriveByGateway(src netip.Addr, to at) {
	g, attached := t.s.GatewayOf(to.eni.VPC)
	public := to.eni.PublicIP
	if !public.IsValid() && t.far.outside() { // else that is said already
		t.stop(Hop{Kind: KindPublic, Resource: string(to.eni.ID), Text: sim.T("%s has no public address: nothing outside can send to it", t.label(to))}, t.giveAddress(to.eni))
	}
	if !attached {
		t.noGateway(to)
	}
	if public.IsValid() && attached {
		t.allow(Hop{Kind: KindPublic, Resource: string(g.ID), Text: sim.T("the internet gateway turns %s into %s, which is %s", public.String(), to.addr.String(), t.label(to))})
	}
	t.running(to, "")
	t.group(to, false, src)
	t.arrived(to)
	r := t.route(to.eni, src)
	if r.kind != world.LeadExit {
		t.noAnswer(to, src, r)
		return
	}
	t.allow(r.hop(sim.T("route table %s sends %s to the internet gateway", r.name(), r.dst.String())))
}

// arrived ends the way there.
func (t *tracer) arrived(to at) {
	t.pass(Hop{Kind: KindTarget, Resource: string(to.instance.ID), Text: sim.T("arrives at %s, %s", t.label(to), t.traffic())})
	t.answer()
	t.pass(Hop{Kind: KindEgress, Resource: string(to.eni.ID), Text: t.stateful(to)})
}

// noRoute stops a packet that no route of the sender's table takes along.
func (t *tracer) noRoute(from at, dst netip.Addr, r route) {
	h := r.hop(sim.T("route table %s has no route to %s", r.name(), dst.String()))
	switch {
	case r.dst.IsValid():
		h.Text = sim.T("route table %s has %s, but its target doesn't stand: a blackhole", r.name(), r.dst.String())
	case dst == aStranger:
		h.Text = sim.T("route table %s has no route to the internet", r.name())
	}
	h.Counter = dropNoRoute
	if within(dst, sim.PrivateRanges) || dst == t.host() {
		t.stop(h) // a route to the gateway wouldn't help
		return
	}
	t.stop(h, t.addRoute(from.eni, r))
	if _, attached := t.s.GatewayOf(from.eni.VPC); !attached {
		t.noGateway(from)
	}
	t.leave(from, dst)
}

// noAnswer stops the answer, which doesn't find back to the gateway.
func (t *tracer) noAnswer(to at, src netip.Addr, r route) {
	h := r.hop(sim.T("the subnet of %s can't answer: its route table %s has no route to the internet gateway", t.label(to), r.name()))
	if r.dst.IsValid() {
		h.Text = sim.T("the subnet of %s can't answer: its route table %s has %s, which doesn't lead to the internet gateway", t.label(to), r.name(), r.dst.String())
	}
	h.Counter = r.drop()
	t.stop(h, t.addRoute(to.eni, r))
}

func (t *tracer) noGateway(a at) {
	t.stop(Hop{Kind: KindGateway, Resource: string(a.eni.VPC), Text: sim.T("no internet gateway is attached to the VPC of %s", t.label(a))}, t.attachGateway(a.eni))
}
