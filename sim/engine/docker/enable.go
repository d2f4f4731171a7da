package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
	"labsim/sim/agent/plugin"
)

// Bounds of what is waited for while another labsim enables the agent.
const (
	// holdLimit is more than an agent may take to start.
	holdLimit = agentStart + 30*time.Second
	// holdStarts is how long a one-shot may lie about that its maker has not
	// started: it was killed in between.
	holdStarts = 5 * time.Second
	// enableSeen is how long somebody else's `docker plugin enable` may take
	// before its process counts as lost.
	enableSeen = 3 * time.Second
)

// settleAgent makes the plugin that stands be of that build and enabled. The caller
// has the hold: Docker 20.10 starts the process of a plugin that two clients
// enable at once, and may then take it for disabled, for good.
func (e *Engine) settleAgent(ctx context.Context, b program) error {
	p, _, err := e.c.PluginInspectWithRaw(ctx, e.site.Plugin())
	if err != nil {
		return err
	}
	if plugin.Build(p.Config.Description) == b.Build {
		if p.Enabled {
			return nil
		}
		err := e.enable(ctx, p.ID)
		if err == nil || ctx.Err() != nil || processLost(err) && e.becomesEnabled(ctx, p.ID) {
			return err
		}
		// It does not start, or Docker has lost sight of its process, which the
		// agent that comes with a new id ends.
	}
	if err := e.removeAgent(ctx, p.ID); err != nil {
		return err
	}
	if err := e.createAgent(ctx, b); err != nil {
		return err
	}
	return e.enable(ctx, e.site.Plugin())
}

func (e *Engine) enable(ctx context.Context, ref string) error {
	return e.c.PluginEnable(ctx, ref, types.PluginEnableOptions{Timeout: int(agentStart.Seconds())})
}

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

// processLost says that the process of a plugin runs that Docker takes for disabled.
func processLost(err error) bool {
	return err != nil && strings.Contains(err.Error(), "id already in use")
}

// becomesEnabled waits for what somebody without the hold may be doing.
func (e *Engine) becomesEnabled(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, enableSeen)
	defer cancel()
	for ctx.Err() == nil {
		if p, _, err := e.c.PluginInspectWithRaw(ctx, id); err == nil && p.Enabled {
			return true
		}
		pause(ctx, 100*time.Millisecond)
	}
	return false
}

// onceEnabled does what takes the agent, and again if Docker enables it soon: an
// agent that has just started comes to control half a second before that (moby,
// plugin/manager_linux.go, pluginPostStart).
func (e *Engine) onceEnabled(ctx context.Context, f func() error) error {
	err := f()
	if !notEnabled(err) {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, enableSeen)
	defer cancel()
	// Of any plugin: the event has what Docker was asked by, a name or an id.
	enabled, errs := e.c.Events(limited, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.PluginEventType)), filters.Arg("event", string(events.ActionEnable)),
	)})
	for {
		// The event may have been before the stream stood.
		if err = f(); !notEnabled(err) {
			return err
		}
		select {
		case <-enabled:
		case <-errs:
			return err
		}
	}
}

// hold keeps every other labsim out until release, or until this process ends:
// a one-shot with a fixed name lives on its standard input, which is this
// process' connection. Its bind makes the agent's directory on the engine's
// machine, without which a plugin can't be enabled.
func (e *Engine) hold(ctx context.Context, image string) (release func(), err error) {
	limited, cancel := context.WithTimeout(ctx, holdLimit)
	defer cancel()
	o := oneshot{
		Name: e.site.Enabling(), Image: image, Args: []string{verbs.Ready}, Input: true,
		Binds: []string{e.site.DataDir() + ":/data"},
	}
	for {
		id, err := e.createOneshot(limited, o)
		switch {
		case err == nil:
			return e.startHold(ctx, id)
		case limited.Err() != nil && ctx.Err() == nil:
			return nil, &sim.Failure{What: sim.T("another labsim has been starting the agent for %v", holdLimit),
				Next: []sim.Text{sim.T("wait until it has ended, and repeat"), sim.Cmd("docker rm -f %s", o.Name)}}
		case !conflict(err):
			return nil, err
		}
		if err := e.awaitHold(limited, o.Name); err != nil && limited.Err() == nil {
			return nil, err
		}
	}
}

// startHold returns once the one-shot runs.
func (e *Engine) startHold(ctx context.Context, id string) (release func(), err error) {
	stream, err := e.c.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true})
	if err == nil {
		if err = e.c.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
			stream.Close()
		}
	}
	if err != nil {
		_ = e.removeContainer(context.WithoutCancel(ctx), id)
		return nil, fmt.Errorf("one-shot %s: %w", verbs.Ready, err)
	}
	return func() {
		// Until it is removed: a container that is still going would look like a rest of the site.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
		defer cancel()
		ended, errs := e.c.ContainerWait(ctx, id, container.WaitConditionRemoved)
		stream.Close()
		select {
		case <-ended:
		case <-errs: // it is gone already, or the engine is
		}
	}, nil
}

// awaitHold returns when another's one-shot has been removed, and removes one
// that was never started.
func (e *Engine) awaitHold(ctx context.Context, name string) error {
	in, err := e.c.ContainerInspect(ctx, name)
	if err != nil {
		return gone(err)
	}
	starts, cancel := context.WithTimeout(ctx, holdStarts)
	defer cancel()
	ended, errs := e.c.ContainerWait(starts, in.ID, container.WaitConditionRemoved)
	select {
	case <-ended:
		return nil
	case err := <-errs:
		if starts.Err() == nil {
			return gone(err)
		}
	}
	// Without force: one that runs is held, and Docker refuses.
	if err := gone(e.c.ContainerRemove(ctx, in.ID, container.RemoveOptions{})); err != nil && !conflict(err) {
		return err
	}
	return nil
}
