package probe

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"labsim/sim"
	"labsim/sim/path"
	"labsim/sim/world"
)

// Who can receive, besides an instance.
const (
	atInternet = "the internet"
	atMachine  = "the machine"
	atRouter   = "a router" // seen by its answer alone
)

// expected is what a verdict says of a packet, as far as it can be seen.
type expected struct {
	counters []string   // that rise, sorted
	at       string     // who receives it, an instance's id for instance; "": nobody
	from     netip.Addr // whom the receiver sees
	answered bool
}

// expected reads the verdict on a packet that is sent in s.
func (p packet) expected(s *world.State) expected {
	if p.as.IsValid() {
		return expected{counters: []string{"drop:spoofed"}}
	}
	v := p.verdict
	e := expected{answered: v.Allowed, from: sim.AddrAt(public, 1)}
	if eni, ok := s.PrimaryENI(p.from); ok {
		e.from = eni.PrivateIP
		if slices.ContainsFunc(v.Hops, func(h path.Hop) bool { return h.Kind == path.KindPublic && !h.Stops }) {
			e.from = eni.PublicIP
		}
	}
	for _, h := range slices.Concat(v.Hops, v.Back) {
		if h.Counter != "" {
			e.counters = append(e.counters, h.Counter)
		}
	}
	slices.Sort(e.counters)
	e.counters = slices.Compact(e.counters)
	switch last := v.Hops[len(v.Hops)-1]; {
	case last.Kind == path.KindTarget:
		e.at = last.Resource
	case last.Kind == path.KindInstance && s.Instances.Row(sim.InstanceID(last.Resource)).Status.State == sim.StateRunning:
		e.at = last.Resource // a middlebox has it, and does with it what it likes
	case last.Kind == path.KindInternet && !last.Stops:
		e.at = atInternet
	case last.Kind == path.KindRouter && !last.Stops:
		e.at = atRouter
	}
	return e
}

// seen is what came of a packet.
type seen struct {
	raised   map[string]uint64 // counters, by how much, without those that stayed
	arrivals []arrival
	answered bool
	err      string // what the sender's socket says
}

func (s seen) String() string {
	var counters []string
	for _, id := range slices.Sorted(maps.Keys(s.raised)) {
		counters = append(counters, fmt.Sprintf("%s +%d", id, s.raised[id]))
	}
	return fmt.Sprintf("counters %v, arrivals %v, answered %v %s", counters, s.arrivals, s.answered, s.err)
}

// An arrival is a packet that somebody received.
type arrival struct {
	at   string // as expected.at
	from netip.Addr
}

func (a arrival) String() string { return fmt.Sprintf("at %s, as from %s", a.at, a.from) }

// A difference is between the evaluator's verdict and the kernel: what should have
// happened and did not, and what happened and should not have.
type difference struct{ lost, leaked []string }

func (d difference) none() bool { return len(d.lost)+len(d.leaked) == 0 }

func (d difference) lines() []string { return slices.Concat(d.leaked, d.lost) }

// compare returns in what s differs from what is expected.
func (e expected) compare(s seen) (d difference) {
	for _, id := range e.counters {
		if s.raised[id] == 0 {
			d.lost = append(d.lost, fmt.Sprintf("counter %s should have risen", id))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.raised)) {
		if !slices.Contains(e.counters, id) {
			d.leaked = append(d.leaked, fmt.Sprintf("counter %s rose by %d", id, s.raised[id]))
		}
	}
	arrived := false
	for _, a := range s.arrivals {
		switch {
		case a.at != e.at:
			d.leaked = append(d.leaked, fmt.Sprintf("it arrived %s", a))
		case a.from != e.from:
			d.leaked = append(d.leaked, fmt.Sprintf("it arrived %s, and should as from %s", a, e.from))
		}
		arrived = arrived || a.at == e.at
	}
	if e.at != "" && e.at != atRouter && !arrived {
		d.lost = append(d.lost, fmt.Sprintf("it should have arrived at %s", e.at))
	}
	switch {
	case s.answered && !e.answered:
		d.leaked = append(d.leaked, "it was answered")
	case e.answered && !s.answered:
		d.lost = append(d.lost, "it should have been answered")
	}
	return d
}
