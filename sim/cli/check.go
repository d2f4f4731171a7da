package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/lab"
)

// check looks whether what stands is what the lab file says, and whether its
// packets get through. It changes nothing; up is the command that would.
func (a *app) check(ctx context.Context, l *lab.Lab, again sim.Text) error {
	b, err := a.find(ctx)
	if err != nil {
		return err
	}
	about, err := b.version(ctx)
	if err != nil {
		return err
	}
	u := &bringUp{app: a, box: b, lab: l, again: again, lines: a.newLines(), simulated: about.Engine == "none", region: about.Region}
	changes, err := lab.Diff(ctx, b.ec2, l, u.options())
	if err != nil {
		return a.failed(ctx, b, err)
	}
	for step := lab.StepVPC; step <= lab.StepInstances; step++ {
		if err := u.compare(ctx, step, changes.List); err != nil {
			return err
		}
	}
	list, faults, _, err := u.verify(ctx)
	if err != nil {
		return err
	}
	for _, c := range changes.List {
		faults = append(faults, fault{Cause: sim.T("not as the lab file says: %s", changeText(c)), Fix: []sim.Text{again}})
	}
	if a.json {
		if err := u.printJSON(ctx, list, faults); err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		a.advise(faults)
		return exitCode(1)
	}
	return nil
}

// compare draws the line of a step: what stands, or what is not as the file says.
func (u *bringUp) compare(ctx context.Context, step int, list []lab.Change) error {
	label, title := fmt.Sprintf(" %d ", step), stepTitle(step)
	u.lines.start(label, title)
	shown, err := u.describe(ctx, step)
	var differ []string
	for _, c := range list {
		if stepOf(c) == step {
			differ = append(differ, u.app.say(changeText(c)))
		}
	}
	if len(differ) > 0 {
		shown = strings.Join(slices.Compact(differ), " · ")
	}
	u.lines.end(err == nil && len(differ) == 0, label, pad(u.app.say(title), titleWidth)+u.mark()+shown)
	return err
}

// stepOf is the step whose line a change belongs to; deletions come before all
// steps, and belong to the one that makes their kind.
func stepOf(c lab.Change) int {
	if c.Step != 0 {
		return c.Step
	}
	switch c.Kind {
	case "vpc":
		return lab.StepVPC
	case "subnet":
		return lab.StepSubnets
	case "internet-gateway", "route-table", "route", "association":
		return lab.StepRoutes
	}
	return lab.StepInstances
}
