package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/lab/exercise"
	"labsim/sim/lab/script"
)

// atHand returns the results of the step that is asked for, or of the first one
// that is not done; none where all are.
func (a *app) atHand(ctx context.Context, f *exercise.Folder, attempt *exercise.Attempt, args []string) ([]exercise.Result, error) {
	if len(args) > 0 {
		i, err := stepNamed(f.Exercise, args[0])
		if err != nil {
			return nil, err
		}
		return attempt.Check(ctx, f.Steps[i].Name)
	}
	all, err := attempt.Check(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(r exercise.Result) bool { return !done(r) })
	if i < 0 {
		return nil, nil
	}
	return slices.DeleteFunc(all, func(r exercise.Result) bool { return r.Step != all[i].Step }), nil
}

// hintJSON is a hint for a program; all of it is empty where nothing is missing.
type hintJSON struct {
	Check, Say string
	Level      int
	Hint       string
	Commands   []string
}

// labHint gives the next hint for the first check that does not pass.
func (a *app) labHint(ctx context.Context, args []string) error {
	s, f, _, attempt, err := a.attempt(ctx)
	if err != nil {
		return err
	}
	results, err := a.atHand(ctx, f, attempt, args)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(results, func(r exercise.Result) bool { return !done(r) })
	switch {
	case i < 0 && a.json:
		return a.printJSON(hintJSON{})
	case i < 0:
		a.println(sim.T("Nothing is missing here."))
		return nil
	}
	r := results[i]
	level := min(s.Hints[r.Name]+1, exercise.HintCommand)
	s.Hints[r.Name] = level
	if err := a.saveLab(s); err != nil {
		return err
	}
	hint, commands := attempt.Hint(r, level)
	if a.json {
		out := hintJSON{r.Name, r.Say, level, a.say(hint), nil}
		for _, c := range commands {
			out.Commands = append(out.Commands, a.respell(a.say(c)))
		}
		return a.printJSON(out)
	}
	fmt.Fprintln(a.out, a.mark(false, false)+" "+r.Say)
	fmt.Fprintln(a.out, a.say(sim.T("Hint %d of %d: %s", level, exercise.HintCommand, hint)))
	for _, c := range commands {
		fmt.Fprintln(a.out, "    "+a.respell(a.say(c)))
	}
	return nil
}

// labSolve does what is missing of a step.
func (a *app) labSolve(ctx context.Context, args []string) error {
	_, f, b, attempt, err := a.attempt(ctx)
	if err != nil {
		return err
	}
	release, err := a.lease(ctx, b)
	if err != nil {
		return err
	}
	defer release()
	solved, ls := map[string]bool{}, a.newLines()
	run := b.runner(ls.note)
	for {
		results, err := a.atHand(ctx, f, attempt, args)
		if err != nil {
			return err
		}
		if len(results) == 0 || !slices.ContainsFunc(results, func(r exercise.Result) bool { return !done(r) }) {
			break
		}
		args = []string{results[0].Step} // one step, also where it is done in parts
		if err := a.solveOne(ctx, b, f, attempt, run, ls, results, solved); err != nil {
			return err
		}
		if attempt, err = f.Look(ctx, &labRegion{a, b}, string(a.lang)); err != nil {
			return err
		}
	}
	return a.labCheck(ctx, args)
}

func (a *app) solveOne(ctx context.Context, b *box, f *exercise.Folder, attempt *exercise.Attempt, run *script.Runner, ls *lines, results []exercise.Result, solved map[string]bool) error {
	r, left, err := attempt.Solve(ctx, run, results)
	if err != nil {
		return a.failed(ctx, b, err)
	}
	if solved[r.Name] {
		return &sim.Failure{What: sim.T("%q still does not pass: %s", r.Say, r.Why), Next: append([]sim.Text{sim.Cmd("labsim lab hint %s", r.Step)}, r.Fix...)}
	}
	solved[r.Name] = true
	ls.start("   ", sim.Cmd("%s", r.Say))
	for name, data := range left.Files {
		if key, ok := strings.CutSuffix(name, ".pem"); ok {
			if err := a.saveKey(key, string(data)); err != nil {
				return err
			}
		}
	}
	if err := b.settled(ctx, a.castScope(b, f)); err != nil {
		return err
	}
	if !b.simulated {
		if _, err := a.saveHostKeys(ctx, b); err != nil {
			return err
		}
	}
	ls.end(true, "   ", r.Say)
	return nil
}

// runner runs a lab's scripts. What they wait for they name.
func (b *box) runner(tell func(sim.Text)) *script.Runner {
	return &script.Runner{API: b.ec2, Wait: func(ctx context.Context, ids []string, done func(context.Context) (bool, error)) error {
		return b.waiter(scopeOf(ids...), tell)(ctx, done)
	}}
}

// settled waits until the machine is what the world says of a scope, or can't become so.
func (b *box) settled(ctx context.Context, of *scope) error {
	return b.watch(ctx, func(s boxStatus) (bool, error) {
		s, err := of.narrow(ctx, s)
		return s.Converged || len(s.Problems) > 0, err
	})
}

// castScope is what has a role in a lab that is done by hand, with what it stands on. A
// role without a better candidate may be cast with an instance of another VPC than the
// lab's, which is somebody else's.
func (a *app) castScope(b *box, f *exercise.Folder) *scope {
	s := scopeOf()
	s.names = func(ctx context.Context) (ids []string, err error) {
		attempt, err := f.Look(ctx, &labRegion{a, b}, string(a.lang))
		if err != nil {
			return nil, err
		}
		for _, r := range attempt.Cast {
			if r.Kind != exercise.KindInstance {
				ids = append(ids, r.ID)
			}
		}
		list, err := b.instances(ctx, nil)
		for _, i := range list {
			if slices.Contains(ids, i.VPC) {
				ids = append(ids, append(i.Volumes, i.ID, i.Subnet)...)
			}
		}
		return ids, err
	}
	return s
}
