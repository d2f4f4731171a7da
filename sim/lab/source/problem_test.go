package source

import (
	"errors"
	"strings"
	"testing"

	"labsim/sim"
)

// A problem names the value that is wrong, not all 200 KB of it; its end stays, as
// a path's tells most.
func TestProblemsAreBrief(t *testing.T) {
	long := strings.Repeat("가", 70<<10)
	for _, text := range []sim.Text{
		sim.T("%s.key is wrong", long),
		sim.T("there is no %q", long),
		sim.T("%s", errors.New(long)),
		sim.T("known are %v", []string{long, long}),
		sim.T("known are %v", strings.Split(long, "")),
		sim.T("%s", sim.T("%s", long)),
	} {
		ps := &Problems{File: "lab.yaml"}
		ps.Add(1, text)
		ps.Warn(2, text)
		for _, p := range ps.Sorted() {
			s := p.String()
			if len(s) > 4<<10 || !strings.Contains(s, "...") || strings.ContainsRune(s, '\uFFFD') {
				t.Errorf("%s: %d bytes: %.100q", text.Format, len(s), s)
			}
		}
	}
	path := sim.T("%s", "services."+long+".image").Brief().String()
	if !strings.HasPrefix(path, "services.") || !strings.HasSuffix(path, ".image") {
		t.Errorf("a path has lost an end: %s", path)
	}
	if got := sim.T("%s: %d, %v", "short", 3, []string{"a", "b"}).Brief().String(); got != "short: 3, [a b]" {
		t.Errorf("what is short is changed: %s", got)
	}
}
