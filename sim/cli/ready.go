package cli

import (
	"context"
	"errors"
	"time"

	"labsim/sim/ec2/wire"
)

// readyTimeout bounds how long user data may run before its listeners are
// called missing.
const readyTimeout = 30 * time.Second

// problemGrace is how long something may go wrong and be tried again before the
// packets are sent all the same.
const problemGrace = 8 * time.Second

// ready waits until the machine is what the world says, or can't become so, and
// until the lab's instances pass their status checks: their user data has
// ended, so their listeners are there or will never be.
func (u *bringUp) ready(ctx context.Context) error {
	if u.scope == nil {
		u.scope = u.box.labScope(u.lab.Name)
	}
	if err := u.scope.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(readyTimeout, func() { cancel(errNotReady) }).Stop()
	var stuck *time.Timer // runs while control has problems: what fails is tried again
	err := u.box.watch(ctx, func(s boxStatus) (bool, error) {
		s, err := u.scope.narrow(ctx, s)
		if err != nil {
			return false, err
		}
		switch {
		case len(s.Problems) == 0 && stuck != nil:
			stuck.Stop()
			stuck = nil
		case len(s.Problems) > 0 && stuck == nil:
			stuck = time.AfterFunc(problemGrace, func() { cancel(errNotReady) })
		}
		if ok, err := u.statusChecks(ctx); !ok || err != nil {
			return false, err
		}
		return s.Converged, nil // a rule or a route may be all that has changed
	})
	if stuck != nil {
		stuck.Stop()
	}
	if errors.Is(context.Cause(ctx), errNotReady) {
		return nil // the packets will tell what is missing
	}
	return err
}

// statusChecks reports whether the lab's running instances pass their checks.
func (u *bringUp) statusChecks(ctx context.Context) (bool, error) {
	var out wire.DescribeInstanceStatusResult
	if err := u.box.ec2.Do(ctx, "DescribeInstanceStatus", &wire.DescribeInstanceStatusRequest{}, &out); err != nil {
		return false, err
	}
	for _, i := range out.InstanceStatuses {
		if u.scope.foreign(wire.Value(i.InstanceId)) {
			continue
		}
		if i.InstanceStatus == nil || wire.Value(i.InstanceStatus.Status) != "ok" {
			return false, nil
		}
	}
	return true, nil
}

var errNotReady = errors.New("user data has not ended")
