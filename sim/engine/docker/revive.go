package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"labsim/images"
	verbs "labsim/sim/agent/oneshot"
	"labsim/sim/agent/plugin"
)

// revive sees to it that an agent answers while the things that use it are
// removed: Docker asks the driver for each of them, and waits long for one that
// is missing or hangs.
func (u *uninstall) revive(ctx context.Context) error {
	e := u.e
	if u.agent != nil && u.agent.Enabled {
		if e.agentAnswers(ctx) {
			return nil
		}
		// Docker kills the process of one that hangs within ten seconds.
		if err := e.c.PluginDisable(ctx, e.site.Plugin(), types.PluginDisableOptions{Force: true}); err != nil && !busy(err) {
			return fmt.Errorf("agent hangs: %w", err)
		}
	}
	b, err := u.binary(ctx)
	if err != nil || b.Build == "" {
		return err // without a binary the rest still works, slowly
	}
	if u.agent != nil {
		b.Build = plugin.Build(u.agent.Config.Description)
	}
	_, err = e.ensureAgent(ctx, b, u.anyImage)
	if err == nil && e.agentAnswers(ctx) {
		return nil
	}
	// The one that is there is broken: put another in its place.
	if b, err = u.binary(ctx); err != nil {
		return err
	}
	if err := e.removeAgent(ctx, e.site.Plugin()); err != nil {
		return err
	}
	_, err = e.ensureAgent(ctx, b, u.anyImage)
	return err
}

// agentAnswers asks the driver for its volumes, through Docker.
func (e *Engine) agentAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, agentAnswers)
	defer cancel()
	list, err := e.c.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("driver", e.site.Plugin()))})
	return err == nil && len(list.Warnings) == 0
}

// binary is labsim for a plugin: out of the image, else the CLI's own.
func (u *uninstall) binary(ctx context.Context) (program, error) {
	if u.image != "" {
		return u.e.binaryOf(u.image, u.build), nil
	}
	if u.o.Binary == "" {
		return program{}, nil
	}
	build, err := images.BuildHash(u.o.Binary)
	if err != nil {
		return program{}, err
	}
	// The steps that follow need the image as well.
	if _, err := u.e.ensureImage(ctx, u.o.Binary, build); err != nil {
		return program{}, err
	}
	u.image, u.build = imageOf(build), build
	return fileBinary(u.o.Binary, build), nil
}

func (u *uninstall) anyImage() (string, error) {
	if u.image == "" {
		return "", errors.New("no system image to make the agent's directory with")
	}
	return u.image, nil
}

// leave lets the agent give up what is in the kernel. One that does not come
// is no reason to stop: the namespaces go with the directories.
func (u *uninstall) leave(ctx context.Context) error {
	p, _, err := u.e.c.PluginInspectWithRaw(ctx, u.e.site.Plugin())
	if notFound(err) || err == nil && !p.Enabled || u.image == "" {
		return nil
	}
	if err != nil {
		return err
	}
	return u.e.run(ctx, oneshot{Image: u.image, Args: []string{verbs.Leave, "/run/labsim"},
		Binds: []string{u.e.site.RunDir() + ":/run/labsim"}}, nil)
}
