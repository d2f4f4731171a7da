package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"

	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
)

const (
	// holdLimit is more than an agent may take to start.
	holdLimit = agentStart + 30*time.Second
	// holdStarts is how long a one-shot may lie about that its maker has not
	// started: it was killed in between.
	holdStarts = 5 * time.Second
)

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
