package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/plan"
	"labsim/sim/world"
)

// stepTimeout bounds one step besides the grace it gives a guest.
const stepTimeout = 2 * time.Minute

// execution is a step at work.
type execution struct {
	step   plan.Step
	desire string // what the step serves, see desireOf
	cancel context.CancelFunc
	since  time.Time
}

// What may fail besides the steps; they have names as objects have.
const (
	observing = "engine" // looking at it
	recording = "state"  // writing down what was seen
)

// failure is what became of the last tries on an object, or at something that is
// no step.
type failure struct {
	step   plan.Step
	desire string
	err    string
	wait   time.Duration
	until  time.Time
}

// desireOf says what a step serves. A step at work is cut off, and a pause after
// a failure ends, when that changes.
func desireOf(s *world.State, x plan.Step) string {
	switch x.Kind {
	case plan.StartInstance, plan.StopInstance, plan.RebootInstance, plan.RemoveInstance:
		i := s.Instances.Row(sim.InstanceID(x.Resource))
		return fmt.Sprint(i.Desired, " ", i.Boot)
	case plan.StartEdge, plan.RemoveEdge:
		return string(s.InternetGateways.Row(sim.InternetGatewayID(x.Resource)).VPC)
	case plan.EnsureVolume, plan.RemoveVolume:
		v, ok := s.Volumes.Get(sim.VolumeID(x.Resource))
		return fmt.Sprint(ok, v.Status.Deleting)
	default:
		_, ok := s.Subnets.Get(sim.SubnetID(x.Resource))
		return fmt.Sprint(ok)
	}
}

// start starts the steps that nothing holds up. It returns when the first pause
// after a failure ends.
func (r *reconciler) start(ctx context.Context, s *world.State, steps []plan.Step) (again time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drained {
		return time.Time{}
	}
	wanted := map[string]bool{}
	for _, x := range steps {
		object := x.Object()
		wanted[object] = true
		if r.running[object] != nil || r.uncertain(x) {
			continue
		}
		desire := desireOf(s, x)
		if f := r.failed[object]; f != nil && f.desire == desire && f.step.Kind == x.Kind && time.Now().Before(f.until) {
			again = earliest(again, f.until)
			continue
		}
		if len(r.running) >= stepsAtOnce {
			continue // the next one that ends wakes the loop
		}
		r.launch(ctx, x, desire)
	}
	for object, f := range r.failed {
		if f.step.Kind != "" && !wanted[object] && r.running[object] == nil && !r.observed.dirty[object] {
			delete(r.failed, object)
		}
	}
	return again
}

// uncertain reports whether nothing is known of what the step is about, or of a
// network that its container needs: that may be on its way out. r.mu is held.
func (r *reconciler) uncertain(x plan.Step) bool {
	dirty := r.observed.dirty
	return dirty[x.Object()] || x.Resource != "" && dirty[x.Resource] ||
		slices.ContainsFunc(x.Container.Interfaces, func(i engine.Interface) bool {
			return dirty[plan.Step{Kind: plan.RemoveNetwork, Name: i.Network}.Object()]
		})
}

// launch executes one step on a goroutine. r.mu is held.
func (r *reconciler) launch(ctx context.Context, x plan.Step, desire string) {
	object := x.Object()
	ctx, cancel := context.WithTimeout(ctx, stepTimeout+time.Duration(x.Grace)*time.Second)
	e := &execution{step: x, desire: desire, cancel: cancel, since: time.Now()}
	r.running[object] = e
	r.observed.dirty[object], r.observed.dirty[x.Resource] = true, true
	run := r.observed.Run
	go func() {
		defer cancel()
		err := r.do(ctx, x, run)
		r.done(e, err)
	}()
}

// done puts the step away.
func (r *reconciler) done(e *execution, err error) {
	object := e.step.Object()
	if err != nil && !errors.Is(err, context.Canceled) {
		r.log.Warn("step failed", "step", e.step.Kind, "name", e.step.Name, "resource", e.step.Resource, "error", err)
		r.noteError(e.step, err)
	}
	r.mu.Lock()
	delete(r.running, object)
	r.stale = true
	switch {
	case err == nil:
		delete(r.failed, object)
		r.began(e.step)
	case errors.Is(err, context.Canceled): // cut off: its purpose has gone
	default:
		f := &failure{step: e.step, desire: e.desire, err: err.Error()}
		if old := r.failed[object]; old != nil && old.desire == e.desire && old.step.Kind == e.step.Kind {
			f.wait = old.wait
		}
		f.wait = backoff(f.wait)
		f.until = time.Now().Add(f.wait)
		r.failed[object] = f
	}
	if r.idle != nil && len(r.running) == 0 {
		close(r.idle)
		r.idle = nil
	}
	r.mu.Unlock()
	r.poke()
}

