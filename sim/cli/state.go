package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/control"
	"labsim/sim/engine"
	"labsim/sim/engine/docker"
	"labsim/sim/store"
)

func (a *app) stateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "state COMMAND", Short: a.say(sim.T("list the copies of labsim's own state, and put one back where it was lost or damaged")),
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, args []string) error { return c.Help() },
	}
	restore := &cobra.Command{
		Use: "restore [COPY]", Short: a.say(sim.T("put a copy of the state back, the newest one unless another is named")), Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.restoreState(c.Context(), first(args)) },
	}
	restore.Flags().BoolVarP(&a.yes, "yes", "y", false, a.say(sim.T("don't ask")))
	c.AddCommand(&cobra.Command{
		Use: "list", Short: a.say(sim.T("list the copies of the state: how old they are and what is in them")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error { return a.listState(c.Context()) },
	}, restore)
	return c
}

// stateOf opens the engine and lists the copies of the site's state.
func (a *app) stateOf(ctx context.Context) (e *docker.Engine, binary string, list []store.Copy, err error) {
	e, simulated, err := a.open(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	if simulated {
		return nil, "", nil, &sim.Failure{What: sim.T("a simulated site has no state that outlives it, so there are no copies"), Next: []sim.Text{sim.Cmd("labsim up")}}
	}
	if binary, err = a.anyBinary(ctx, e); err == nil {
		list, err = e.StateCopies(ctx, binary)
	}
	if err != nil {
		e.Close()
		return nil, "", nil, err
	}
	return e, binary, list, nil
}

func (a *app) listState(ctx context.Context) error {
	e, _, list, err := a.stateOf(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	if a.json {
		return a.printJSON(list)
	}
	if len(list) == 0 {
		a.println(sim.T("there is no copy of the state of the site %s", a.site))
		return nil
	}
	rows := [][]string{{a.say(sim.T("COPY")), a.say(sim.T("TAKEN")), a.say(sim.T("AGE")), "VPC", a.say(sim.T("INSTANCES")), a.say(sim.T("VOLUMES"))}}
	for _, c := range list {
		content := []string{fmt.Sprint(c.VPCs), fmt.Sprint(len(c.Instances)), fmt.Sprint(c.Volumes)}
		if c.Damage != "" {
			content = []string{a.say(sim.T("damaged: %s", c.Damage))}
		}
		rows = append(rows, append([]string{c.Name, c.Taken.Local().Format(time.DateTime), age(c)}, content...))
	}
	a.table(rows)
	return nil
}

func age(c store.Copy) string { return time.Since(c.Taken).Round(time.Second).String() }

// restoreState puts a copy back after it has said what that changes.
func (a *app) restoreState(ctx context.Context, name string) error {
	e, binary, list, err := a.stateOf(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	c, err := a.chooseCopy(list, name)
	if err != nil {
		return err
	}
	if err := a.askRestore(ctx, e, c); err != nil {
		return err
	}
	ls := a.newLines()
	title := sim.T("State of the site %s: %s", a.site, c.Name)
	ls.start(" ", title)
	aside, err := e.RestoreState(ctx, binary, c.Name)
	ls.end(err == nil, " ", a.say(title))
	if err != nil {
		return err
	}
	if aside != "" {
		a.println(sim.T("what lay in its place is beside it, as %s in the Docker volume %s", aside, sim.Site(a.site).StateVolume()))
	}
	return nil
}

// chooseCopy finds the copy that is meant among those that can be used. One that
// knows of nothing, and so would remove all that stands, has to be named.
func (a *app) chooseCopy(list []store.Copy, name string) (store.Copy, error) {
	for _, c := range list {
		if c.Damage == "" && (name == "" && !c.Empty() || c.Name == name) {
			return c, nil
		}
	}
	next := []sim.Text{sim.Cmd("labsim state list"), downAll()}
	if name != "" {
		return store.Copy{}, &sim.Failure{What: sim.T("there is no good copy %s of the state", name), Next: next[:1]}
	}
	return store.Copy{}, &sim.Failure{What: sim.T("there is no good copy of the state of the site %s", a.site), Next: next}
}

// askRestore says what is in the copy, and which instances go because they are not.
func (a *app) askRestore(ctx context.Context, e *docker.Engine, c store.Copy) error {
	if a.yes {
		return nil
	}
	o, err := e.Observe(ctx)
	if err != nil {
		return err
	}
	a.errorln(sim.T("the copy %s is %s old and knows %d VPCs, %d volumes and %d instances: %s", c.Name, age(c), c.VPCs, c.Volumes, len(c.Instances), instanceNames(c)))
	for _, name := range slices.Sorted(maps.Keys(o.Containers)) {
		x := o.Containers[name]
		known := slices.ContainsFunc(c.Instances, func(i store.CopiedInstance) bool { return string(i.ID) == x.ID })
		if x.Kind == engine.KindInstance && !known {
			a.errorln(sim.T("the copy does not know the instance %s (%s): it goes, with its root disk", name, x.ID))
		}
	}
	return a.ask(sim.T("Put it back?"))
}

func instanceNames(c store.Copy) string {
	var out []string
	for _, i := range c.Instances {
		if i.Name == "" {
			i.Name = string(i.ID)
		}
		out = append(out, i.Name)
	}
	return dash(strings.Join(out, ", "))
}

// sayUnclaimed says what stands of a site whose state was lost, and the ways on.
func (a *app) sayUnclaimed(ctx context.Context, u *control.Unclaimed) {
	a.listUnclaimed(u)
	var next []sim.Text
	if e, _, list, err := a.stateOf(ctx); err == nil {
		e.Close()
		if c, err := a.chooseCopy(list, ""); err == nil {
			next = append(next, sim.T("labsim state restore   # puts back the copy that is %s old: %s", age(c), instanceNames(c)))
		} else {
			a.errorln(sim.T("there is no good copy of the state of the site %s", a.site))
		}
	}
	for _, n := range append(next, downAll()) {
		a.errorln(sim.Cmd("    %s", a.respell(a.say(n))))
	}
}

func (a *app) listUnclaimed(u *control.Unclaimed) {
	a.errorln(sim.T("the state of the site %s was lost; what it made still stands, and labsim neither changes nor removes it before you say so", a.site))
	for _, x := range []struct {
		what  sim.Text
		names []string
	}{{sim.T("instances"), u.Instances}, {sim.T("subnets"), u.Networks}, {sim.T("internet gateways"), u.Gateways}, {sim.T("volumes"), u.Volumes}} {
		if len(x.names) > 0 {
			a.errorln(sim.Cmd("  %s: %s", a.say(x.what), sim.Printable(strings.Join(x.names, ", "))))
		}
	}
}

func downAll() sim.Text {
	return sim.T("labsim down --all   # takes all of the site away; the data of the volumes stays")
}

// claim is `up` on a site whose state was lost: the newest copy comes back, if the
// user says so. Without one nothing can tell what the containers belong to.
func (a *app) claim(ctx context.Context, u *control.Unclaimed) error {
	a.listUnclaimed(u)
	return a.restoreState(ctx, "")
}

// downUnclaimed takes away what no state knows, if the user says so.
func (a *app) downUnclaimed(ctx context.Context, u *control.Unclaimed, f downFlags) error {
	if u == nil {
		return nil
	}
	a.listUnclaimed(u)
	if !a.yes {
		if err := a.ask(sim.T("Take all of it away?")); err != nil {
			return err
		}
	}
	return a.uninstall(ctx, f)
}
