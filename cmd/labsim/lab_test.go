package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"labsim/sim/lab/exercise"
)

// learner does a lab by hand, in a directory of its own, with labsim on PATH.
type learner struct {
	*user
	dir string
}

func newLearner(t *testing.T) *learner {
	l := &learner{user: newUser(t), dir: t.TempDir()}
	if err := os.Symlink(l.bin, filepath.Join(l.dir, "labsim")); err != nil {
		t.Fatal(err)
	}
	l.env = append(l.env, "PATH="+l.dir+":"+os.Getenv("PATH"), "LABSIM_SITE="+l.site)
	return l
}

// types runs a script in a shell in which an AWS client reaches labsim only.
func (l *learner) types(text string) string {
	l.t.Helper()
	c := exec.Command("sh", "-ec", "eval \"$(labsim env)\"\n"+text)
	c.Dir, c.Env = l.dir, l.env
	out, err := c.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v\n%s\n%s", err, text, out)
	}
	return string(out)
}

// guide returns the commands of a page, with the ids that there are by now.
func (l *learner) guide(page int) string {
	l.t.Helper()
	out := l.must(0, ``, "lab", "guide", "--json", strconv.Itoa(page))
	var pages []exercise.Page
	if err := json.Unmarshal([]byte(out), &pages); err != nil || len(pages) != 1 {
		l.t.Fatalf("%v\n%s", err, out)
	}
	var text strings.Builder
	for _, c := range pages[0].Commands() {
		text.WriteString(c.Text)
	}
	return text.String()
}

// TestLab does the five steps as the guide shows them, page by page, each in a new
// terminal. (A test of sim/lab/exercise finds the same commands in both languages.)
// Then the same by boto3, and what is broken in the repair lab is mended.
func TestLab(t *testing.T) {
	t.Parallel()
	l := newLearner(t)
	l.must(0, `The lab has begun`, "lab", "start", "custom-vpc")
	l.types(l.guide(0))
	steps := []string{"vpc", "subnets", "routes", "instances", "access"}
	for i, s := range steps {
		for _, later := range steps[i:] {
			if later != "access" || i < len(steps)-1 { // access is there as soon as the instances are
				l.must(1, `✗`, "lab", "check", later)
			}
		}
		if out := l.types(l.guide(i + 1)); s == "access" && (!strings.Contains(out, "visit ") || strings.Count(out, "ip-10-0-") < 2) {
			t.Errorf("step %s shows no page, or no host names:\n%s", s, out)
		}
		l.must(0, `✓`, "lab", "check", s)
	}
	l.must(0, `All steps are done`, "lab", "check")

	l.must(0, ``, "lab", "reset", "--yes")
	l.must(1, ``, "lab", "check")
	script, err := filepath.Abs("testdata/lab.py")
	if err != nil {
		t.Fatal(err)
	}
	l.types("/usr/bin/python3 " + script)
	l.must(0, `All steps are done`, "lab", "check")

	l.repairs()
}

// repairs mends, by the hints, what only real instances can have: the faults of
// the API have a test without Docker (sim/lab/exercise), and come here too in the
// long run.
func (l *learner) repairs() {
	const faults, inside = 14, 3
	first := faults - inside + 1
	if long {
		first = 1
	}
	for seed := first; seed <= faults; seed++ {
		l.must(0, `Something is broken`, "lab", "start", "repair-network", "--yes", "--seed", strconv.Itoa(seed))
		l.must(1, `✗`, "lab", "check")
		for range 5 {
			l.call("lab", "hint")
			l.call("lab", "hint")
			l.follow(l.must(0, ``, "lab", "hint", "--json"))
			if _, code := l.call("lab", "check"); code == 0 {
				break
			}
		}
		l.must(0, `All steps are done`, "lab", "check")
	}
}

// follow types the commands of a hint; it has none where what was mended has come
// to work since the last check.
func (l *learner) follow(hint string) {
	l.t.Helper()
	var h struct{ Commands []string }
	if err := json.Unmarshal([]byte(hint), &h); err != nil {
		l.t.Fatalf("%v\n%s", err, hint)
	}
	for _, c := range h.Commands {
		if strings.HasPrefix(c, "labsim ") || strings.HasPrefix(c, "aws ") {
			l.types(c)
		}
	}
}
