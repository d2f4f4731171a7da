package exercise

import (
	"context"
	"slices"
	"strings"
	"testing"

	"labsim/compose"
	"labsim/sim/lab"
)

// finish brings up what the repair lab begins with.
func (r *simulated) finish() {
	r.t.Helper()
	data, err := compose.File(compose.Default)
	if err != nil {
		r.t.Fatal(err)
	}
	l, problems := lab.Load("compose.yaml", data)
	if l == nil {
		r.t.Fatal(problems)
	}
	o := lab.Options{Region: "us-east-1", SaveKey: func(string, string) error { return nil }, HasKey: func(string) bool { return true }, Wait: r.Wait}
	changes, err := lab.Diff(r.t.Context(), r, l, o)
	if err != nil {
		r.t.Fatal(err)
	}
	for step := range lab.StepInstances + 1 {
		if err := changes.Apply(r.t.Context(), r, step, o); err != nil {
			r.t.Fatal(err)
		}
	}
	r.running()
}

// Every fault that the API can make is found by the checks, and the hints lead
// out of it.
func TestRepair(t *testing.T) {
	t.Parallel()
	f := ownLab(t, "repair-network")
	x := f.Exercise
	if len(x.Faults) < 10 {
		t.Errorf("%d faults, want at least 10", len(x.Faults))
	}
	seen := map[string]bool{}
	for seed := 1; !seen[x.FaultOf(seed, true).Name]; seed++ {
		fault := x.FaultOf(seed, true)
		seen[fault.Name] = true
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			r := newRegion(t)
			r.finish()
			if bad := failing(r.checks(x)); len(bad) > 0 {
				t.Fatalf("before the fault these fail: %v", bad)
			}
			r.do(x, fault.Break.Text)
			if bad := failing(r.checks(x)); len(bad) == 0 {
				t.Fatal("no check finds it")
			}
			for range 5 {
				a := r.look(x)
				results, err := a.Check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(results, func(c Result) bool { return !c.Passed && !c.Skipped })
				if i < 0 {
					return
				}
				r.follow(a, results[i])
			}
			t.Errorf("after five hints these fail: %v", failing(r.checks(x)))
		})
	}
}

// follow types what the third hint says.
func (r *simulated) follow(a *Attempt, c Result) {
	r.t.Helper()
	for level, want := range map[int]string{HintQuestion: "?", HintPointer: "."} {
		if hint, commands := a.Hint(c, level); len(commands) > 0 || !strings.Contains(hint.String(), want) {
			r.t.Errorf("hint %d of %s: %q, %v", level, c.Name, hint, commands)
		}
	}
	_, commands := a.Hint(c, HintCommand)
	var lines []string
	for _, t := range commands {
		lines = append(lines, t.String())
	}
	text := strings.Join(lines, "\n")
	r.t.Logf("%s: %s", c.Name, text)
	if _, err := r.Runner().Run(r.t.Context(), text, a.Cast.Vars()); err != nil {
		r.t.Fatalf("%s: %v\n%s", c.Name, err, text)
	}
	if strings.Contains(text, "start-instances") {
		r.running()
	}
}

// running waits until all instances run.
func (r *simulated) running() {
	r.t.Helper()
	if err := r.Wait(r.t.Context(), func(ctx context.Context) (bool, error) {
		facts, err := Observe(ctx, r)
		return err == nil && !slices.ContainsFunc(facts.of(KindInstance), func(x *Resource) bool { return x.Get("state") != "running" }), err
	}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *simulated) checks(x *Exercise) []Result {
	r.t.Helper()
	results, err := r.look(x).Check(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return results
}

func failing(list []Result) (names []string) {
	for _, c := range list {
		if !c.Passed && !c.Skipped {
			names = append(names, c.Name+": "+c.Why.String())
		}
	}
	return names
}
