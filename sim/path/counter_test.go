package path_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim/path"
)

// A verdict names all that the packet and its answer make the dataplane count, and
// nothing that they never get to.
func TestCounters(t *testing.T) {
	s := parse(t, strings.Replace(lab, "instance box public 10.0.1.20 groups=open", "instance box public 10.0.1.20 groups=open state=pending", 1))
	for q, want := range map[string]string{
		"web db tcp/5432":             "sgr-web-out1 sgr-db-in2",
		"web db tcp/80":               "sgr-web-out1 drop:eni-db:ingress",
		"strict web tcp/80":           "sgr-db-out1 sgr-web-in2",
		"db 203.0.113.1 tcp/80":       "sgr-db-out1 drop:no-route",
		"internet mute tcp/80":        "sgr-open-in1 drop:no-route",
		"web 10.0.1.99 tcp/80":        "",
		"db 10.0.1.1 icmp":            "drop:router",
		"far 10.0.0.2 udp/53":         "drop:router", // no resolver, but its address is the router's
		"far 169.254.169.253 udp/53":  "drop:router",
		"odd db tcp/22":               "sgr-open-out1 drop:no-route", // by box, which has no link yet
		"web2 198.51.100.22 tcp/80":   "sgr-web-out1",                // its instance is stopped
		"lone 203.0.113.1 udp/53":     "sgr-all-out1 drop:no-public-address",
		"strict 198.51.100.20 tcp/80": "sgr-db-out1 sgr-web-in2",
	} {
		v := path.Trace(s, query(t, q))
		got := []string{}
		for _, h := range slices.Concat(v.Hops, v.Back) {
			if h.Counter != "" {
				got = append(got, h.Counter)
			}
		}
		if d := cmp.Diff(strings.Fields(want), got); d != "" {
			t.Errorf("%s (-want +got):\n%s%s", q, d, describe(v))
		}
	}
}
