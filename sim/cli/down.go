package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/engine/docker"
	"labsim/sim/lab"
)

type downFlags struct{ all, volumes, purge bool }

func (a *app) downCommand() *cobra.Command {
	var f downFlags
	c := &cobra.Command{
		Use:   "down [FILE|NAME]",
		Short: a.say(sim.T("take a lab down; after the last one nothing is left but volumes' data and the cached image")),
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return a.down(c.Context(), args, f) },
	}
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, a.say(sim.T("don't ask")))
	c.Flags().BoolVar(&f.all, "all", false, a.say(sim.T("all labs, and all that was made by hand")))
	c.Flags().BoolVar(&f.volumes, "volumes", false, a.say(sim.T("also the volumes' data")))
	c.Flags().BoolVar(&f.purge, "purge", false, a.say(sim.T("all labs, the volumes' data and the cached image")))
	return c
}

func (a *app) down(ctx context.Context, args []string, f downFlags) error {
	f.all = f.all || f.purge
	f.volumes = f.volumes || f.purge
	b, err := a.find(ctx)
	switch {
	case err == nil:
		if about, err := b.version(ctx); err != nil || about.Unclaimed != nil {
			return errors.Join(err, a.downUnclaimed(ctx, about.Unclaimed, f))
		}
	case errors.Is(err, docker.ErrNotUp), f.all:
		return a.uninstall(ctx, f) // what stands without control is nobody's
	case errors.Is(err, docker.ErrSilent) && len(args) == 0:
		return a.uninstallUnknown(ctx, f)
	default:
		return err
	}
	if f.all {
		if err := a.listByHand(ctx, b); err != nil {
			return err
		}
		return a.uninstall(ctx, f)
	}
	name, err := a.labName(ctx, b, args)
	if err != nil {
		return err
	}
	release, err := a.lease(ctx, b)
	if err != nil {
		return err
	}
	defer release()
	if err := a.removeLab(ctx, b, name, f.volumes); err != nil {
		return err
	}
	rest, err := b.vpcs(ctx)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		release()
		return a.uninstall(ctx, f)
	}
	for _, v := range rest {
		if l := wire.TagValue(v.Tags, sim.TagLab); l != "" {
			a.println(sim.T("the lab %s stays up (%s)", l, wire.Value(v.VpcId)))
		} else {
			a.println(sim.T("VPC %s belongs to no lab and stays up; labsim down --all takes it away too", wire.Value(v.VpcId)))
		}
	}
	return nil
}

func (b *box) vpcs(ctx context.Context) ([]wire.Vpc, error) {
	var out wire.DescribeVpcsResult
	err := b.ec2.Do(ctx, "DescribeVpcs", &wire.DescribeVpcsRequest{}, &out)
	return out.Vpcs, err
}

// labs are the names of the labs that stand.
func (b *box) labs(ctx context.Context) ([]string, error) {
	vpcs, err := b.vpcs(ctx)
	labs := map[string]bool{}
	for _, v := range vpcs {
		if l := wire.TagValue(v.Tags, sim.TagLab); l != "" {
			labs[l] = true
		}
	}
	return slices.Sorted(maps.Keys(labs)), err
}

