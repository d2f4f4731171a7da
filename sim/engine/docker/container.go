package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"labsim/sim"
	"labsim/sim/engine"
)

// Start makes and starts the container.
func (e *Engine) Start(ctx context.Context, c engine.Container) error {
	id, running, made, err := e.ensureContainer(ctx, c)
	if err != nil || running {
		return err
	}
	err = e.c.ContainerStart(ctx, id, container.StartOptions{})
	if staleEndpoint(err) {
		// A network was made anew under its name; the container still refers to
		// the old one by id. Its disk is worth keeping.
		if err := e.reconnect(ctx, id, c.Interfaces); err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
		err = e.c.ContainerStart(ctx, id, container.StartOptions{})
	}
	if err != nil {
		return fmt.Errorf("container %s: %w", c.Name, err)
	}
	if made && c.Kind == engine.KindInstance {
		return e.dropRoots(ctx, c)
	}
	return nil
}

// ensureContainer returns the container of that name and hash, made if need be.
func (e *Engine) ensureContainer(ctx context.Context, c engine.Container) (id string, running, made bool, err error) {
	for try := range 10 {
		pause(ctx, time.Duration(try)*50*time.Millisecond)
		in, err := e.c.ContainerInspect(ctx, c.Name)
		switch {
		case notFound(err):
			id, err := e.create(ctx, c)
			if conflict(err) {
				continue // somebody else was faster, or an old one is still going
			}
			return id, false, err == nil, err
		case err != nil:
			return "", false, false, fmt.Errorf("container %s: %w", c.Name, err)
		case in.Config.Labels[sim.LabelSite] != string(e.site):
			return "", false, false, &sim.Failure{
				What: sim.T("the container %s exists and was not made by labsim", c.Name),
				Next: []sim.Text{sim.Cmd("docker rm -f %s", c.Name), sim.T("or give the lab or the instance another name")},
			}
		case in.Config.Labels[sim.LabelHash] == c.Hash && in.State.Status != container.StateDead:
			// One that was cut off before all its interfaces stood is completed, and
			// one that somebody has disconnected from a network.
			if in.NetworkSettings != nil {
				err = e.connectMissing(ctx, in.ID, in.NetworkSettings.Networks, c.Interfaces)
			}
			if err == nil && !in.State.Running {
				err = e.resize(ctx, in, c.Limits)
			}
			return in.ID, in.State.Running, false, err
		}
		err = e.keepRoot(ctx, in, c)
		if err == nil {
			err = e.removeContainer(ctx, in.ID)
		}
		if err != nil {
			return "", false, false, fmt.Errorf("container %s: %w", c.Name, err)
		}
	}
	return "", false, false, fmt.Errorf("container %s: made and removed by somebody else at the same time", c.Name)
}

// create makes the container with its first interface and connects the others:
// API 1.41 takes one network at create.
func (e *Engine) create(ctx context.Context, c engine.Container) (string, error) {
	args, err := e.guestArgs(ctx, c)
	if err != nil {
		return "", err
	}
	config := e.containerConfig(c, args)
	if config.Image, err = e.rootOf(ctx, c); err != nil {
		return "", err
	}
	var nets *network.NetworkingConfig
	if len(c.Interfaces) > 0 {
		first := c.Interfaces[0]
		nets = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first.Network: endpointOf(first)}}
	}
	made, err := e.c.ContainerCreate(ctx, config, e.hostConfig(c), nets, nil, c.Name)
	if err != nil {
		return "", fmt.Errorf("container %s: %w", c.Name, err)
	}
	if len(c.Interfaces) > 1 {
		err = e.connectMissing(ctx, made.ID, nets.EndpointsConfig, c.Interfaces)
	}
	return made.ID, err
}

func (e *Engine) connectMissing(ctx context.Context, id string, have map[string]*network.EndpointSettings, want []engine.Interface) error {
	for _, i := range want {
		if have[i.Network] != nil {
			continue
		}
		if err := e.c.NetworkConnect(ctx, i.Network, id, endpointOf(i)); err != nil && !conflict(err) {
			return fmt.Errorf("network %s: %w", i.Network, err)
		}
	}
	return nil
}

// reconnect binds a stopped container to the networks that have its names now.
func (e *Engine) reconnect(ctx context.Context, id string, want []engine.Interface) error {
	for _, i := range want {
		// The old network is gone, so this may well fail.
		_ = e.c.NetworkDisconnect(ctx, i.Network, id, true)
		if err := e.c.NetworkConnect(ctx, i.Network, id, endpointOf(i)); err != nil && !conflict(err) {
			return fmt.Errorf("network %s: %w", i.Network, err)
		}
	}
	return nil
}

func staleEndpoint(err error) bool {
	return err != nil && strings.Contains(err.Error(), "network") && strings.Contains(err.Error(), "not found")
}

func endpointOf(i engine.Interface) *network.EndpointSettings {
	s := &network.EndpointSettings{}
	if i.Addr.IsValid() {
		s.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: i.Addr.String()}
	}
	if i.ENI != "" {
		s.DriverOpts = map[string]string{sim.OptENI: string(i.ENI)}
	}
	return s
}

// guestArgs returns what PID 1 has to start: Compose's entrypoint and command.
// A command alone is handed to the image's entrypoint, as Compose does.
func (e *Engine) guestArgs(ctx context.Context, c engine.Container) ([]string, error) {
	if len(c.Entrypoint) > 0 || len(c.Command) == 0 {
		return append(append([]string{}, c.Entrypoint...), c.Command...), nil
	}
	in, err := e.c.ImageInspect(ctx, e.imageFor(c.Image))
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", c.Image, err)
	}
	if in.Config == nil || in.Config.Labels[sim.LabelBuild] != "" {
		return c.Command, nil // the system image's entrypoint is not for guests
	}
	return append(append([]string{}, in.Config.Entrypoint...), c.Command...), nil
}

// Stop returns at once for what is gone or has ended.
func (e *Engine) Stop(ctx context.Context, name string, grace int) error {
	in, err := e.containerNamed(ctx, name)
	if in == nil || err != nil {
		return err
	}
	return gone(e.c.ContainerStop(ctx, in.ID, container.StopOptions{Timeout: &grace}))
}

// Remove kills and removes.
func (e *Engine) Remove(ctx context.Context, name string) error {
	in, err := e.containerNamed(ctx, name)
	if in == nil || err != nil {
		return err
	}
	if err := e.removeRoot(ctx, *in); err != nil {
		return fmt.Errorf("root disk of container %s: %w", name, err)
	}
	return e.removeContainer(ctx, in.ID)
}

// containerNamed returns the site's container of that name, or nil.
func (e *Engine) containerNamed(ctx context.Context, name string) (*container.InspectResponse, error) {
	in, err := e.c.ContainerInspect(ctx, name)
	switch {
	case notFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("container %s: %w", name, err)
	case in.Config.Labels[sim.LabelSite] != string(e.site):
		return nil, nil
	}
	return &in, nil
}

const removalTimeout = 30 * time.Second

// removeContainer takes the volumes without a name along (an image's VOLUME). It
// returns once the container has let go of the others: one that somebody else
// removes, as Docker does with a one-shot, holds them until the end of that.
func (e *Engine) removeContainer(ctx context.Context, id string) error {
	err := e.c.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if !beingRemoved(err) {
		return gone(err)
	}
	ctx, cancel := context.WithTimeout(ctx, removalTimeout) // some callers have no time of their own
	defer cancel()
	ended, errs := e.c.ContainerWait(ctx, id, container.WaitConditionRemoved)
	select {
	case <-ended:
		return nil
	case err := <-errs:
		return gone(err)
	}
}
