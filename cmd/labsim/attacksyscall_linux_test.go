package main

import "strings"

// forbiddenSystemCalls wants the kernel to see none of the calls of the list:
// they are refused before, by the profile or for want of a capability. sudo
// works as before.
func forbiddenSystemCalls(u *user) {
	out := u.attack("web", "syscalls")
	u.t.Log(strings.ReplaceAll(out, "\n", ", "))
	for line := range strings.Lines(out) {
		name, how, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if how != "EPERM" && how != "ENOSYS" {
			u.t.Errorf("%s: %s, want EPERM or ENOSYS", name, how)
		}
	}
	u.must(0, `^0\s*$`, "ssh", "web", "--", "sudo", "id", "-u")
}
