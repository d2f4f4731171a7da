package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// attackTests are what hostile guests try: each gets a site with the built-in lab, in
// which web and db have the program /tmp/attack (sim/guest/attack), and fails where
// the attack reaches what it must not. They run one after the other and leave the
// site as they found it.
var attackTests = []struct {
	name string
	long bool // takes more than a few seconds: LABSIM_LONG
	run  func(*user)
}{
	{name: "forbidden system calls", run: forbiddenSystemCalls},
	{name: "an instance that can't start", run: othersTrouble},
	{name: "first process", run: attackFirstProcess},
	{name: "floods", run: attackFloods},
	{name: "console", run: attackConsole},
	{name: "a lab's checks of the machine", run: hostUnreached},
	{"console flood", false, consoleFlood},
	{"etc filled", false, etcFilled},
	{"memory filled", false, memoryFilled},
}

// TestAttacks has root of a guest attack the agent, control, the machine and other
// guests.
func TestAttacks(t *testing.T) {
	if len(attackTests) == 0 {
		t.Skip("no attacks")
	}
	t.Parallel()
	u := newUser(t)
	bin := filepath.Join(t.TempDir(), "attack")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "../../sim/guest/attack")
	build.Env = append(u.env, "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	u.must(0, ``, "up")
	for _, name := range []string{"web", "db"} {
		u.must(0, ``, "cp", bin, name+":/tmp/attack")
	}
	for _, a := range attackTests {
		t.Run(a.name, func(t *testing.T) {
			if a.long && !long {
				t.Skip("LABSIM_LONG=1 runs it")
			}
			a.run(u.as(t))
		})
	}
	u.must(0, ``, "up", "--check")
}

// attack runs a verb of the program in an instance, as root, and returns what it
// printed; it fails the test where the attack could not be tried.
func (u *user) attack(instance, verb string, args ...string) string {
	u.t.Helper()
	out, code := u.call(append([]string{"exec", instance, "--", "/tmp/attack", verb}, args...)...)
	if code != 0 {
		u.t.Fatalf("attack %s in %s could not be tried: exit %d\n%s", verb, instance, code, out)
	}
	return strings.TrimSpace(out)
}

// repelled runs an attack and wants it to say what repels it.
func (u *user) repelled(want, instance, verb string, args ...string) {
	u.t.Helper()
	if out := u.attack(instance, verb, args...); !regexp.MustCompile(want).MatchString(out) {
		u.t.Errorf("attack %s %s in %s: %q, want %q", verb, strings.Join(args, " "), instance, out, want)
	}
}
