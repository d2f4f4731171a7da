package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
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

// enableAgent enables the plugin of that id, and is the only labsim that does so
// meanwhile: Docker 20.10 starts the process of one that two clients enable at
// once, and may then hold it to be disabled, for good.
func (e *Engine) enableAgent(ctx context.Context, id, image string) error {
	release, err := e.hold(ctx, image)
	if err != nil {
		return err
	}
	defer release()
	p, _, err := e.c.PluginInspectWithRaw(ctx, id)
	if err != nil || p.Enabled {
		return err
	}
	err = e.c.PluginEnable(ctx, id, types.PluginEnableOptions{Timeout: int(agentStart.Seconds())})
	if !processLost(err) || e.becomesEnabled(ctx, id) {
		return err
	}
	// Nothing else makes Docker forget the process. The agent that comes with a
	// new id ends it.
	return e.removeAgent(ctx, id)
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
