package plan

import (
	"time"

	"labsim/sim"
	"labsim/sim/engine"
)

// Reboots is how an instance that reboots itself fares.
type Reboots struct {
	Began time.Time // of its last run
	Short int       // runs, one after the other until its last end, that it ended before SteadyRun
}

// SteadyRun is how long an instance must have run to be started at once after it has
// rebooted itself.
const SteadyRun = 10 * time.Second

// The pause before an instance starts again that has rebooted itself after a short
// run: as that of Docker's restart policies, it doubles with each of them.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = time.Minute
)

// restlessAfter is after how many short runs an instance is a problem: a setup that
// reboots once or twice is none.
const restlessAfter = 3

func pause(short int) time.Duration {
	d := time.Duration(0)
	for range min(short, 16) {
		d = min(max(2*d, firstPause), maxPause)
	}
	return d
}

// rests reports whether an instance that has rebooted itself is not to be started yet.
func (p *planner) rests(i sim.Instance, c engine.ObservedContainer) bool {
	if i.Boot > i.Status.Boot || i.Status.Run != p.o.Run || c.ExitCode != sim.ExitReboot {
		return false
	}
	over := p.n.Ended[i.ID].Add(pause(p.n.Reboots[i.ID].Short))
	if !p.opts.Now.Before(over) {
		return false
	}
	p.again(over)
	p.wait(string(i.ID), "it has rebooted itself, and starts again after a pause")
	return true
}

// restless names an instance that reboots itself again and again, also while it
// happens to run.
func (p *planner) restless(i sim.Instance, c engine.ObservedContainer) {
	r := p.n.Reboots[i.ID]
	if r.Short < restlessAfter {
		return
	}
	if steady := r.Began.Add(SteadyRun); c.Running {
		if !p.opts.Now.Before(steady) {
			return
		}
		p.again(steady)
	}
	p.problem(string(i.ID), "it reboots itself again and again, each time within "+SteadyRun.String()+" of its start; it is started again after pauses of up to "+maxPause.String())
}
