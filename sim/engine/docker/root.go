package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"labsim/sim"
	"labsim/sim/engine"
)

// An instance's root disk is its container's writable layer. Where a container
// has to be made anew, for Docker can't change its mounts, that layer goes into
// a local image first, and the next container is made of it.

// kindRoot marks such an image, and labelName says of which container it is.
const (
	kindRoot  = "root"
	labelName = "labsim.container"
)

// rootImage is the reference of an instance's root disk.
func (e *Engine) rootImage(id string) string {
	return "labsim/root:" + string(e.site) + "-" + id
}

// keepRoot saves the root disk of an instance whose container is about to be
// replaced. Cut off at any point it is done again: the container goes last.
func (e *Engine) keepRoot(ctx context.Context, in container.InspectResponse, c engine.Container) error {
	if c.Kind != engine.KindInstance || in.Config.Labels[sim.LabelID] != c.ID || in.State.Status == container.StateDead {
		return nil
	}
	_, err := e.c.ContainerCommit(ctx, in.ID, container.CommitOptions{
		Reference: e.rootImage(c.ID), Pause: true,
		Comment: "root disk of " + c.ID,
		// The container's own labels go along; its build must not make this a system image.
		Config: &container.Config{Labels: map[string]string{sim.LabelKind: kindRoot, labelName: c.Name, sim.LabelBuild: ""}},
	})
	if err != nil {
		return fmt.Errorf("keep the root disk: %w", err)
	}
	return nil
}

// rootOf returns what an instance's container is to be made of: its root disk,
// where one was kept, else its AMI.
func (e *Engine) rootOf(ctx context.Context, c engine.Container) (string, error) {
	if c.Kind != engine.KindInstance {
		return e.imageFor(c.Image), nil
	}
	in, err := e.c.ImageInspect(ctx, e.rootImage(c.ID))
	if notFound(err) {
		return e.imageFor(c.Image), nil
	}
	return in.ID, err
}

// removeRoot removes an instance's root disk. It comes before the container,
// which is then still there to be removed again by whoever was cut off: a
// stopped container keeps the layers that it needs.
func (e *Engine) removeRoot(ctx context.Context, in container.InspectResponse) error {
	if in.Config.Labels[sim.LabelKind] != string(engine.KindInstance) {
		return nil
	}
	ref := e.rootImage(in.Config.Labels[sim.LabelID])
	if _, err := e.c.ImageInspect(ctx, ref); err != nil {
		return gone(err)
	}
	now := 0
	if err := gone(e.c.ContainerStop(ctx, in.ID, container.StopOptions{Timeout: &now})); err != nil {
		return err
	}
	_, err := e.c.ImageRemove(ctx, ref, image.RemoveOptions{Force: true, PruneChildren: true})
	return errors.Join(gone(err), e.removeRoots(ctx, in.Config.Labels[sim.LabelID], true))
}

// removeRoots removes the site's kept root disks: of one instance, or of all (""),
// and only those that another has replaced, where dangling says so. One that
// another was made of stays, and goes with it.
func (e *Engine) removeRoots(ctx context.Context, id string, dangling bool) error {
	f := e.ours(sim.LabelKind + "=" + kindRoot)
	if id != "" {
		f.Add("label", sim.LabelID+"="+id)
	}
	if dangling {
		f.Add("dangling", "true")
	}
	list, err := e.c.ImageList(ctx, image.ListOptions{Filters: f})
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range list {
		if _, err := e.c.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: !dangling, PruneChildren: true}); err != nil && !conflict(err) && !imageInUse(err) {
			errs = append(errs, gone(err))
		}
	}
	return errors.Join(errs...)
}

// dropRoots removes the root disks of instances that had the container's name
// before: somebody removed their containers, and with those all that needed them.
func (e *Engine) dropRoots(ctx context.Context, c engine.Container) error {
	list, err := e.c.ImageList(ctx, image.ListOptions{Filters: e.ours(sim.LabelKind+"="+kindRoot, labelName+"="+c.Name)})
	errs := []error{err}
	for _, i := range list {
		if i.Labels[sim.LabelID] != c.ID {
			errs = append(errs, e.removeImage(ctx, i))
		}
	}
	return errors.Join(errs...)
}

// resize gives a stopped container the limits of its instance's type.
func (e *Engine) resize(ctx context.Context, in container.InspectResponse, l engine.Limits) error {
	want := resources(l)
	if in.HostConfig == nil || want.NanoCPUs == in.HostConfig.NanoCPUs && want.Memory == in.HostConfig.Memory {
		return nil
	}
	_, err := e.c.ContainerUpdate(ctx, in.ID, container.UpdateConfig{Resources: container.Resources{
		NanoCPUs: want.NanoCPUs, Memory: want.Memory, MemorySwap: want.MemorySwap,
	}})
	if err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}

// isRoot tells a kept root disk from an image that one can start instances of.
func isRoot(i image.Summary) bool { return i.Labels[sim.LabelKind] == kindRoot }
