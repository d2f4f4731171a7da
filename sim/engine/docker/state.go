package docker

import (
	"context"
	"strconv"

	"github.com/docker/docker/api/types/container"

	"labsim/images"
	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
	"labsim/sim/store"
)

// stateMount and stateFile are where control, and what looks at its state, find it.
const (
	stateMount = "/state"
	stateFile  = stateMount + "/world.db"
)

// StateCopies lists the copies of the site's state, the newest first. It needs no
// control. binary is labsim's, as for Install.
func (e *Engine) StateCopies(ctx context.Context, binary string) (list []store.Copy, err error) {
	v, err := e.volumeOf(ctx, "local", e.site.StateVolume())
	if err != nil || v == nil {
		return nil, err
	}
	return list, e.onState(ctx, binary, &list, verbs.StateCopies, stateFile, string(e.site))
}

// RestoreState ends control, puts a copy in the place of its state and starts it
// again. It returns once control answers, with the name under which what lay there is
// put aside, or "". A control that keeps ending is no hindrance.
func (e *Engine) RestoreState(ctx context.Context, binary, name string) (aside string, err error) {
	list, err := e.controls(ctx)
	if err != nil {
		return "", err
	}
	grace := 5
	for _, c := range list {
		if err := e.c.ContainerStop(ctx, c.ID, container.StopOptions{Timeout: &grace}); err != nil && !notFound(err) {
			return "", err
		}
	}
	failed := e.onState(ctx, binary, &aside, verbs.StateRestore, stateFile, name, string(e.site))
	if failed != nil {
		ctx = context.WithoutCancel(ctx) // control is not left ended
	}
	for _, c := range list {
		if err := e.c.ContainerStart(ctx, c.ID, container.StartOptions{}); err != nil {
			return "", err
		}
	}
	if failed != nil || len(list) == 0 {
		return aside, failed
	}
	c := &Control{Build: list[0].Labels[sim.LabelBuild]}
	c.Port, _ = strconv.Atoi(list[0].Labels[sim.LabelPort])
	c.Endpoint = endpointAt(c.Port)
	return aside, e.await(ctx, c)
}

// onState runs a one-shot beside the state.
func (e *Engine) onState(ctx context.Context, binary string, result any, args ...string) error {
	build, err := images.BuildHash(binary)
	if err != nil {
		return err
	}
	if _, err := e.ensureImage(ctx, binary, build); err != nil {
		return fullOr(err)
	}
	return e.run(ctx, oneshot{Image: imageOf(build), Args: args, Binds: []string{e.site.StateVolume() + ":" + stateMount}}, result)
}
