package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"labsim/images"
	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
	"labsim/sim/agent/plugin"
)

// UninstallOptions say how much goes.
type UninstallOptions struct {
	// Binary serves where the engine has no system image any more; may be "".
	Binary string
	// Volumes destroys the data of the volumes; Purge the cached system image as well.
	Volumes bool
	Purge   bool
	// Progress is told what is done now; nil: nobody listens.
	Progress func(sim.Text)
}

// Uninstalled is what Uninstall did.
type Uninstalled struct {
	// Nothing says that there was nothing to remove.
	Nothing bool
	// Kept are the volumes whose data stays on the engine's machine.
	Kept []verbs.Volume
	// Image is the cached system image that stays, or "".
	Image string
}

// Bounds of the steps: an agent that hangs may take what Docker gives it, never more.
// They begin anew with each thing that has gone.
const (
	agentAnswers = 5 * time.Second
	stepTimeout  = 30 * time.Second
	slowTimeout  = 100 * time.Second
)

// Uninstall removes the site from the engine, in the order that never makes the
// engine wait for a driver that is not there: what uses the agent before the
// agent. It needs no control, puts an agent that was removed by hand back
// first, and gets past one that hangs. Errors are collected: each step is tried.
func (e *Engine) Uninstall(ctx context.Context, o UninstallOptions) (*Uninstalled, error) {
	u := &uninstall{e: e, o: o}
	found, err := u.look(ctx)
	if err != nil {
		return nil, err
	}
	if !found {
		return u.remains(ctx)
	}
	u.step(ctx, sim.T("control"), stepTimeout, u.control)
	u.step(ctx, sim.T("agent"), slowTimeout, u.revive)
	u.step(ctx, sim.T("instances"), slowTimeout, u.containers)
	u.step(ctx, sim.T("networks"), slowTimeout, u.networks)
	u.step(ctx, sim.T("volumes"), slowTimeout, u.volumes)
	u.step(ctx, sim.T("agent leaves"), slowTimeout, u.leave)
	u.step(ctx, sim.T("agent"), stepTimeout, func(ctx context.Context) error { return e.removeAgent(ctx, e.site.Plugin()) })
	u.step(ctx, sim.T("state"), stepTimeout, u.state)
	done, err := u.remains(ctx)
	done.Nothing = false
	if err != nil {
		u.errs = append(u.errs, err)
	}
	return done, u.failure()
}

// uninstall is one run of it, with what it found.
type uninstall struct {
	e    *Engine
	o    UninstallOptions
	errs []error
	// gotOn gives the step that is under way its time again.
	gotOn func()

	image string // a system image that stands, or ""
	build string // its build
	agent *types.Plugin
	uses  []container.Summary // everything of the site that runs or could
	nets  []network.Summary
}

// look finds what stands, and says whether anything does.
func (u *uninstall) look(ctx context.Context) (found bool, err error) {
	e := u.e
	if u.uses, err = e.c.ContainerList(ctx, container.ListOptions{All: true, Filters: e.ours()}); err != nil {
		return false, err
	}
	if u.nets, err = e.c.NetworkList(ctx, network.ListOptions{}); err != nil {
		return false, err
	}
	u.nets = siteNetworks(u.nets, e.site)
	p, _, err := e.c.PluginInspectWithRaw(ctx, e.site.Plugin())
	if err != nil && !notFound(err) {
		return false, err
	}
	if err == nil {
		u.agent = p
	}
	u.image, u.build, err = e.anyImage(ctx, u.builds()...)
	if err != nil {
		return false, err
	}
	state, err := e.volumeOf(ctx, "local", e.site.StateVolume())
	if err != nil {
		return false, err
	}
	// Another labsim's one-shot is no sign that the site stands.
	stands := slices.ContainsFunc(u.uses, func(c container.Summary) bool { return c.Labels[sim.LabelKind] != kindOneshot })
	return state != nil || stands || u.agent != nil || len(u.nets) > 0, nil
}

