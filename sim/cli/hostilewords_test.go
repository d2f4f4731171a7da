package cli

import (
	"strings"
	"testing"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/engine/docker"
	"labsim/sim/path"
)

// Names and messages of strangers come into what status, trace and doctor print.
func TestHostileWords(t *testing.T) {
	const bad = "a\x1b[2J\r\nzz\u202e"
	said := sim.Cmd("%s and %v", bad, []string{bad})
	for name, print := range map[string]func(*app){
		"status, a table":   func(a *app) { a.table([][]string{{bad, "x"}}) },
		"status, a problem": func(a *app) { a.errorln(sim.Cmd("%s: %s", bad, bad)) },
		"status, drift": func(a *app) {
			a.printDrift([]dataplane.Drift{{Resource: bad, What: said, Reboot: sim.InstanceID(bad)}, {Resource: bad, What: said}})
		},
		"trace": func(a *app) {
			hop := []path.Hop{{Resource: bad, Rule: bad, Text: said, Stops: true}}
			a.printVerdict([]string{bad, bad, bad}, path.Verdict{Hops: hop, Back: hop, Decisive: hop,
				Fix: []path.Fix{{Text: said, Commands: []string{"aws ec2 " + bad}}}}, "")
		},
		"doctor": func(a *app) {
			a.printFindings([]docker.Finding{{Subject: said, Seen: said}, {Subject: said, Seen: said, Problem: said, Fix: said, Fatal: true}})
		},
	} {
		var out strings.Builder
		print(&app{out: &out, err: &out})
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); sim.Printable(line) != line || strings.HasPrefix(line, "zz") {
				t.Errorf("%s: printed %q", name, line)
			}
		}
	}
}
