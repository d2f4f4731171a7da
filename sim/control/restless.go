package control

import (
	"time"

	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/plan"
	"labsim/sim/world"
)

// life is what is known of the runs of an instance, since this process began.
type life struct {
	plan.Reboots
	boot  int  // the Boot of its last run
	ended bool // the end of that run has been counted
}

// began notes that a step has started an instance. What somebody asked for is a new
// beginning.
func (r *reconciler) began(x plan.Step) {
	if x.Kind != plan.StartInstance && x.Kind != plan.RebootInstance {
		return
	}
	id := sim.InstanceID(x.Resource)
	l := r.lives[id]
	if l.boot != x.Boot {
		l = life{boot: x.Boot}
	}
	l.Began, l.ended = time.Now(), false
	r.lives[id] = l
}

// livedSince reports whether an instance was started after an end that was noticed: a
// run may be too short to be seen.
func (r *reconciler) livedSince(id sim.InstanceID, end time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lives[id].Began.After(end)
}

// rebooted counts the end of an instance's run, where it rebooted itself.
func (r *reconciler) rebooted(c engine.ObservedContainer, end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := sim.InstanceID(c.ID)
	l, known := r.lives[id]
	if !known || l.ended || c.ExitCode != sim.ExitReboot {
		return
	}
	l.ended = true
	if l.Short++; end.Sub(l.Began) >= plan.SteadyRun {
		l.Short = 0
	}
	r.lives[id] = l
}

// reboots returns how the instances fare that are to run, and forgets the others.
func (r *reconciler) reboots(s *world.State) map[sim.InstanceID]plan.Reboots {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[sim.InstanceID]plan.Reboots{}
	for id, l := range r.lives {
		if i, ok := s.Instances.Get(id); !ok || i.Desired != sim.DesiredRunning {
			delete(r.lives, id)
			continue
		}
		out[id] = l.Reboots
	}
	return out
}
