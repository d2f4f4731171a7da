package cli

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/engine/docker"
)

// drift asks what the machine has otherwise than the world.
func (b *box) drift(ctx context.Context) (out []dataplane.Drift, err error) {
	return out, b.call(ctx, http.MethodGet, "drift", nil, &out)
}

// repair has the agent program everything again.
func (b *box) repair(ctx context.Context) error {
	return b.call(ctx, http.MethodPost, "repair", nil, nil)
}

// driftFixes are the commands that put a drift right.
func driftFixes(d dataplane.Drift) []sim.Text {
	if sim.SaysNoSpace(d.What.String()) {
		return docker.Full(nil).Next
	}
	if d.Reboot != "" {
		return []sim.Text{sim.Cmd("labsim reboot %s", string(d.Reboot))}
	}
	return []sim.Text{sim.Cmd("labsim doctor --repair")}
}

// blameMachine names what is broken in the machine: as the cause of the packets
// that the world does not explain, and by itself where no packet met it.
func (ac *access) blameMachine(ctx context.Context, faults []fault) ([]fault, error) {
	if ac.simulated {
		return faults, nil
	}
	drift, err := ac.box.drift(ctx)
	if err != nil {
		return nil, err
	}
	if len(drift) == 0 {
		return faults, ac.blameProblems(ctx, faults)
	}
	var broken []fault
	for _, d := range drift {
		broken = append(broken, fault{Cause: d.What, Fix: driftFixes(d)})
	}
	met := false
	for i := range faults {
		if f := &faults[i]; f.machine {
			f.Cause, f.Fix, met = broken[0].Cause, broken[0].Fix, true
		}
	}
	if met {
		broken = broken[1:]
	}
	// What labsim tries in vain says why the machine is not as it should be.
	problems, err := ac.box.problems(ctx)
	for _, p := range problems {
		broken = append(broken, fault{Cause: sim.Cmd("%s: %s", p.Resource, p.Message)})
	}
	// Without space nothing else can be mended.
	out := append(faults, broken...)
	slices.SortStableFunc(out, func(a, b fault) int { return cmp.Compare(a.order(), b.order()) })
	return out, err
}

func (f fault) order() int {
	if sim.SaysNoSpace(f.Cause.String()) {
		return 0
	}
	return 1
}

// problems are what the box tries in vain now.
func (b *box) problems(ctx context.Context) (out []dataplane.Problem, err error) {
	return out, b.watch(ctx, func(s boxStatus) (bool, error) {
		out = s.Problems
		return true, nil
	})
}

// blameProblems names what the box itself reports, where nothing else explains a fault.
func (ac *access) blameProblems(ctx context.Context, faults []fault) error {
	problems, err := ac.box.problems(ctx)
	for i := range faults {
		if f := &faults[i]; f.machine && len(problems) > 0 {
			f.Cause = sim.Cmd("%s: %s", problems[0].Resource, problems[0].Message)
		}
	}
	return err
}

// repair puts right what was changed in the machine, as far as no instance has to
// be rebooted for it, and says what is left.
func (a *app) repair(ctx context.Context) error {
	b, err := a.find(ctx)
	if err != nil {
		return err
	}
	before, err := b.drift(ctx)
	if err != nil {
		return err
	}
	if err := b.repair(ctx); err != nil {
		return err
	}
	left, err := b.drift(ctx)
	if err != nil {
		return err
	}
	still := map[string]bool{}
	for _, d := range left {
		still[d.What.String()] = true
	}
	for _, d := range before {
		if !still[d.What.String()] {
			a.println(sim.T("mended: %s", d.What))
		}
	}
	if len(before)+len(left) == 0 {
		a.println(sim.T("the machine is as the lab says; there was nothing to mend"))
	}
	a.printDrift(left)
	if len(left) > 0 {
		return exitCode(1)
	}
	return nil
}

func (a *app) printDrift(list []dataplane.Drift) {
	var faults []fault
	for _, d := range list {
		faults = append(faults, fault{Cause: d.What, Fix: driftFixes(d)})
	}
	a.advise(faults)
}
