package ec2

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// call is one request while it is served. It shows a state of the world: the
// current one, or that of the transaction tx.
type call struct {
	*world.State
	tx      *world.Tx // nil where nothing is changed
	ctx     context.Context
	server  *server
	opts    *Options
	account sim.AccountID
}

// operation serves a request with those parameters; the answer is a pointer to
// a shape, or nil.
type operation func(c *call, values url.Values) (any, error)

// nothing is the answer of an operation that says no more than that it was done.
type nothing struct{}

// read makes an operation that looks at the world. supports: see decode.
func read[In, Out any](f func(*call, *In) (*Out, error), supports ...string) operation {
	return plain(func(c *call, in *In) (*Out, error) {
		c.State = c.server.world.View()
		return f(c, in)
	}, supports...)
}

// change makes an operation that is one transaction of the caller's account.
func change[In, Out any](f func(*call, *In) (*Out, error), supports ...string) operation {
	return plain(func(c *call, in *In) (out *Out, err error) {
		err = c.update(in, func() (err error) {
			out, err = f(c, in)
			return err
		})
		return out, err
	}, supports...)
}

// plain makes an operation that asks for the world itself.
func plain[In, Out any](f func(*call, *In) (*Out, error), supports ...string) operation {
	known := supportOf(reflect.TypeFor[In](), supports)
	return func(c *call, values url.Values) (any, error) {
		if err := checkTexts(values); err != nil {
			return nil, err
		}
		in := new(In)
		if err := wire.DecodeQuery(values, in); err != nil {
			return nil, err
		}
		if err := known.check(reflect.ValueOf(in).Elem(), ""); err != nil {
			return nil, err
		}
		out, err := f(c, in)
		if err == nil && isDryRun(in) {
			err = errDryRun
		}
		if _, none := any(out).(*nothing); err != nil || none {
			return nil, err
		}
		return out, nil
	}
}

// checkTexts refuses control characters in all that a request says: most of it
// comes back to somebody's terminal, in an answer or in an error.
func checkTexts(values url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, v := range values[name] {
			if isBase64(name) {
				v = strings.Join(strings.Fields(v), "")
			}
			if err := cmp.Or(sim.CheckText("name", name), sim.CheckText(name, v)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isBase64 reports whether a parameter is encoded, so that line ends say nothing.
func isBase64(name string) bool {
	return name == "PublicKeyMaterial" || name == "UserData" || name == "UserData.Value"
}

// update runs f as one transaction of the caller's account. With DryRun it is
// dropped at its end, so that DryRun finds every error that the request has.
func (c *call) update(in any, f func() error) error {
	if err := c.opts.Admit(); err != nil {
		return err
	}
	return c.server.world.UpdateAs(c.account, func(tx *world.Tx) error {
		c.tx, c.State = tx, tx.State
		if err := f(); err != nil {
			return err
		}
		if isDryRun(in) {
			return errDryRun
		}
		return nil
	})
}

var errDryRun = sim.Errorf(sim.CodeDryRun, "Request would have succeeded, but DryRun flag is set.")

func isDryRun(in any) bool {
	f := reflect.ValueOf(in).Elem().FieldByName("DryRun")
	return f.IsValid() && !f.IsNil() && f.Elem().Bool()
}

func isOther(action string) bool {
	_, found := slices.BinarySearch(wire.Others, action)
	return found
}