// builds are the builds whose image serves best, the best first.
func (u *uninstall) builds() []string {
	var out []string
	if u.agent != nil { // it is asked to leave, by one of its own build
		out = append(out, plugin.Build(u.agent.Config.Description))
	}
	for _, c := range u.uses {
		if c.Labels[sim.LabelKind] == kindControl {
			out = append(out, c.Labels[sim.LabelBuild])
		}
	}
	if own, err := images.BuildHash(u.o.Binary); err == nil {
		out = append(out, own)
	}
	return out
}

// siteNetworks picks the site's: by label, and by driver those that lost it.
func siteNetworks(all []network.Summary, site sim.Site) []network.Summary {
	var out []network.Summary
	for _, n := range all {
		if n.Labels[sim.LabelSite] == string(site) || n.Driver == site.Plugin() {
			out = append(out, n)
		}
	}
	return out
}

// control goes first: it would make again what is removed.
func (u *uninstall) control(ctx context.Context) error {
	var errs []error
	for _, c := range u.uses {
		if c.Labels[sim.LabelKind] == kindControl {
			errs = append(errs, u.e.endControl(ctx, c.ID))
		}
	}
	return errors.Join(errs...)
}

func (u *uninstall) containers(ctx context.Context) error {
	var steps []func() error
	for _, c := range u.uses {
		if c.Labels[sim.LabelKind] != kindControl {
			steps = append(steps, func() error { return u.e.removeContainer(ctx, c.ID) })
		}
	}
	return errors.Join(u.each(ctx, steps), u.e.removeRoots(ctx, "", false))
}

func (u *uninstall) networks(ctx context.Context) error {
	var steps []func() error
	for _, n := range u.nets {
		steps = append(steps, func() error {
			// Somebody's own container may have been connected by hand.
			if in, err := u.e.c.NetworkInspect(ctx, n.ID, network.InspectOptions{}); err == nil {
				for id := range in.Containers {
					_ = u.e.c.NetworkDisconnect(ctx, n.ID, id, true)
				}
			}
			if err := gone(u.e.c.NetworkRemove(ctx, n.ID)); err != nil {
				return fmt.Errorf("network %s: %w", n.Name, err)
			}
			return nil
		})
	}
	return u.each(ctx, steps)
}

// volumes asks now, not before: without its driver a volume is in no list.
func (u *uninstall) volumes(ctx context.Context) error {
	list, err := u.e.c.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("driver", u.e.site.Plugin()))})
	if err != nil {
		return err
	}
	var steps []func() error
	for _, v := range list.Volumes {
		steps = append(steps, func() error { return gone(u.e.c.VolumeRemove(ctx, v.Name, true)) })
	}
	return u.each(ctx, steps)
}

func (u *uninstall) state(ctx context.Context) error {
	v, err := u.e.volumeOf(ctx, "local", u.e.site.StateVolume())
	if v == nil || err != nil {
		return err
	}
	return gone(u.e.c.VolumeRemove(ctx, v.Name, true))
}

// remains empties the directories, and lists or removes what may stay.
func (u *uninstall) remains(ctx context.Context) (*Uninstalled, error) {
	done := &Uninstalled{Nothing: true, Image: u.image}
	if u.image == "" {
		return done, nil
	}
	args := []string{verbs.Clean, string(u.e.site), "/engine/lib", "/engine/run"}
	if u.o.Volumes || u.o.Purge {
		args = append(args, "data")
	}
	// A plain bind, without what is mounted below: the pins of the namespaces
	// then are files to be unlinked.
	err := u.e.run(ctx, oneshot{Image: u.image, Args: args,
		Flat: map[string]string{"/var/lib": "/engine/lib", "/run": "/engine/run"}}, &done.Kept)
	switch {
	case err != nil:
	case u.o.Purge:
		done.Image, err = "", u.purge(ctx)
	default:
		err = u.e.sweepImages(ctx, u.build, imageGrace)
	}
	return done, err
}

// purge removes the system images that no site uses.
func (u *uninstall) purge(ctx context.Context) error {
	list, err := u.e.idleImages(ctx)
	errs := []error{err}
	for _, i := range list {
		errs = append(errs, u.e.removeImage(ctx, i))
	}
	return errors.Join(errs...)
}
