package path

import (
	"net/netip"
	"slices"

	"labsim/sim"
	"labsim/sim/world"
)

// Trace returns the fate of q's packet in s.
func Trace(s *world.State, q Query) Verdict {
	t := &tracer{s: s, q: q, public: q.Public}
	if !t.public.IsValid() {
		t.public = sim.DefaultPublic
	}
	t.leg = &t.v.Hops
	if from, ok := t.sender(); ok {
		if from.outside() {
			t.fromOutside(from)
		} else {
			t.fromInterface(from)
		}
	}
	return t.verdict()
}

// tracer follows one packet. What the packet meets after it was stopped is
// still looked at, so that the verdict can name everything that is in its way,
// but it is no hop any more.
type tracer struct {
	s      *world.State
	q      Query
	public netip.Prefix
	v      Verdict
	leg    *[]Hop
	let    []Hop                 // what let it pass and might not have
	ended  bool                  // the packet was stopped
	given  []sim.AllocationID    // free addresses that a fix proposes already
	far    at                    // the target, where it is in another VPC and has no public address
	entry  sim.SecurityGroupRule // that lets it in; zero: none does
}

// pass notes a hop that the packet passes.
func (t *tracer) pass(h Hop) {
	if !t.ended {
		*t.leg = append(*t.leg, h)
	}
}

// allow notes a hop that the packet passes because the owner made it so.
func (t *tracer) allow(h Hop) {
	t.pass(h)
	t.let = append(t.let, h)
}

// stop notes what stops the packet, and how to mend it.
func (t *tracer) stop(h Hop, fixes ...Fix) {
	h.Stops = true
	if !t.ended {
		*t.leg = append(*t.leg, h)
	} else {
		h.Counter = "" // the packet never gets there
	}
	t.ended = true
	t.v.Decisive = append(t.v.Decisive, h)
	t.v.Fix = append(t.v.Fix, fixes...)
}

func (t *tracer) verdict() Verdict {
	t.v.Allowed = !t.ended
	if t.v.Allowed {
		t.v.Decisive = t.let
		if len(t.let) == 0 && len(t.v.Hops) > 0 {
			t.v.Decisive = t.v.Hops[len(t.v.Hops)-1:]
		}
		return t.v
	}
	// The first stop is the packet's fate; of the rest, what makes the way comes
	// before what guards it.
	slices.SortStableFunc(t.v.Decisive[1:], func(a, b Hop) int { return guard(a) - guard(b) })
	return t.v
}

func guard(h Hop) int {
	if h.Kind == KindEgress || h.Kind == KindIngress {
		return 1
	}
	return 0
}

// answer turns round: what follows is the answer's way.
func (t *tracer) answer() { t.leg = &t.v.Back }

// at is one end of the flow.
type at struct {
	addr     netip.Addr // as the packet carries it
	eni      sim.ENI    // zero: outside
	instance sim.Instance
}

func (a at) outside() bool { return a.eni.ID == "" }

// of returns the end that an attached interface is.
func (t *tracer) of(e sim.ENI) at {
	return at{addr: e.PrivateIP, eni: e, instance: t.s.Instances.Row(e.Attachment.Instance)}
}

func wired(s *world.State, e sim.ENI) bool {
	_, ok := s.Wired(e)
	return ok
}

// running stops the packet where an end's instance doesn't run. pending is the counter
// that it raises where the interface has no link yet; "": none.
func (t *tracer) running(a at, pending string) {
	i := a.instance
	if i.Status.State == sim.StateRunning {
		return
	}
	h := Hop{Kind: KindInstance, Resource: string(i.ID), Text: sim.T("%s is not running, but %s", name(i.Tags, i.ID), string(i.Status.State))}
	if i.Status.State == sim.StatePending {
		h.Counter = pending
	}
	if i.Status.State == sim.StateStopped {
		t.stop(h, startInstance(i))
		return
	}
	t.stop(h)
}