// cancelOutdated cuts off the steps whose purpose has gone: an instance that is
// terminated does not wait for its stop.
func (r *reconciler) cancelOutdated(s *world.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.running {
		if desireOf(s, e.step) != e.desire {
			e.cancel()
		}
	}
}

// cancelAll cuts everything off and waits until nothing is at work.
func (r *reconciler) cancelAll() {
	r.mu.Lock()
	for _, e := range r.running {
		e.cancel()
	}
	var idle chan struct{}
	if len(r.running) > 0 {
		if r.idle == nil {
			r.idle = make(chan struct{})
		}
		idle = r.idle
	}
	r.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// retry returns how long to pause after a failure that is no step's.
func (r *reconciler) retry(what string, err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.failed[what]
	if f == nil {
		f = &failure{}
		r.failed[what] = f
		r.log.Warn("failed", "what", what, "error", err)
	}
	f.err, f.wait = err.Error(), min(backoff(f.wait), 2*time.Second)
	return f.wait
}

func (r *reconciler) succeeded(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.failed, what)
}

// tryAgain forgets what has failed, so that it is tried at once, and is a problem
// only if it fails again: who gives a command may have put right what was in the
// way, as a full disk, and is not to be told of what was wrong before.
func (r *reconciler) tryAgain() {
	r.mu.Lock()
	clear(r.failed)
	r.mu.Unlock()
	r.config.tryAgain()
	r.status.forget()
	r.poke()
}

// do carries out one step.
func (r *reconciler) do(ctx context.Context, x plan.Step, run string) error {
	switch x.Kind {
	case plan.EnsureNetwork:
		return r.engine.EnsureNetwork(ctx, x.Network)
	case plan.RemoveNetwork:
		return r.engine.RemoveNetwork(ctx, x.Name)
	case plan.EnsureVolume:
		return r.engine.EnsureVolume(ctx, x.Volume)
	case plan.RemoveVolume:
		return r.engine.RemoveVolume(ctx, x.Name)
	case plan.StartEdge:
		return r.engine.Start(ctx, x.Container)
	case plan.RemoveEdge:
		return r.engine.Remove(ctx, x.Name)
	case plan.StartInstance:
		return r.startInstance(ctx, x, run)
	case plan.StopInstance:
		r.askGuest(ctx, x.Resource, "poweroff")
		return r.engine.Stop(ctx, x.Name, x.Grace)
	case plan.RebootInstance:
		r.askGuest(ctx, x.Resource, "reboot")
		if err := r.engine.Stop(ctx, x.Name, x.Grace); err != nil {
			return err
		}
		return r.startInstance(ctx, x, run)
	case plan.RemoveInstance:
		if x.Grace > 0 {
			r.askGuest(ctx, x.Resource, "poweroff")
			if err := r.engine.Stop(ctx, x.Name, x.Grace); err != nil {
				return err
			}
		}
		return r.engine.Remove(ctx, x.Name)
	}
	return fmt.Errorf("no step of the kind %q", x.Kind)
}

// startInstance starts a container and records at once that it runs: a guest
// that ends within the moment has run all the same.
func (r *reconciler) startInstance(ctx context.Context, x plan.Step, run string) error {
	if err := r.engine.Start(ctx, x.Container); err != nil {
		return err
	}
	return r.world.Update(func(tx *world.Tx) error {
		return tx.ObserveInstance(sim.InstanceID(x.Resource), world.Observation{State: sim.StateRunning, Boot: x.Boot, Run: run})
	})
}

// askGuest asks PID 1 to end. It is a courtesy: Stop follows in any case.
func (r *reconciler) askGuest(ctx context.Context, instance, action string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := shutdownGuest(ctx, r.node, sim.InstanceID(instance), action); err != nil {
		r.log.Debug("the guest was not asked to end", "instance", instance, "error", err)
	}
}
