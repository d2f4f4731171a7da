package script

import (
	"errors"

	"labsim/sim"
)

// wrong is an error for the one who wrote the script, of which a word may be long.
func wrong(t sim.Text) error { return &sim.Failure{What: t.Brief()} }

// within says where an error is.
func within(where string, err error) error {
	if err == nil {
		return nil
	}
	return wrong(sim.Cmd("%s: %s", where, TextOf(err)))
}

// TextOf returns an error as a text: in the reader's language where it has one.
func TextOf(err error) sim.Text {
	var f *sim.Failure
	if errors.As(err, &f) && f.Err == nil {
		return f.What
	}
	return sim.Cmd("%s", err.Error())
}
