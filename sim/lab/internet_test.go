package lab

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// internet: real is a tag of the gateway: it comes and goes with the file, and
// of two labs each has its own.
func TestInternet(t *testing.T) {
	r := newRegion(t)
	offline := defaultLab(t)
	real := strings.Replace(offline, "x-labsim:\n", "x-labsim:\n  internet: real\n", 1)
	other := strings.NewReplacer("name: custom-vpc", "name: other", "10.0.", "10.9.", "key_name: lab", "key_name: other").Replace(offline)
	is := func(name, lab string) string {
		return wire.TagValue(r.account(lab).gateways["lab"].Tags, sim.TagInternet)
	}
	r.up(load(t, other))
	for _, step := range []struct {
		file, tag string
		changes   []string
	}{
		{offline, "", nil},
		{real, "real", []string{"3 update internet-gateway lab"}},
		{real, "real", nil},
		{offline, "", []string{"3 update internet-gateway lab"}},
	} {
		got := r.up(load(t, step.file))
		if d := cmp.Diff(step.changes, got); d != "" && (step.changes != nil || len(r.account("custom-vpc").vpcs) == 0) {
			t.Errorf("changes (-want +got):\n%s", d)
		}
		if got := is("lab", "custom-vpc"); got != step.tag {
			t.Errorf("the gateway's tag is %q, want %q", got, step.tag)
		}
		if got := is("lab", "other"); got != "" {
			t.Errorf("the other lab's gateway has the tag %q", got)
		}
	}
	fresh := newRegion(t)
	fresh.up(load(t, real))
	if got := wire.TagValue(fresh.account("custom-vpc").gateways["lab"].Tags, sim.TagInternet); got != "real" {
		t.Errorf("a gateway made with the lab has the tag %q", got)
	}
}
