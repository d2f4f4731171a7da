package exercise

import (
	"io/fs"
	"testing"

	"labsim/compose"
	"labsim/sim/lab/source"
)

// The labs that come with labsim have no problem, not even a warning.
func TestOwnLabs(t *testing.T) {
	for _, name := range compose.Names() {
		dir, err := fs.Sub(compose.Labs, name)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := Open(dir, name)
		for _, p := range problems {
			t.Errorf("%s (fatal: %v)", p, source.Fatal([]source.Problem{p}))
		}
	}
}
