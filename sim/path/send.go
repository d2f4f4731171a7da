package path

import (
	"net/netip"
	"slices"

	"labsim/sim"
	"labsim/sim/world"
)

// fromInterface follows a packet out of an instance.
func (t *tracer) fromInterface(from at) {
	t.running(from, "")
	to, ok := t.goal(from.eni.VPC)
	if !ok {
		return
	}
	t.pass(Hop{Kind: KindENI, Resource: string(from.eni.ID), Text: sim.T("leaves %s from %s for %s", t.label(from), from.addr.String(), to.String())})
	if to == from.addr {
		t.pass(Hop{Kind: KindTarget, Resource: string(from.instance.ID), Text: sim.T("%s is its own address: the packet stays inside", to.String())})
		return
	}
	if t.router(from, to) {
		return
	}
	r := t.route(from.eni, to)
	switch r.kind {
	case world.LeadLocal:
		t.local(from, to, r.hop(sim.T("%s is inside the VPC: the router takes it there", to.String())))
	case world.LeadExit:
		t.group(from, true, to)
		t.allow(r.hop(sim.T("route table %s sends %s to the internet gateway", r.name(), r.dst.String())))
		t.leave(from, to)
	case world.LeadENI:
		h := r.hop(sim.T("route table %s sends %s to the network interface %s", r.name(), r.dst.String(), string(r.eni.ID)))
		if r.eni.PrivateIP == to {
			t.local(from, to, h)
			return
		}
		t.group(from, true, to)
		t.pass(h)
		t.middlebox(from, to, r.eni)
	default:
		t.group(from, true, to)
		t.noRoute(from, to, r)
	}
}

// local follows a packet to another interface of the VPC. Where none stands the
// router has no way to it, and asks no group.
func (t *tracer) local(from at, dst netip.Addr, way Hop) {
	e, ok := t.byPrivate(from.eni.VPC, dst)
	if !ok {
		t.stop(Hop{Kind: KindEndpoint, Resource: dst.String(), Text: sim.T("no instance has the address %s", dst.String())})
		t.group(from, true, dst)
		return
	}
	to := t.of(e)
	t.running(to, "")
	t.group(from, true, dst)
	t.pass(way)
	t.group(to, false, from.addr)
	t.arrived(to)
	t.answerInside(to, from)
}

// answerInside follows the answer between two interfaces of a VPC.
func (t *tracer) answerInside(from, to at) {
	r := t.route(from.eni, to.addr)
	if r.kind == world.LeadLocal || r.kind == world.LeadENI && r.eni.ID == to.eni.ID {
		t.pass(r.hop(sim.T("%s is inside the VPC: the router takes it there", to.addr.String())))
		t.pass(Hop{Kind: KindTarget, Resource: string(to.instance.ID), Text: sim.T("the answer is back at %s", t.label(to))})
		return
	}
	h := r.hop(sim.T("the answer is lost: route table %s sends %s elsewhere", r.name(), r.dst.String()))
	h.Counter = r.drop()
	t.stop(h, deleteRoute(r))
}

// leave follows a packet to the internet gateway and beyond.
func (t *tracer) leave(from at, dst netip.Addr) {
	g, _ := t.s.GatewayOf(from.eni.VPC)
	src := from.eni.PublicIP
	if !src.IsValid() {
		t.stop(Hop{Kind: KindPublic, Resource: string(from.eni.ID), Counter: "drop:no-public-address",
			Text: sim.T("%s has no public address, so the internet gateway doesn't take its packets", t.label(from))}, t.giveAddress(from.eni))
		src = t.host() // so that the rest can be looked at
	}
	h := Hop{Kind: KindGateway, Resource: string(g.ID), Counter: dropNoRoute}
	switch {
	case within(dst, sim.PrivateRanges):
		h.Text = sim.T("the internet gateway doesn't carry private addresses such as %s", dst.String())
		t.stop(h)
	case dst == t.host():
		h.Text = machineText(dst)
		t.stop(h)
	default:
		t.allow(Hop{Kind: KindPublic, Resource: string(g.ID), Text: sim.T("the internet gateway writes %s as the sender in place of %s", src.String(), from.addr.String())})
		t.outside(from, src, dst)
	}
}

// outside follows a packet of an instance that is beyond its gateway.
func (t *tracer) outside(from at, src, dst netip.Addr) {
	if !t.far.outside() {
		t.arriveByGateway(src, t.far)
		return
	}
	if e, ok := t.holder(dst); ok {
		t.arriveByGateway(src, t.of(e))
		t.answer()
		t.pass(Hop{Kind: KindTarget, Resource: string(from.instance.ID), Text: sim.T("the answer is back at %s", t.label(from))})
		return
	}
	if t.public.Contains(dst) {
		t.stop(Hop{Kind: KindInternet, Text: sim.T("no running instance has the public address %s", dst.String())})
		return
	}
	t.beyond(from, dst)
}

// beyond follows a packet that is not for the site's public range: only the
// machine itself could pass it on.
func (t *tracer) beyond(from at, dst netip.Addr) {
	h := Hop{Kind: KindInternet}
	g, _ := t.s.GatewayOf(from.eni.VPC)
	switch {
	case g.Tags.Value(sim.TagInternet) != sim.InternetReal:
		h.Text = sim.T("this lab is offline: its internet is the range %s and no more (internet: real in the lab file opens the real one)", t.public.String())
		if g.ID != "" && t.reachable(dst) {
			t.stop(h, openInternet(g.ID))
		} else {
			t.stop(h)
		}
	case slices.Contains(t.q.Machine, dst):
		h.Text = machineText(dst)
		t.stop(h)
	case !sim.OnInternet(dst):
		h.Text = sim.T("%s is no address of the internet: the machine that labsim runs on passes nothing on to it", dst.String())
		t.stop(h)
	default:
		h.Text = sim.T("the machine that labsim runs on passes it on to the internet, with its own address as the sender")
		t.allow(h)
		t.answer()
		t.pass(Hop{Kind: KindTarget, Resource: string(from.instance.ID), Text: sim.T("the answer is back at %s", t.label(from))})
	}
}

// reachable reports whether the real internet would take a packet for dst.
func (t *tracer) reachable(dst netip.Addr) bool {
	return sim.OnInternet(dst) && !slices.Contains(t.q.Machine, dst)
}

func machineText(dst netip.Addr) sim.Text {
	return sim.T("%s is the machine that labsim runs on; instances can't open connections to it", dst.String())
}

// middlebox ends at an interface that a route names: what the instance behind
// does with foreign packets is its own.
func (t *tracer) middlebox(from at, dst netip.Addr, e sim.ENI) {
	box := t.of(e)
	t.running(box, dropNoRoute)
	if e.SourceDestCheck {
		t.stop(Hop{Kind: KindENI, Resource: string(e.ID), Counter: dropCheck,
			Text: sim.T("%s takes packets for its own address only: its source/destination check is on", t.label(box))}, noCheck(e))
	}
	t.group(box, false, from.addr)
	t.stop(Hop{Kind: KindInstance, Resource: string(box.instance.ID), Text: sim.T("what %s does with a packet for %s is its own affair: the trace ends here", t.label(box), dst.String())})
}

// byPrivate returns the interface of a VPC that has that private address.
func (t *tracer) byPrivate(v sim.VPCID, a netip.Addr) (sim.ENI, bool) {
	for _, e := range t.s.ENIsOfVPC(v) {
		if e.PrivateIP == a && wired(t.s, e) {
			return e, true
		}
	}
	return sim.ENI{}, false
}
