package docker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"labsim/sim"
)

// errStalled is the cause of a step's end that got nothing done any more.
var errStalled = errors.New("nothing got done")

// step runs f as long as it gets something done within its time. A later step is
// tried whatever became of it.
func (u *uninstall) step(ctx context.Context, name sim.Text, limit time.Duration, f func(context.Context) error) {
	if ctx.Err() != nil {
		return
	}
	if u.o.Progress != nil {
		u.o.Progress(name)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := time.AfterFunc(limit, func() { cancel(errStalled) })
	defer t.Stop()
	u.gotOn = func() { t.Reset(limit) }
	err := f(ctx)
	if err != nil && context.Cause(ctx) == errStalled { // each thing that is left says only that it was cut off
		err = &sim.Failure{What: sim.T("%s: nothing more got done in %s", name, limit.String()), Next: again}
	}
	if err != nil {
		u.errs = append(u.errs, err)
	}
}

// each runs the parts of a step, some at a time. One that is done gives the others
// their time again.
func (u *uninstall) each(ctx context.Context, parts []func() error) error {
	for i, f := range parts {
		parts[i] = func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := f()
			if err == nil {
				u.gotOn()
			}
			return err
		}
	}
	return atMost(inspectAtOnce, parts)
}

var again = []sim.Text{sim.Cmd("labsim down --all")}

// shownErrors is how many of the errors of a run are worth reading: the rest says
// the same of other things.
const shownErrors = 3

// failure is what went wrong in all steps, in few words; nil: nothing.
func (u *uninstall) failure() error {
	list := flat(errors.Join(u.errs...))
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	f := &sim.Failure{What: sim.T("the site %s has not gone yet, %d things failed, among them", string(u.e.site), len(list)), Err: few(list), Next: again}
	if i := slices.IndexFunc(list, func(err error) bool { _, ok := err.(*sim.Failure); return ok }); i >= 0 {
		f.Next = append(slices.Clone(list[i].(*sim.Failure).Next), again...)
	}
	return f
}

// flat lists the errors that were joined.
func flat(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var out []error
	for _, x := range j.Unwrap() {
		out = append(out, flat(x)...)
	}
	return out
}

// few is a list of errors of which the first ones are shown.
type few []error

func (f few) Error() string {
	var s []string
	for _, err := range f[:min(len(f), shownErrors)] {
		s = append(s, err.Error())
	}
	return strings.Join(s, "; ")
}

func (f few) Unwrap() []error { return f }