// labName finds the lab that is meant: of a file, by its name, or the only one.
func (a *app) labName(ctx context.Context, b *box, args []string) (string, error) {
	names, err := b.labs(ctx)
	if err != nil {
		return "", err
	}
	if len(args) == 0 {
		if len(names) <= 1 {
			return first(names), nil
		}
		return "", usageError{&sim.Failure{What: sim.T("there are several labs: %v; say which", names), Next: []sim.Text{sim.Cmd("labsim down %s", shellJoin(names[:1])), sim.Cmd("labsim down --all")}}}
	}
	if slices.Contains(names, args[0]) {
		return args[0], nil
	}
	if _, err := os.Stat(args[0]); err == nil {
		l, err := a.loadLab(args)
		if err != nil {
			return "", err
		}
		return l.Name, nil
	}
	return "", &sim.Failure{What: sim.T("there is no lab %q; up are %v", args[0], names)}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (a *app) removeLab(ctx context.Context, b *box, name string, volumes bool) error {
	if name == "" {
		return nil
	}
	r, err := lab.Down(ctx, b.ec2, name, volumes)
	if err != nil {
		return err
	}
	if len(r.ByHand) > 0 && !a.yes {
		for _, x := range r.ByHand {
			a.errorln(sim.T("was added by hand and goes with the lab: %s %s %s", x.Kind, x.ID, x.Name))
		}
		if err := a.ask(sim.T("Go on?")); err != nil {
			return err
		}
	}
	about, err := b.version(ctx)
	if err != nil {
		return err
	}
	of := b.labScope(name)
	for _, x := range r.ByHand {
		of.add([]string{x.ID})
	}
	ls := a.newLines()
	ls.start(" ", sim.T("Lab %s", name))
	err = r.Apply(ctx, b.ec2, 0, lab.Options{Region: about.Region, Wait: b.waiter(of, ls.note),
		Progress: func(c lab.Change) { ls.update(" ", sim.T("Lab %s: %s %s", name, c.Kind, c.Name)) }})
	ls.end(err == nil, " ", a.say(sim.T("Lab %s is down", name)))
	if err != nil {
		return a.failed(ctx, b, err)
	}
	return a.removeKeys(r.Keys)
}

// listByHand asks before things go that no lab can bring back.
func (a *app) listByHand(ctx context.Context, b *box) error {
	vpcs, err := b.vpcs(ctx)
	if err != nil || a.yes {
		return err
	}
	byHand := slices.DeleteFunc(vpcs, func(v wire.Vpc) bool { return wire.TagValue(v.Tags, sim.TagLab) != "" })
	if len(byHand) == 0 {
		return nil
	}
	for _, v := range byHand {
		a.errorln(sim.T("was made by hand and goes too: VPC %s %s with all that is in it", wire.Value(v.VpcId), wire.TagValue(v.Tags, sim.TagName)))
	}
	return a.ask(sim.T("Go on?"))
}

// uninstallUnknown takes the site away of a control that does not answer.
func (a *app) uninstallUnknown(ctx context.Context, f downFlags) error {
	if !a.yes {
		a.errorln(sim.T("control does not answer, so which labs are up is not known: the whole site %s goes", a.site))
		if err := a.ask(sim.T("Go on?")); err != nil {
			return err
		}
	}
	return a.uninstall(ctx, f)
}

// uninstall takes the whole site away, with control alive or dead.
func (a *app) uninstall(ctx context.Context, f downFlags) error {
	if _, err := a.findSimulated(ctx); err == nil && a.engine == "" { // Docker came later
		return a.stopSimulated(ctx)
	}
	e, simulated, err := a.open(ctx)
	if err != nil {
		return err
	}
	if simulated {
		return a.stopSimulated(ctx)
	}
	defer e.Close()
	ls := a.newLines()
	label := " "
	ls.start(label, sim.T("Site %s", a.site))
	o := docker.UninstallOptions{Volumes: f.volumes, Purge: f.purge, Progress: func(t sim.Text) { ls.update(label, t) }}
	if o.Binary, err = a.anyBinary(ctx, e); err != nil {
		return err
	}
	done, err := e.Uninstall(ctx, o)
	switch {
	case err != nil:
		ls.end(false, label, a.say(sim.T("Site %s", a.site)))
		return err
	case done.Nothing:
		ls.end(true, label, a.say(sim.T("Site %s: nothing is up", a.site)))
	default:
		ls.end(true, label, a.say(sim.T("Site %s is gone", a.site)))
	}
	for _, v := range done.Kept {
		a.println(sim.T("kept: volume %s (%s of lab %s, %d GiB); the next up finds it again, labsim down --volumes deletes it", v.ID, v.Name, v.Lab, v.SizeGiB))
	}
	return a.removeState()
}

func (a *app) anyBinary(ctx context.Context, e *docker.Engine) (string, error) {
	_, platform, err := e.About(ctx)
	if err != nil {
		return "", fmt.Errorf("engine: %w", err)
	}
	return linuxBinary(ctx, platform)
}
