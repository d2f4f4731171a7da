package main

import "strings"

// attackFirstProcess has root of a guest reach for its first process, whose word
// the agent takes. That nothing is wrong with the attack itself a process of the
// guest's shows.
func attackFirstProcess(u *user) {
	// A first process that has started one of another user is protected by chance:
	// Go's fork shares its memory with the child that changes its user (credentials(7)).
	u.must(0, ``, "reboot", "web")
	for way, result := range u.ways("web", "1") {
		if !strings.HasSuffix(result, "operation not permitted") && !strings.HasSuffix(result, "permission denied") {
			u.t.Errorf("%s of PID 1: %s", way, result)
		}
	}
	pid := strings.TrimSpace(u.must(0, ``, "exec", "web", "--", "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"))
	for way, result := range u.ways("web", pid) {
		if result != "success" && way != "descriptors" { // seccomp forbids that one
			u.t.Errorf("%s of a process of root's: %s, want success, else this test shows nothing", way, result)
		}
	}
	u.must(0, ``, "exec", "web", "--", "kill", pid)
	// What looks at PID 1 from inside still sees it.
	u.must(0, `init`, "exec", "web", "--", "ps", "-p", "1")
	u.must(0, ``, "exec", "web", "--", "cat", "/proc/1/stat", "/proc/1/status", "/proc/1/cmdline", "/proc/1/mountinfo", "/proc/1/cgroup")
}

func (u *user) ways(instance, pid string) map[string]string {
	u.t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(u.attack(instance, "trace", pid)) {
		way, result, _ := strings.Cut(strings.TrimSpace(line), ": ")
		out[way] = result
	}
	if len(out) != 6 {
		u.t.Errorf("%d ways were tried: %v", len(out), out)
	}
	return out
}
