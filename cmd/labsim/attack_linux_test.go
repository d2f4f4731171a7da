package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// attackTests are what hostile guests try: each gets a site with the built-in lab, in
// which web and db have the program /home/ec2-user/attack (sim/guest/attack), and fails where
// the attack reaches what it must not. They run one after the other and leave the
// site as they found it.
var attackTests = []struct {
	name string
	long bool // takes more than a few seconds: LABSIM_LONG
	run  func(*user)
}{
	{name: "forbidden system calls", run: forbiddenSystemCalls},
	{name: "an instance that can't start", run: othersTrouble},
	{name: "an instance that reboots itself", run: endlessReboots},
	{name: "first process", run: attackFirstProcess},
	{name: "floods", run: attackFloods},
	{name: "console", run: attackConsole},
	{name: "a lab's checks of the machine", run: hostUnreached},
	{name: "console flood", run: consoleFlood},
	{name: "etc filled", run: etcFilled},
	{name: "memory filled", run: memoryFilled},
	{name: "false neighbours", run: falseNeighbours},
	{name: "flushed rules", run: flushedRules},
	{name: "many connections", long: true, run: manyConnections},
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
		u.must(0, ``, "cp", bin, name+":/home/ec2-user/attack")
	}
	for _, a := range attackTests {
		t.Run(a.name, func(t *testing.T) {
			if a.long && !long {
				t.Skip("LABSIM_LONG=1 runs it")
			}
			v := u.as(t)
			v.answers("web")
			v.answers("db")
			a.run(v)
		})
	}
	u.must(0, ``, "up", "--check")
}

// answers waits until an instance takes commands, which nothing tells: a row before
// this may have rebooted it.
func (u *user) answers(instance string) {
	u.t.Helper()
	out, code := u.call("exec", instance, "--", "true")
	for end := time.Now().Add(30 * time.Second); code != 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, code = u.call("exec", instance, "--", "true")
	}
	if code != 0 {
		u.t.Fatalf("%s takes no commands: exit %d\n%s", instance, code, out)
	}
}

// attack runs a verb of the program in an instance, as root, and returns what it
// printed; it fails the test where the attack could not be tried.
func (u *user) attack(instance, verb string, args ...string) string {
	u.t.Helper()
	out, code := u.call(append([]string{"exec", instance, "--", "/home/ec2-user/attack", verb}, args...)...)
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
