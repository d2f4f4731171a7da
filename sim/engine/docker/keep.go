package docker

import (
	"context"
	"time"

	"github.com/docker/docker/api/types"

	"labsim/sim/agent/plugin"
)

// KeepAgent puts the agent back that somebody has removed or disabled, and starts
// one anew that hangs: an engine that boots without it waits 15 s for each of its
// networks and volumes, and one that hangs blocks the removal of a container. An
// agent of another build is a newer labsim's, and left alone. file is labsim for
// the engine's machine.
func (e *Engine) KeepAgent(ctx context.Context, file, build string) error {
	if what, err := e.agentIs(ctx, build); what == agentWell || err != nil {
		return err
	}
	release, err := e.hold(ctx, imageOf(build))
	if err != nil {
		return err
	}
	defer release()
	what, err := e.agentIs(ctx, build) // now nobody else is at it
	b := fileBinary(file, build)
	switch {
	case what == agentWell || err != nil:
		return err
	case what == agentMissing:
		err = e.createAgent(ctx, b)
	case what == agentHangs:
		err = e.c.PluginDisable(ctx, e.site.Plugin(), types.PluginDisableOptions{Force: true})
	}
	if err != nil {
		return err
	}
	return e.settleAgent(ctx, b)
}

// agentState is how an agent looks from outside.
type agentState int

const (
	agentWell agentState = iota // or another build's
	agentMissing
	agentDisabled
	agentHangs
)

func (e *Engine) agentIs(ctx context.Context, build string) (agentState, error) {
	p, _, err := e.c.PluginInspectWithRaw(ctx, e.site.Plugin())
	switch {
	case notFound(err):
		return agentMissing, nil
	case err != nil || plugin.Build(p.Config.Description) != build:
		return agentWell, err
	case !p.Enabled:
		return agentDisabled, nil
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan bool, 1)
	go func() { answers <- e.agentAnswers(asking) }()
	for {
		select {
		case well := <-answers:
			if !well {
				return agentHangs, ctx.Err()
			}
			return agentWell, nil
		case <-time.After(200 * time.Millisecond):
			// It may be going in this moment, and then doesn't answer any more.
			if p, _, err := e.c.PluginInspectWithRaw(ctx, p.ID); err != nil || !p.Enabled {
				return e.agentIs(ctx, build)
			}
		}
	}
}
