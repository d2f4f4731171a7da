package docker

import (
	"context"

	"github.com/docker/docker/api/types/container"

	"labsim/sim"
	"labsim/sim/engine"
)

// Disk implements engine.Engine by a look at Options.Data.
func (e *Engine) Disk() (sim.Disk, error) {
	if e.data == "" {
		return sim.Disk{}, nil
	}
	return sim.DiskOf(e.data)
}

// Roots implements engine.Engine.
func (e *Engine) Roots(ctx context.Context) (map[sim.InstanceID]uint64, error) {
	list, err := e.c.ContainerList(ctx, container.ListOptions{
		All: true, Size: true, Filters: e.ours(sim.LabelKind + "=" + string(engine.KindInstance)),
	})
	out := map[sim.InstanceID]uint64{}
	for _, c := range list {
		out[sim.InstanceID(c.Labels[sim.LabelID])] = uint64(max(0, c.SizeRw))
	}
	return out, err
}
