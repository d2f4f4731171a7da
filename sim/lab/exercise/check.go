package exercise

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"labsim/sim"
	"labsim/sim/path"
	"labsim/sim/region"
)

// Region is where an exercise is done.
type Region interface {
	region.API
	// Trace asks the evaluator.
	Trace(context.Context, path.Query) (path.Verdict, error)
	// Send sends a packet and says why it did not do what is wanted; nil: it did.
	Send(context.Context, Flow) (*Finding, error)
	// Get fetches a page from the internet side.
	Get(ctx context.Context, url string) (body string, err error)
	// Run runs a shell command in an instance. With ErrTooMuch or ErrTooLong comes
	// what was read until then.
	Run(ctx context.Context, instance, command string) (out string, code int, err error)
	// Simulated says that there are no packets and no guests, only the evaluator.
	Simulated() bool
}

// Why a command that a check runs is cut off.
var (
	ErrTooMuch = errors.New("it writes too much")
	ErrTooLong = errors.New("it takes too long")
)

// Flow is a packet to send.
type Flow struct {
	Query    path.Query // for the evaluator
	From, To *Resource  // instances; nil: the internet side, or an address
	Addr     netip.Addr // where it goes
	Open     bool       // it is to get through
	// Control is something on the same way that answers, so that silence is known
	// as soon as it has; zero: nothing does.
	Control netip.AddrPort
}

// Finding is a reason, and what would mend it.
type Finding struct {
	Why sim.Text
	Fix []sim.Text
}

// Result is what came of a check.
type Result struct {
	Step    string
	Check   *Check `json:"-"`
	Name    string
	Say     string
	Passed  bool
	Skipped bool       `json:",omitempty"` // it can't be looked at where nothing runs
	Why     sim.Text   `json:"-"`
	Fix     []sim.Text `json:"-"`
}

// Attempt is an account held against an exercise.
type Attempt struct {
	*Exercise
	Cast   Cast
	region Region
	facts  *Facts
	lang   string
	traces traces
}

// Look casts the roles: of all ways to give them, the one in which the most
// checks pass, as far as the API and the evaluator tell.
func (x *Exercise) Look(ctx context.Context, region Region, lang string) (*Attempt, error) {
	facts, err := Observe(ctx, region)
	if err != nil {
		return nil, err
	}
	a := &Attempt{Exercise: x, region: region, facts: facts, lang: lang, traces: traces{region: region, known: map[string]bool{}}}
	best, candidates, most := -1, []Cast(nil), x.maxTraced()
	x.casts(facts, func(c Cast) {
		switch n := a.score(c); {
		case n > best:
			best, candidates = n, []Cast{c}
		case n == best && len(candidates) < most:
			candidates = append(candidates, c)
		}
	})
	best = -1
	for _, c := range candidates {
		n := 0
		if len(candidates) > 1 { // the evaluator has to choose
			if n, err = a.reached(ctx, c); err != nil {
				return nil, err
			}
		}
		if n > best {
			best, a.Cast = n, c
		}
	}
	return a, nil
}

// maxTraced bounds the casts whose packets are asked for, and the packets in all:
// each is a question to control.
func (x *Exercise) maxTraced() int {
	const casts, packets = 64, 1024
	n := 1
	for _, s := range x.Steps {
		for _, c := range s.Checks {
			if c.Packet != nil || c.HTTP != nil {
				n++
			}
		}
	}
	return max(1, min(casts, packets/n))
}

// score counts the checks that pass by what the API describes.
func (a *Attempt) score(c Cast) int {
	n := 0
	for _, s := range a.Steps {
		for i := range s.Checks {
			if f, static := a.static(c, &s.Checks[i]); static && f == nil {
				n++
			}
		}
	}
	return n
}

// reached counts the packets that do as wanted by the evaluator.
func (a *Attempt) reached(ctx context.Context, c Cast) (n int, err error) {
	for _, s := range a.Steps {
		for i := range s.Checks {
			f, finding := a.flow(c, &s.Checks[i])
			if finding != nil || f == nil {
				continue
			}
			allowed, err := a.traces.allowed(ctx, f.Query)
			if err != nil {
				return 0, err
			}
			if allowed == f.Open {
				n++
			}
		}
	}
	return n, nil
}

// traces remembers what the evaluator said.
type traces struct {
	region Region
	known  map[string]bool
}

func (t *traces) allowed(ctx context.Context, q path.Query) (bool, error) {
	k := fmt.Sprint(q)
	if known, ok := t.known[k]; ok {
		return known, nil
	}
	v, err := t.region.Trace(ctx, q)
	t.known[k] = v.Allowed
	return v.Allowed, err
}

// Check does the checks of some steps, all packets at once.
func (a *Attempt) Check(ctx context.Context, steps ...string) ([]Result, error) {
	var out []Result
	for _, s := range a.Steps {
		for i := range s.Checks {
			if len(steps) == 0 || slices.Contains(steps, s.Name) {
				c := &s.Checks[i]
				out = append(out, Result{Step: s.Name, Check: c, Name: c.Name, Say: c.Say.In(a.lang)})
			}
		}
	}
	errs := make([]error, len(out))
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() { errs[i] = a.check(ctx, &out[i]) })
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

