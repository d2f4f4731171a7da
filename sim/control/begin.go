package control

import (
	"slices"
	"sync"

	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/world"
)

// Unclaimed is what stands of the site although its state knows of nothing: the
// state was lost. Names are the engine's.
type Unclaimed struct {
	Instances []string `json:",omitempty"`
	Networks  []string `json:",omitempty"`
	Gateways  []string `json:",omitempty"`
	Volumes   []string `json:",omitempty"`
}

// beginning holds a new region back until it is known that nothing stands that it
// would destroy by not knowing it.
type beginning struct {
	begun chan struct{} // closed: go on

	mu        sync.Mutex
	unclaimed *Unclaimed // not nil: the user has to decide
}

func newBeginning() *beginning { return &beginning{begun: make(chan struct{})} }

// found returns what stands unclaimed; nil: nothing, or nobody has looked yet.
func (b *beginning) found() *Unclaimed {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unclaimed
}

func (b *beginning) set(u *Unclaimed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unclaimed = u
}

// admit refuses changes of the world while the user has to decide: they would be
// lost with a world that is put back.
func (b *beginning) admit() error {
	if b.found() != nil {
		return errUnclaimed
	}
	return nil
}

var errUnclaimed = sim.Errorf(sim.CodeUnavailable, "The state of this site was lost, and what it made still stands; nothing can be changed before you decide what becomes of it. labsim status says how")

// begin reports whether the engine may be made to follow the world.
func (r *reconciler) begin(o *engine.Observed) (bool, error) {
	b := r.beginning
	select {
	case <-b.begun:
		return true, nil
	default:
	}
	if !r.world.View().Begun() {
		if u := unclaimed(o); u != nil && !r.ephemeral {
			b.set(u)
			return false, nil
		}
		if err := r.world.Update((*world.Tx).Begin); err != nil {
			return false, err
		}
	}
	b.set(nil)
	close(b.begun)
	return true, nil
}

// unclaimed lists what a region that knows of nothing would remove; nil: nothing.
// The networks and volumes without a resource are no loss.
func unclaimed(o *engine.Observed) *Unclaimed {
	var u Unclaimed
	add := func(list *[]string, name string) { *list = append(*list, name) }
	for name, c := range o.Containers {
		switch c.Kind {
		case engine.KindInstance:
			add(&u.Instances, name)
		case engine.KindEdge:
			add(&u.Gateways, name)
		}
	}
	for name, n := range o.Networks {
		if n.Kind == engine.KindSubnet {
			add(&u.Networks, name)
		}
	}
	for name, v := range o.Volumes {
		if v.Kind == engine.KindVolume {
			add(&u.Volumes, name)
		}
	}
	some := 0
	for _, list := range [][]string{u.Instances, u.Networks, u.Gateways, u.Volumes} {
		slices.Sort(list)
		some += len(list)
	}
	if some == 0 {
		return nil
	}
	return &u
}
