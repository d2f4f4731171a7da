package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// etcFilled: Docker's /etc/hosts lies on the engine's disk, without a limit. The
// instance's is small, and can be edited as ever.
func etcFilled(u *user) {
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		u.grows("web", "/etc/"+name, 64, 256)
	}
	u.must(0, ``, "exec", "web", "--", "sh", "-c", "cp /etc/hosts /tmp/hosts && echo '10.0.2.10 database' >> /etc/hosts")
	u.must(0, ``, "exec", "web", "--", "nc", "-z", "-w", "5", "database", "5432")
	u.must(0, ``, "exec", "web", "--", "sh", "-c", "cat /tmp/hosts > /etc/hosts; rm /tmp/hosts")
	u.must(0, `(?m)^127\.0\.0\.1\tlocalhost\n(?s:.*)^10\.0\.1\.10\tip-10-0-1-10\.ec2\.internal ip-10-0-1-10$`, "exec", "web", "--", "cat", "/etc/hosts")
	u.must(0, `^ip-10-0-1-10\.ec2\.internal\n$`, "exec", "web", "--", "cat", "/etc/hostname")
}

// memoryFilled: /tmp, /run and /dev/shm end before the instance's memory does, and
// are counted to it.
func memoryFilled(u *user) {
	const memory = 1024 // of web, a t3.micro, in MiB
	for dir, share := range map[string]int{"/tmp": 2, "/dev/shm": 2, "/run": 5} {
		before := u.memoryUsed("web")
		got := u.grows("web", dir+"/filler", 2*memory, memory<<10/share+4, "keep") // in pages
		if used := u.memoryUsed("web") - before; used < got*9/10 {
			u.t.Errorf("%s took %d KiB, and the instance's memory grew by %d", dir, got, used)
		}
		u.must(0, ``, "exec", "web", "--", "rm", dir+"/filler")
	}
}

// grows lets a file grow by mib and wants it to get no more than most KiB. It
// returns what it got.
func (u *user) grows(instance, file string, mib, most int, more ...string) int {
	u.t.Helper()
	out := u.attack(instance, "fill", append([]string{file, fmt.Sprint(mib)}, more...)...)
	m := regexp.MustCompile(`(?m)^(\d+) KiB: (.*)$`).FindStringSubmatch(out)
	if m == nil {
		u.t.Fatalf("fill %s: %q", file, out)
	}
	got, _ := strconv.Atoi(m[1])
	u.t.Logf("%s of %s grew by %d KiB: %s", file, instance, got, m[2])
	if got > most || m[2] != "no space left on device" {
		u.t.Errorf("%s of %s grew by %d KiB and then said %q, want at most %d and no space left on device", file, instance, got, m[2], most)
	}
	return got
}

// memoryUsed is what the kernel counts to an instance's memory, in KiB.
func (u *user) memoryUsed(instance string) int {
	u.t.Helper()
	pid := u.pid("-" + instance + "-")
	out, err := exec.Command("sh", "-c", `v1=$(sed -n 's/^[0-9]*:memory://p' /proc/`+pid+`/cgroup)
if [ -n "$v1" ]; then cat /sys/fs/cgroup/memory$v1/memory.usage_in_bytes; else cat /sys/fs/cgroup$(sed -n 's/^0:://p' /proc/`+pid+`/cgroup)/memory.current; fi`).Output()
	n, aerr := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || aerr != nil {
		u.t.Fatalf("memory of %s: %v, %v", instance, err, aerr)
	}
	return n >> 10
}
