package ec2

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// Each operation of the list has a handler, and the other way round. That the
// table names members that exist is checked while it is made.
func TestOperationsHaveHandlers(t *testing.T) {
	if diff := cmp.Diff(wire.Operations, slices.Sorted(maps.Keys(operations))); diff != "" {
		t.Errorf("operations.txt against the table of handlers (-list +table):\n%s", diff)
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"web", "web", true}, {"web", "Web", false}, {"web", "webs", false}, {"", "", true}, {"", "a", false},
		{"*", "", true}, {"*", "anything", true}, {"w*", "web", true}, {"*b", "web", true}, {"w*b*", "web", true}, {"w*x", "web", false},
		{"w?b", "web", true}, {"w?b", "wb", false}, {"?", "한", true}, {"*a*b*c", "xaybzc", true}, {"*a*b*c", "xbyazc", false},
		{`\*`, "*", true}, {`\*`, "x", false}, {`a\?c`, "a?c", true}, {`a\?c`, "abc", false}, {`a\\c`, `a\c`, true},
		{"a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	} {
		if got := matches(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}

func TestZoneID(t *testing.T) {
	for zone, want := range map[string]string{"us-east-1a": "use1-az1", "us-east-1c": "use1-az3", "ap-northeast-2b": "apne2-az2",
		"eu-central-1a": "euc1-az1", "ap-southeast-1a": "apse1-az1", "sa-east-1a": "sae1-az1", "ap-south-1a": "aps1-az1", "": ""} {
		if got := zoneID(sim.Zone(zone)); got != want {
			t.Errorf("zone %q has the id %q, want %q", zone, got, want)
		}
	}
}
