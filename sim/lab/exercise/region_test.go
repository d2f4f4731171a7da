package exercise

import (
	"context"
	"io/fs"
	"testing"

	"labsim/compose"
	"labsim/sim"
	"labsim/sim/control/controltest"
)

// simulated is a region where an exercise is done.
type simulated struct {
	*controltest.Region
	t *testing.T
}

func newRegion(t *testing.T) *simulated { return &simulated{controltest.Start(t), t} }

// Send has no packets: the evaluator says what they would do.
func (r *simulated) Send(ctx context.Context, f Flow) (*Finding, error) {
	v, err := r.Trace(ctx, f.Query)
	if err != nil || v.Allowed == f.Open {
		return nil, err
	}
	out := &Finding{Why: v.Decisive[0].Text}
	for _, x := range v.Fix {
		for _, c := range x.Commands {
			out.Fix = append(out.Fix, sim.Cmd("%s", c))
		}
	}
	return out, nil
}

func (r *simulated) Get(context.Context, string) (string, error)              { panic("nobody answers") }
func (r *simulated) Run(context.Context, string, string) (string, int, error) { panic("nothing runs") }
func (r *simulated) Simulated() bool                                          { return true }

// do runs a script with the variables of the present cast.
func (r *simulated) do(x *Exercise, text string) {
	r.t.Helper()
	r.Script(text, r.look(x).Cast.Vars())
}

func (r *simulated) look(x *Exercise) *Attempt {
	r.t.Helper()
	a, err := x.Look(r.t.Context(), r, "en")
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// check returns the results by the checks' names.
func (r *simulated) check(x *Exercise, steps ...string) map[string]Result {
	r.t.Helper()
	results, err := r.look(x).Check(r.t.Context(), steps...)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]Result{}
	for _, c := range results {
		out[c.Name] = c
	}
	return out
}

func ownLab(t *testing.T, name string) *Folder {
	t.Helper()
	dir, err := fs.Sub(compose.Labs, name)
	if err != nil {
		t.Fatal(err)
	}
	f, problems := Open(dir, name)
	if f == nil {
		t.Fatal(problems)
	}
	return f
}

// solve does all that is missing, by the lab's own solutions.
func (r *simulated) solve(x *Exercise) {
	r.t.Helper()
	for range 30 {
		a := r.look(x)
		results, err := a.Check(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		solved, _, err := a.Solve(r.t.Context(), r.Runner(), results)
		if err != nil {
			r.t.Fatal(err)
		}
		if solved == nil {
			return
		}
	}
	r.t.Fatal("the lab's solutions do not come to an end")
}
