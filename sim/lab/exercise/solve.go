package exercise

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"labsim/sim"
	"labsim/sim/lab/script"
)

// Levels of a hint: a question, a pointer, and the commands.
const (
	HintQuestion = 1
	HintPointer  = 2
	HintCommand  = 3
)

// Hint returns the hint of a level for a check that did not pass. The third are
// commands: the check's solution with the learner's own ids, else what the
// evaluator proposes.
func (a *Attempt) Hint(r Result, level int) (sim.Text, []sim.Text) {
	if level < HintCommand && level <= len(r.Check.Hints) {
		return sim.Cmd("%s", r.Check.Hints[level-1].In(a.lang)), nil
	}
	if t := r.Check.Solve.Text; t != "" {
		var lines []sim.Text
		for _, l := range strings.Split(strings.TrimSpace(Fill(t, a.Cast.Vars())), "\n") {
			lines = append(lines, sim.Cmd("%s", l))
		}
		return sim.T("these commands do it"), lines
	}
	if len(r.Fix) > 0 {
		return r.Why, r.Fix
	}
	if len(r.Check.Fix) > 0 {
		var lines []sim.Text
		for _, l := range r.Check.Fix {
			lines = append(lines, sim.Cmd("%s", l))
		}
		return sim.T("these commands do it"), lines
	}
	if n := len(r.Check.Hints); n > 0 {
		return sim.Cmd("%s", r.Check.Hints[n-1].In(a.lang)), nil
	}
	return r.Why, nil
}

// Solve makes the first check of the results that did not pass pass, and returns
// which it was and what the script left. A check without a solution is an error.
func (a *Attempt) Solve(ctx context.Context, run *script.Runner, results []Result) (*Result, *script.Result, error) {
	for i := range results {
		r := &results[i]
		if r.Passed || r.Skipped {
			continue
		}
		if r.Check.Solve.Text == "" {
			return r, nil, &sim.Failure{What: sim.T("%q has no ready solution; what is in the way: %s", r.Say, r.Why), Next: append([]sim.Text{sim.Cmd("labsim lab hint %s", r.Step)}, r.Fix...)}
		}
		vars := a.Cast.Vars()
		if bad := script.Check(r.Check.Solve.Text, slices.Collect(maps.Keys(vars))); len(bad) > 0 {
			return r, nil, &sim.Failure{What: sim.T("the solution of %q does not fit what stands here: %s", r.Say, script.TextOf(bad[0].Err)),
				Next: []sim.Text{sim.Cmd("labsim lab hint %s", r.Step)}}
		}
		left, err := run.Run(ctx, r.Check.Solve.Text, vars)
		return r, left, err
	}
	return nil, nil, nil
}

var reading = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{?([a-z][a-z0-9_]*)\}?`) })

var assignment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\s*([a-z][a-z0-9_]*)=`) })

// Fill writes the values of variables into a script, but for those that the
// script sets itself.
func Fill(text string, vars map[string]string) string {
	own := map[string]bool{}
	for _, m := range assignment().FindAllStringSubmatch(text, -1) {
		own[m[1]] = true
	}
	return reading().ReplaceAllStringFunc(text, func(s string) string {
		name := strings.Trim(s, "${}")
		if v, ok := vars[name]; ok && !own[name] {
			return v
		}
		return s
	})
}
