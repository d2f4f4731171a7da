package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"labsim/sim"
)

// finish is the fifth step and what to do next.
func (u *bringUp) finish(ctx context.Context) error {
	if !u.simulated {
		if _, err := u.app.saveHostKeys(ctx, u.box); err != nil {
			return err
		}
	}
	list, faults, ac, err := u.verify(ctx)
	if err != nil {
		return err
	}
	if u.app.json {
		if err := u.printJSON(ctx, list, faults); err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		u.app.advise(faults)
		return exitCode(1)
	}
	u.next(ac)
	return nil
}

// verify sends the packets and draws the fifth line.
func (u *bringUp) verify(ctx context.Context) (list []expectation, faults []fault, ac *access, err error) {
	label, title := " 5 ", stepTitle(stepAccess)
	u.lines.start(label, title)
	if err = u.ready(ctx); err == nil {
		list, ac, err = u.access(ctx)
	}
	if err == nil {
		faults, err = ac.check(ctx, list)
	}
	line := u.app.say(title)
	if err == nil {
		line = pad(line, titleWidth) + u.mark() + ac.result(list, faults)
	}
	u.lines.end(err == nil && len(faults) == 0, label, line)
	return list, faults, ac, err
}

func (ac *access) result(list []expectation, faults []fault) string {
	if len(faults) == 0 {
		return ac.sentence(list)
	}
	return ac.app.say(faults[0].text())
}

func (f fault) text() sim.Text {
	if f.Expectation == "" {
		return f.Cause
	}
	return sim.Cmd("%s: %s", f.Expectation, f.Cause)
}

// advise prints every fault with its fix; a fix that serves several, once, after
// the last of them.
func (a *app) advise(faults []fault) {
	fix := func(f fault) (lines []string) {
		for _, x := range f.Fix {
			lines = append(lines, a.respell(a.say(x)))
		}
		return lines
	}
	for i, f := range faults {
		a.errorln(f.text())
		if i < len(faults)-1 && slices.Equal(fix(faults[i+1]), fix(f)) {
			continue
		}
		for _, line := range fix(f) {
			a.errorln(sim.Cmd("    %s", line))
		}
	}
}

// next prints commands that work when pasted.
func (u *bringUp) next(ac *access) {
	var cmds []string
	for _, x := range u.lab.Instances {
		i, ok := ac.byName[x.Name]
		if !ok || i.PublicIP == "" {
			continue
		}
		if u.app.reaches(i.PublicIP) {
			cmds = append(cmds, "curl http://"+i.PublicIP)
		} else {
			cmds = append(cmds, u.app.spell("open "+i.Name+":80"))
		}
		cmds = append(cmds, u.app.spell("ssh "+i.Name))
		break
	}
	for _, x := range u.lab.Instances {
		if i, ok := ac.byName[x.Name]; ok && i.PublicIP == "" && len(x.Mounts) > 0 {
			cmds = append(cmds, u.app.spell("trace internet "+i.Name+" tcp/5432"))
			break
		}
	}
	if u.simulated { // there is nobody to talk to
		cmds = slices.DeleteFunc(cmds, func(c string) bool { return !containsWord(c, "trace") })
	}
	cmds = append(cmds, u.app.spell("down"))
	text := " "
	text += u.app.say(sim.T("Next:"))
	for i, c := range cmds {
		if i > 0 {
			text += "    "
		}
		text += "  " + c
	}
	u.app.println(sim.Cmd("%s", text))
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func containsWord(s, word string) bool { return slices.Contains(strings.Fields(s), word) }

// printJSON prints the lab as it stands, for programs.
func (u *bringUp) printJSON(ctx context.Context, list []expectation, faults []fault) error {
	instances, err := u.box.instances(ctx, ofLab(u.lab.Name))
	if err != nil {
		return err
	}
	type check struct {
		What string
		Open bool
	}
	out := struct {
		Lab, Endpoint string
		Simulated     bool
		Instances     []instance
		Checks        []check
		Faults        []fault
	}{Lab: u.lab.Name, Endpoint: u.box.endpoint, Simulated: u.simulated, Instances: instances, Faults: append([]fault{}, faults...)}
	for _, x := range list {
		out.Checks = append(out.Checks, check{x.String(), x.open})
	}
	return u.app.printJSON(out)
}
