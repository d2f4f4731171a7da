package cli

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/compose"
	"labsim/sim/lab"
)

// What must not answer has something beside it that does: on the same way, so
// that its answer ends the wait.
func TestEveryNotHasAControl(t *testing.T) {
	data, err := compose.File(compose.Default)
	if err != nil {
		t.Fatal(err)
	}
	l, problems := lab.Load("compose.yaml", data)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		name, web string // web's public address
		want      []string
	}{
		{"with a public address", "198.51.100.20", []string{
			"internet -> db tcp/22: not, control 198.51.100.20:22",
			"internet -> db tcp/5432: not, control 198.51.100.20:22",
			"internet -> web tcp/22: answers",
			"internet -> web tcp/80: answers",
			"web -> db tcp/1: not, control 10.0.2.10:22, counted",
			"web -> db tcp/22: answers",
			"web -> db tcp/5432: answers",
		}},
		{"the public address was taken away: nothing answers there", "", []string{
			"internet -> db tcp/22: not",
			"internet -> db tcp/5432: not",
			"internet -> web tcp/22: answers",
			"internet -> web tcp/80: answers",
			"web -> db tcp/1: not, control 10.0.2.10:22, counted",
			"web -> db tcp/22: answers",
			"web -> db tcp/5432: answers",
		}},
	} {
		ac := &access{bringUp: &bringUp{lab: l}, byName: map[string]instance{
			"web": {ID: "i-web", Name: "web", State: "running", PrivateIP: "10.0.1.10", PublicIP: c.web},
			"db":  {ID: "i-db", Name: "db", State: "running", PrivateIP: "10.0.2.10"},
		}}
		var got []string
		for _, x := range ac.expectations() {
			s := x.String() + ": " + map[bool]string{true: "answers", false: "not"}[x.open]
			if x.control.IsValid() {
				s += fmt.Sprintf(", control %v", x.control)
			}
			if x.counted {
				s += ", counted"
			}
			got = append(got, s)
		}
		slices.Sort(got)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
