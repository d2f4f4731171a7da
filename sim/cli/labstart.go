package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"labsim/compose"
	"labsim/sim"
	"labsim/sim/lab"
	"labsim/sim/lab/exercise"
	"labsim/sim/lab/source"
)

func (a *app) labStartCommand() *cobra.Command {
	var f upFlags
	seed := 0
	c := &cobra.Command{
		Use: "start NAME|DIR", Short: a.say(sim.T("begin a lab: an empty account, with what the lab presupposes")), Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s := labState{Lab: args[0], Seed: seed}
			if _, err := os.Stat(args[0]); err == nil {
				if dir, err := filepath.Abs(args[0]); err == nil {
					s.Lab = dir
				}
			}
			return a.labStart(c.Context(), s, f)
		},
	}
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, a.say(sim.T("don't ask")))
	c.Flags().IntVar(&seed, "seed", 0, a.say(sim.T("which of the lab's faults; else chance decides")))
	c.Flags().IntVar(&f.port, "port", 0, a.say(sim.T("port of the API on 127.0.0.1 (else 4566, or 4567 for another site than labsim, or the next free one)")))
	c.Flags().StringVar(&f.public, "public-range", "", a.say(sim.T("the /24 of the public addresses (else 198.51.100.0/24 or the next free one)")))
	return c
}

func (a *app) labReset(ctx context.Context) error {
	s, _, err := a.underWay()
	if err != nil {
		return err
	}
	s.Hints = nil
	return a.labStart(ctx, s, upFlags{})
}

// labStart empties the account and makes what the lab begins with.
func (a *app) labStart(ctx context.Context, s labState, flags upFlags) error {
	f, err := a.openLab(s.Lab)
	if err != nil {
		return err
	}
	if len(f.Faults) > 0 && s.Seed == 0 {
		s.Seed = 1 + rand.IntN(1000)
	}
	var finished *lab.Lab
	if f.Finished {
		if finished, err = a.finishedFile(s, f); err != nil {
			return err
		}
	}
	ls := a.newLines()
	b, about, err := a.installBox(ctx, ls, flags)
	if err != nil {
		return err
	}
	b.simulated = about.Engine == "none"
	release, err := a.lease(ctx, b)
	if err != nil {
		return err
	}
	defer release()
	if err := a.begin(ctx, b, about, ls, s, f, finished); err != nil {
		return err
	}
	a.println(sim.T("The lab has begun: %s", f.Title.In(string(a.lang))))
	if len(f.Faults) > 0 {
		a.println(sim.T("Something is broken in it. (seed %d)", s.Seed))
	}
	a.println(sim.T("Next: %s, then %s", a.spell("lab guide 0"), a.spell("lab check")))
	return nil
}

// begin makes what the lab begins with. Cut off, it leaves no lab that could be
// checked: one that is finished and not broken yet would pass.
func (a *app) begin(ctx context.Context, b *box, about boxVersion, ls *lines, s labState, f *exercise.Folder, finished *lab.Lab) error {
	r, err := a.mayEmpty(ctx, b)
	if err != nil {
		return err
	}
	s.Beginning = true
	if err := a.saveLab(s); err != nil {
		return err
	}
	if err := a.emptyAccount(ctx, b, about, ls, r); err != nil {
		return err
	}
	if finished != nil {
		if err := a.finishedLab(ctx, b, about, ls, finished); err != nil {
			return err
		}
	}
	if len(f.Faults) > 0 {
		if err := a.breakLab(ctx, b, ls, s, f); err != nil {
			return err
		}
	}
	s.Beginning = false
	return a.saveLab(s)
}

// mayEmpty lists all that stands, and asks whether it may go.
func (a *app) mayEmpty(ctx context.Context, b *box) (*lab.Removal, error) {
	r, err := lab.Empty(ctx, b.ec2)
	if err != nil || len(r.List) == 0 || a.yes {
		return r, err
	}
	for _, c := range r.List {
		if c.Verb == lab.Delete {
			a.errorln(sim.T("goes: %s %s", c.Kind, c.Name))
		}
	}
	return r, a.ask(sim.T("A lab begins with an empty account. Go on?"))
}

// emptyAccount deletes all that stands.
func (a *app) emptyAccount(ctx context.Context, b *box, about boxVersion, ls *lines, r *lab.Removal) error {
	if len(r.List) == 0 {
		return nil
	}
	ls.start(" ", sim.T("What was there"))
	of, err := b.standing(ctx)
	if err == nil {
		err = r.Apply(ctx, b.ec2, 0, lab.Options{Region: about.Region, Wait: b.waiter(of, ls.note)})
	}
	ls.end(err == nil, " ", a.say(sim.T("What was there is gone")))
	if err != nil {
		return a.failed(ctx, b, err)
	}
	return a.removeKeys(r.Keys)
}

// finishedFile reads the lab's Compose file.
func (a *app) finishedFile(s labState, f *exercise.Folder) (*lab.Lab, error) {
	name, data, err := composeOf(s.Lab, f)
	if err != nil {
		return nil, err
	}
	l, problems := lab.Load(name, data)
	if source.Fatal(problems) {
		a.printProblems(problems)
		return nil, &sim.Failure{What: sim.T("%s can't be used; nothing was changed", name)}
	}
	return l, nil
}

// finishedLab brings up all that the lab's Compose file describes.
func (a *app) finishedLab(ctx context.Context, b *box, about boxVersion, ls *lines, l *lab.Lab) error {
	u := &bringUp{app: a, box: b, lab: l, again: sim.Cmd("labsim lab reset"), lines: ls, simulated: b.simulated, region: about.Region}
	if err := u.apply(ctx); err != nil {
		return err
	}
	if !b.simulated {
		if _, err := a.saveHostKeys(ctx, b); err != nil {
			return err
		}
	}
	return u.ready(ctx)
}

// composeOf is a lab's Compose file: its own, or that of a lab of labsim's.
func composeOf(word string, f *exercise.Folder) (name string, data []byte, err error) {
	if f.Compose != "" {
		data, err = compose.File(f.Compose)
		return f.Compose + "/" + exercise.FileCompose, data, err
	}
	dir, err := labFolder(word)
	if err != nil {
		return "", nil, err
	}
	data, err = source.ReadFile(dir, exercise.FileCompose)
	return word + "/" + exercise.FileCompose, data, err
}

// breakLab applies the fault that the seed chooses, and says nothing of it.
func (a *app) breakLab(ctx context.Context, b *box, ls *lines, s labState, f *exercise.Folder) error {
	region := &labRegion{a, b}
	attempt, err := f.Look(ctx, region, string(a.lang))
	if err != nil {
		return err
	}
	x := f.FaultOf(s.Seed, b.simulated)
	if x.Break.Text != "" {
		if _, err := b.runner(ls.note).Run(ctx, x.Break.Text, attempt.Cast.Vars()); err != nil {
			return a.failed(ctx, b, err)
		}
	}
	if e := x.Exec; e != nil {
		i := attempt.Cast[e.In]
		if i == nil {
			return fmt.Errorf("fault %s: nothing is %s", x.Name, e.In)
		}
		if out, code, err := region.Run(ctx, i.ID, e.Run); err != nil || code != 0 {
			return fmt.Errorf("fault %s: %d: %s: %w", x.Name, code, out, err)
		}
	}
	return b.settled(ctx, a.castScope(b, f))
}