func (a *Attempt) check(ctx context.Context, r *Result) error {
	f, static := a.static(a.Cast, r.Check)
	var err error
	if !static {
		f, err = a.look(ctx, r)
	}
	if err != nil {
		return err
	}
	r.Passed = f == nil && !r.Skipped
	if f != nil {
		r.Why, r.Fix = f.Why, f.Fix
	}
	return nil
}

// static does a check for which the API's answers suffice.
func (a *Attempt) static(c Cast, x *Check) (f *Finding, static bool) {
	switch {
	case x.Exists != "":
		if c[x.Exists] == nil {
			f = a.absent(c, x.Exists)
		}
	case x.Count != nil:
		f = a.count(c, x.Count)
	case x.Attribute != nil:
		r := c[x.Attribute.Of]
		if r == nil {
			return a.absent(c, x.Attribute.Of), true
		}
		for _, w := range x.Attribute.Wants {
			if !c.holds(w, r) {
				return &Finding{Why: c.why(w, r)}, true
			}
		}
	default:
		return nil, false
	}
	return f, true
}

func (a *Attempt) absent(c Cast, role string) *Finding {
	r, _ := a.role(role)
	return &Finding{Why: a.missing(a.facts, c, r, a.lang)}
}

func (a *Attempt) count(c Cast, x *Count) *Finding {
	all := a.facts.of(x.Kind)
	misfits := c.misfits(x.Where, all)
	n := len(all) - len(misfits)
	switch {
	case n < x.AtLeast:
		return &Finding{Why: inRow(append([]any{sim.T("%s: %d found that fit, and at least %d are wanted", x.Kind.text(), n, x.AtLeast)}, misfits[:min(len(misfits), maxReasons)]...))}
	case x.AtMost >= 0 && n > x.AtMost:
		return &Finding{Why: sim.T("%s: %d found that fit, and at most %d are wanted", x.Kind.text(), n, x.AtMost)}
	}
	return nil
}

// look does a check that wants packets or guests.
func (a *Attempt) look(ctx context.Context, r *Result) (*Finding, error) {
	if r.Check.Exec != nil {
		return a.exec(ctx, r)
	}
	f, finding := a.flow(a.Cast, r.Check)
	if finding != nil {
		return finding, nil
	}
	a.control(f)
	finding, err := a.region.Send(ctx, *f)
	if err != nil || finding != nil || r.Check.HTTP == nil || a.region.Simulated() {
		return finding, err
	}
	return a.page(ctx, r.Check.HTTP, f)
}

func (a *Attempt) page(ctx context.Context, h *HTTP, f *Flow) (*Finding, error) {
	url := fmt.Sprintf("http://%s%s", netip.AddrPortFrom(f.Addr, uint16(h.Port)), h.Path)
	body, err := a.region.Get(ctx, url)
	if err != nil {
		return &Finding{Why: sim.T("%s gives no page: %s", url, err.Error())}, nil
	}
	if !strings.Contains(body, h.Contains) {
		line, _, _ := strings.Cut(body, "\n")
		return &Finding{Why: sim.T("%s answers %q, without %q", url, line, h.Contains)}, nil
	}
	return nil, nil
}

func (a *Attempt) exec(ctx context.Context, r *Result) (*Finding, error) {
	x := r.Check.Exec
	role := strings.TrimPrefix(x.In, "$")
	i := a.Cast[role]
	switch {
	case i == nil:
		return a.absent(a.Cast, role), nil
	case a.region.Simulated():
		r.Skipped = true
		return &Finding{Why: sim.T("nothing runs in a simulated instance")}, nil
	case i.Get("state") != string(sim.StateRunning):
		return &Finding{Why: sim.T("%s is not running, but %s", i.Label(), i.Get("state"))}, nil
	}
	out, code, err := a.region.Run(ctx, i.ID, x.Run)
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	switch {
	case errors.Is(err, ErrTooMuch):
		return &Finding{Why: sim.T("in %s, %q writes more than a check reads; it was cut off after %d bytes", i.Label(), x.Run, len(out))}, nil
	case errors.Is(err, ErrTooLong):
		return &Finding{Why: sim.T("in %s, %q goes on for longer than a check waits, and was cut off", i.Label(), x.Run)}, nil
	case err != nil:
		return nil, err
	case code != 0 && line == "":
		return &Finding{Why: sim.T("in %s, %q ends with %d", i.Label(), x.Run, code)}, nil
	case code != 0:
		return &Finding{Why: sim.T("in %s, %q ends with %d: %s", i.Label(), x.Run, code, line)}, nil
	case !strings.Contains(out, x.Contains):
		return &Finding{Why: sim.T("in %s, %q says %q, without %q", i.Label(), x.Run, line, x.Contains)}, nil
	}
	return nil, nil
}
