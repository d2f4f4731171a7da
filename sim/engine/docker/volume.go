package docker

import (
	"context"
	"fmt"
	"maps"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"labsim/sim"
	"labsim/sim/engine"
)

// EnsureVolume makes Docker's record of the volume. Its data is the agent's:
// the driver is asked by id.
func (e *Engine) EnsureVolume(ctx context.Context, v engine.Volume) error {
	labels := map[string]string{}
	maps.Copy(labels, v.Labels)
	labels[sim.LabelSite] = string(e.site)
	labels[sim.LabelKind] = string(v.Kind)
	opts := map[string]string{sim.OptKind: string(v.Kind)}
	if v.Kind == engine.KindVolume {
		labels[sim.LabelID] = v.ID
		opts = map[string]string{sim.OptVolume: v.ID}
	}
	for range 2 {
		// Docker answers with one that stood already, whatever it is. Asking for it
		// before would make Docker ask every driver there is.
		var made volume.Volume
		err := e.onceEnabled(ctx, func() (err error) {
			made, err = e.c.VolumeCreate(ctx, volume.CreateOptions{Name: v.Name, Driver: e.site.Plugin(), DriverOpts: opts, Labels: labels})
			return err
		})
		switch {
		case conflict(err), err == nil && made.Labels[sim.LabelSite] != string(e.site):
			return foreignVolume(v.Name)
		case err != nil:
			return fmt.Errorf("volume %s: %w", v.Name, err)
		case made.Labels[sim.LabelID] == labels[sim.LabelID]:
			return nil
		}
		if err := e.RemoveVolume(ctx, v.Name); err != nil {
			return err
		}
	}
	return fmt.Errorf("volume %s: made by somebody else at the same time", v.Name)
}

func foreignVolume(name string) error {
	return &sim.Failure{
		What: sim.T("the Docker volume %s exists and was not made by labsim", name),
		Next: []sim.Text{sim.Cmd("docker volume rm %s", name), sim.T("or give the lab or the volume another name")},
	}
}

// RemoveVolume removes Docker's record; the data stays with the agent.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	v, err := e.volumeOf(ctx, e.site.Plugin(), name)
	if err != nil {
		return fmt.Errorf("volume %s: %w", name, err)
	}
	if v == nil || v.Labels[sim.LabelSite] != string(e.site) {
		return nil
	}
	if err := gone(e.c.VolumeRemove(ctx, name, false)); err != nil {
		return fmt.Errorf("volume %s: %w", name, err)
	}
	return nil
}

// volumeOf returns the volume of that name which a driver has, or nil. An inspect
// of one that Docker doesn't know would ask every driver there is, and wait for
// another site's that hangs.
func (e *Engine) volumeOf(ctx context.Context, driver, name string) (*volume.Volume, error) {
	list, err := e.c.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("driver", driver), filters.Arg("name", name))})
	for _, v := range list.Volumes {
		if v.Name == name { // the filter takes part of a name
			return v, err
		}
	}
	return nil, err
}
