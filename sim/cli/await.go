package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// stallLimit is how long nothing may have moved before what is wrong is called the
// end of it: control tries again what has failed, in ever longer intervals.
const stallLimit = time.Minute

var errStalled = errors.New("nothing moves any more")

// await calls done with the status of a scope at once and at every change, until it
// returns true or an error. What the box reports as wrong is told when it appears; the wait
// goes on as long as anything moves, and ends where nothing does and something is
// wrong.
func (b *box) await(ctx context.Context, of *scope, tell func(sim.Text), done func(boxStatus) (bool, error)) error {
	p := progress{}
	for {
		err := b.awaitMove(ctx, of, &p, tell, done)
		if !errors.Is(err, errStalled) {
			return err
		}
		if len(p.problems) > 0 {
			what := p.problems[0]
			return &sim.Failure{What: sim.T("it does not get on: %s: %s", what.Resource, what.Message), Next: []sim.Text{sim.Cmd("labsim status"), sim.Cmd("labsim doctor")}}
		}
	}
}

// awaitMove is await until nothing has moved for a while: errStalled.
func (b *box) awaitMove(ctx context.Context, of *scope, p *progress, tell func(sim.Text), done func(boxStatus) (bool, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := time.AfterFunc(stallLimit, func() { cancel(errStalled) })
	defer t.Stop()
	err := b.watch(ctx, func(s boxStatus) (bool, error) {
		s, err := of.narrow(ctx, s)
		if err != nil {
			return false, err
		}
		moved, fresh := p.look(s)
		if moved {
			t.Reset(stallLimit)
		}
		for _, x := range fresh {
			tell(sim.Cmd("%s: %s", x.Resource, x.Message))
		}
		if ok, err := done(s); ok || err != nil {
			return ok, err
		}
		return false, s.full("state") // what control can't write down nobody gets to see
	})
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// progress tells what moves from what is only tried again and again.
type progress struct {
	steps    map[string]bool // that are left
	told     map[string]bool
	problems []dataplane.Problem // of the last status
}

// look reports whether a status differs from the one before in what is left to do,
// and the problems that have not been told yet. A step that fails and is tried
// again is left as before, and what comes and goes of a resource while it has a
// problem is no progress: an instance that reboots itself again and again has steps.
func (p *progress) look(s boxStatus) (moved bool, fresh []dataplane.Problem) {
	left := map[string]bool{}
	for _, x := range s.Steps {
		if !slices.ContainsFunc(s.Problems, func(p dataplane.Problem) bool { return p.Resource == x.Resource }) {
			left[x.Kind+" "+x.Resource] = true
		}
	}
	moved = p.steps == nil || !maps.Equal(left, p.steps)
	p.steps, p.problems = left, s.Problems
	if p.told == nil {
		p.told = map[string]bool{}
	}
	for _, x := range s.Problems {
		if key := x.Resource + ": " + x.Message; !p.told[key] {
			p.told[key] = true
			fresh = append(fresh, x)
		}
	}
	return moved, fresh
}
