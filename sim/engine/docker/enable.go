package docker

import (
	"context"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"labsim/sim/agent/plugin"
)

// enableSeen is how long somebody else's `docker plugin enable` may take before
// the plugin's process counts as lost.
const enableSeen = 3 * time.Second

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
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case processLost(err) && e.becomesEnabled(ctx, p.ID):
			return nil
		case !processLost(err) && busy(err): // by docker's own commands
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

// processLost says that the process of a plugin runs that Docker takes for disabled.
func processLost(err error) bool {
	return err != nil && strings.Contains(err.Error(), "id already in use")
}

// becomesEnabled waits for what somebody without the hold may be doing.
func (e *Engine) becomesEnabled(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, enableSeen)
	defer cancel()
	enabled, errs := e.enablings(ctx)
	for {
		// The event may have been before the stream stood.
		if p, _, err := e.c.PluginInspectWithRaw(ctx, id); err == nil && p.Enabled {
			return true
		}
		select {
		case <-enabled:
		case <-errs:
			return false
		}
	}
}

// enablings are the events of plugins that Docker enables, of any plugin: an event
// has what Docker was asked by, a name or an id.
func (e *Engine) enablings(ctx context.Context) (<-chan events.Message, <-chan error) {
	return e.c.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.PluginEventType)), filters.Arg("event", string(events.ActionEnable)),
	)})
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
	enabled, errs := e.enablings(limited)
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
