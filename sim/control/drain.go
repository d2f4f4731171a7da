package control

import (
	"context"
	"errors"
	"sync"

	"labsim/sim/engine"
)

func (r *reconciler) isDrained() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drained
}

// drain stops reconciling for good and removes everything of the site from the
// engine, in the order in which nothing is in use any more: what uninstalling
// needs. The world stays as it is.
func (r *reconciler) drain(ctx context.Context) error {
	r.mu.Lock()
	r.drained = true
	r.mu.Unlock()
	r.cancelAll()
	o, err := r.engine.Observe(ctx)
	if err != nil {
		return err
	}
	var jobs []func() error
	for name := range o.Containers {
		jobs = append(jobs, func() error { return r.removeContainer(ctx, o.Containers[name]) })
	}
	if err := together(jobs); err != nil {
		return err
	}
	jobs = nil
	for name := range o.Networks {
		jobs = append(jobs, func() error { return r.engine.RemoveNetwork(ctx, name) })
	}
	for name := range o.Volumes {
		jobs = append(jobs, func() error { return r.engine.RemoveVolume(ctx, name) })
	}
	if err := together(jobs); err != nil {
		return err
	}
	r.status.set(Status{Version: uint64(r.world.View().Version)})
	return nil
}

func (r *reconciler) removeContainer(ctx context.Context, c engine.ObservedContainer) error {
	if c.Running && c.Kind == engine.KindInstance {
		r.askGuest(ctx, c.ID, "poweroff")
		if err := r.engine.Stop(ctx, c.Name, 3); err != nil {
			return err
		}
	}
	return r.engine.Remove(ctx, c.Name)
}

// together runs jobs, a few at once, and joins their errors.
func together(jobs []func() error) error {
	slots := make(chan struct{}, stepsAtOnce)
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, job := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = job()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
