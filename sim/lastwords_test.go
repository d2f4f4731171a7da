package sim_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/text"
)

func TestLastWords(t *testing.T) {
	f := &sim.Failure{What: sim.T("%s can't be opened", "/state/world.db"), Err: errors.New("no such\ndirectory"),
		Next: []sim.Text{sim.T("port %d of this machine is free", 4566), sim.Cmd("docker logs %s", sim.T("control"))}}
	log := "level=INFO msg=\"agent connected\"\n" + sim.LastWords(fmt.Errorf("control: %w", f)) + "\n"
	got := sim.ReadLastWords(log)
	if got == nil {
		t.Fatalf("nothing is read out of %q", log)
	}
	said := func(f *sim.Failure) []string {
		return []string{text.In(text.Korean, f.What), f.Err.Error(), text.In(text.Korean, f.Next[0]), text.In(text.English, f.Next[1])}
	}
	if d := cmp.Diff(said(f), said(got)); d != "" {
		t.Errorf("-said +read:\n%s", d)
	}
	for _, log := range []string{
		"", "labsim: engine: no such socket\n", log + "level=INFO msg=started\n", "labsim failure: {}", "labsim failure: garbled",
		sim.LastWords(errors.New("engine: no such socket")),
	} {
		if got := sim.ReadLastWords(log); got != nil {
			t.Errorf("%v is read out of %q", got, log)
		}
	}
}
