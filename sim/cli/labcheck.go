package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/lab/exercise"
)

func (a *app) labCheckCommand() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use: "check [STEP]", Short: a.say(sim.T("say what is done and what is missing; exit code 0: all passed")), Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if watch {
				return a.labWatch(c.Context(), args)
			}
			return a.labCheck(c.Context(), args)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, a.say(sim.T("look again whenever something changes, until all has passed")))
	return c
}

// labReport is what came of a check, for people and for graders.
type labReport struct {
	Lab    string
	Seed   int `json:",omitempty"`
	Passed bool
	Steps  []stepReport
}

type stepReport struct {
	Name, Title string
	Passed      bool
	Checks      []checkReport
}

type checkReport struct {
	Name, Say string
	Passed    bool
	Skipped   bool   `json:",omitempty"` // it can't be looked at in a simulated region
	Reason    string `json:",omitempty"`
}

// report does the checks: of one step, or of all.
func (a *app) report(ctx context.Context, args []string) (*labReport, error) {
	s, f, _, attempt, err := a.attempt(ctx)
	if err != nil {
		return nil, err
	}
	var steps []string
	if len(args) > 0 {
		i, err := stepNamed(f.Exercise, args[0])
		if err != nil {
			return nil, err
		}
		steps = append(steps, f.Steps[i].Name)
	}
	results, err := attempt.Check(ctx, steps...)
	if err != nil {
		return nil, err
	}
	out := &labReport{Lab: f.Name, Seed: s.Seed, Passed: true}
	for _, step := range f.Steps {
		r := stepReport{Name: step.Name, Title: step.Title.In(string(a.lang)), Passed: true}
		for _, x := range results {
			if x.Step != step.Name {
				continue
			}
			c := checkReport{Name: x.Name, Say: x.Say, Passed: x.Passed, Skipped: x.Skipped}
			if !x.Passed && !f.Symptoms {
				c.Reason = a.say(x.Why)
			}
			r.Passed = r.Passed && done(x)
			r.Checks = append(r.Checks, c)
		}
		if len(r.Checks) > 0 {
			out.Steps = append(out.Steps, r)
			out.Passed = out.Passed && r.Passed
		}
	}
	return out, nil
}

// done says that a result keeps nobody from going on.
func done(r exercise.Result) bool { return r.Passed || r.Skipped }

func (a *app) labCheck(ctx context.Context, args []string) error {
	r, err := a.report(ctx, args)
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(r)
	} else {
		a.printReport(r, args)
	}
	if err == nil && !r.Passed {
		return exitCode(1)
	}
	return err
}

// printReport shows each step in a line, and of the first that is not done, or
// the one that was asked for, every check.
func (a *app) printReport(r *labReport, args []string) {
	fmt.Fprint(a.out, a.reportText(r, len(args) > 0))
	if i := slices.IndexFunc(r.Steps, func(s stepReport) bool { return !s.Passed }); i >= 0 && !a.quiet {
		a.println(sim.T("Next: %s, or %s", a.spell("lab guide "+r.Steps[i].Name), a.spell("lab hint "+r.Steps[i].Name)))
	} else if len(args) == 0 {
		a.allDone()
	}
}

func (a *app) allDone() {
	a.println(sim.T("All steps are done. To take it all away: %s", a.spell("down --all")))
}

func (a *app) reportText(r *labReport, details bool) string {
	var b strings.Builder
	shown, width := details, 0
	for _, s := range r.Steps {
		width = max(width, sim.Columns(s.Title))
	}
	for i, s := range r.Steps {
		passed := 0
		for _, c := range s.Checks {
			if c.Passed || c.Skipped {
				passed++
			}
		}
		fmt.Fprintf(&b, " %s %s  %d/%d\n", a.mark(s.Passed, false), pad(s.Title, width), passed, len(s.Checks))
		if !details && (s.Passed || shown) {
			continue
		}
		shown = true
		for _, c := range r.Steps[i].Checks {
			fmt.Fprintf(&b, "     %s %s\n", a.mark(c.Passed, c.Skipped), c.Say)
			if c.Reason != "" {
				fmt.Fprintf(&b, "         %s\n", c.Reason)
			}
		}
	}
	return b.String()
}

// mark is a tick, a cross, or a dash for what can't be looked at.
func (a *app) mark(passed, skipped bool) string {
	mark, color := "✗", "31"
	switch {
	case passed:
		mark, color = "✓", "32"
	case skipped:
		return "–"
	}
	if a.color(a.out) {
		return "\x1b[" + color + "m" + mark + "\x1b[0m"
	}
	return mark
}

// labWatch checks again whenever the world or the machine has changed, and shows
// what is different then.
func (a *app) labWatch(ctx context.Context, args []string) error {
	_, _, b, _, err := a.attempt(ctx)
	if err != nil {
		return err
	}
	last := ""
	return b.watch(ctx, func(s boxStatus) (bool, error) {
		if !s.Converged && len(s.Problems) == 0 {
			return false, nil // it is still changing
		}
		r, err := a.report(ctx, args)
		if err != nil {
			return false, err
		}
		switch text := a.reportText(r, len(args) > 0); {
		case text == last:
		case a.json:
			err = a.printJSON(r)
			last = text
		default:
			if a.tty(a.out) {
				fmt.Fprint(a.out, "\x1b[H\x1b[2J")
			}
			fmt.Fprint(a.out, text)
			last = text
			if r.Passed && len(args) == 0 {
				a.allDone()
			}
		}
		return r.Passed, err
	})
}

func (a *app) labStatus(ctx context.Context) error {
	s, f, err := a.underWay()
	if err != nil {
		return err
	}
	r, err := a.report(ctx, nil)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(r)
	}
	fmt.Fprintln(a.out, s.Lab+": "+f.Title.In(string(a.lang)))
	if len(f.Faults) > 0 {
		a.println(sim.T("seed %d", s.Seed))
	}
	fmt.Fprint(a.out, a.reportText(r, false))
	return nil
}
