package main

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sh runs a command of the machine's and returns what it printed.
func (u *user) sh(line string) string {
	u.t.Helper()
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		u.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}

// in enters a network namespace: that of a process, or one that is pinned.
func (u *user) in(ns, line string) { u.t.Helper(); u.sh("nsenter --net=" + ns + " " + line) }

// needTools skips a test that breaks things with tools that are not here.
func needTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this test breaks things with %s, which is not here: %v", tool, err)
		}
	}
}

// linkOf is the router's end of an instance's link.
func (u *user) linkOf(router, instance string) string {
	u.t.Helper()
	index := u.sh("nsenter --net=/proc/" + u.pid(instance) + "/ns/net ip -o link | sed -n 's/.* eth[0-9]*@if\\([0-9]*\\):.*/\\1/p'")
	return u.sh("nsenter --net=" + router + " ip -o link | sed -n 's/^" + index + ": \\([^@:]*\\).*/\\1/p'")
}

// pid is the first process of a container of the site.
func (u *user) pid(name string) string {
	return u.sh("docker inspect -f '{{.State.Pid}}' $(docker ps -q --filter label=labsim.site=" + u.site + " --filter name=" + name + ")")
}

// unmount takes a mount out of a process' mount namespace. The guest's own umount
// refuses to.
func unmount(pid, path string) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open("/proc/" + pid + "/ns/mnt")
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return err
			}
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
				return err
			}
			return unix.Unmount(path, unix.MNT_DETACH)
		}()
	}()
	return <-done
}

var advice = regexp.MustCompile(`(?m)^    \S*labsim (.*)$`)

// mend runs the commands that labsim printed, each once.
func (u *user) mend(printed string) {
	u.t.Helper()
	ran := map[string]bool{}
	for _, m := range advice.FindAllStringSubmatch(printed, -1) {
		args := strings.Fields(m[1])
		if len(args) > 2 && args[0] == "--site" {
			args = args[2:]
		}
		if k := strings.Join(args, " "); !ran[k] {
			ran[k] = true
			u.must(0, ``, args...)
		}
	}
	if len(ran) == 0 {
		u.t.Fatalf("no command to mend it:\n%s", printed)
	}
}

// named wants the fifth line and all that is printed below it to be about one
// thing: what was broken before is mended.
func (u *user) named(printed, thing string) {
	u.t.Helper()
	what := regexp.MustCompile(thing)
	if !regexp.MustCompile(`5 ✗ .*` + thing).MatchString(printed) {
		u.t.Fatalf("line 5 does not say %q:\n%s", thing, printed)
	}
	_, below, _ := strings.Cut(printed[strings.Index(printed, "5 ✗"):], "\n")
	for line := range strings.Lines(below) {
		if strings.HasPrefix(line, " ") { // a command
			continue
		}
		if !what.MatchString(line) {
			u.t.Errorf("%q is not about %q:\n%s", line, thing, printed)
		}
	}
}

// TestBroken breaks one thing at a time behind labsim's back: line 5 names it,
// and the command that is printed mends it.
func TestBroken(t *testing.T) {
	t.Parallel()
	needTools(t, "nsenter", "nft", "ip")
	u := newUser(t)
	u.must(0, `5 ✓ Access`, "up")
	u.visit(1) // step 5 is no visit
	router := u.router()
	u.rulesMended(router)
	for _, c := range []struct {
		name, want string
		do         func()
	}{
		{"route", `the route to 0\.0\.0\.0/0 of route table public \(rtb-\S+\) is not in the router`, func() {
			u.sh("nsenter --net=" + router + ` sh -c 'ip route show table all | sed -n "s/^default via .* \(table [0-9]*\).*/\1/p" | while read t; do ip route del default via 169.254.255.1 dev igw0 $t; done'`)
		}},
		{"listener", `nobody listens on port 80 in web`, func() { u.must(0, ``, "exec", "web", "--", "pkill", "httpd") }},
		{"veth down", `the link of network interface eni-\S+ of db \(i-\S+\) is down in the router`, func() {
			u.in(router, "ip link set "+u.linkOf(router, "custom-vpc-db")+" down")
		}},
		{"veth down in the guest", `the link of network interface eni-\S+ is down in db \(i-\S+\)`, func() {
			u.in("/proc/"+u.pid("custom-vpc-db")+"/ns/net", "ip link set eth0 down")
		}},
		{"edge's veth", `the link between the router and internet gateway .*igw-\S+ is missing`, func() {
			u.in("/proc/"+u.pid("edge")+"/ns/net", "ip link del vpc0")
		}},
		{"disk", `the volume db-data \(vol-\S+\) can't be written at /data in db`, func() {
			if err := unmount(u.pid("custom-vpc-db"), "/data"); err != nil {
				u.t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			outer := u.t
			u.t = t
			defer func() { u.t = outer }()
			c.do()
			out := u.must(1, `5 ✗`, "up")
			u.named(out, c.want)
			u.mend(out)
		})
	}
	u.must(0, `5 ✓ Access`, "up")
}

// rulesMended: rules that are changed are put right at once, and nobody needs to.
func (u *user) rulesMended(router string) {
	rules := func() string {
		return u.sh("nsenter --net=" + router + ` sh -c 'nft list table inet vpc | grep "dport" | sed "s/packets.*bytes [0-9]*//"'`)
	}
	before := rules()
	for what, line := range map[string]string{
		"a rule":      `nft -a list table inet vpc | awk "/chain in-sg/{c=\$2} /dport 5432/{print c, \$NF}" | while read c h; do nft delete rule inet vpc $c handle $h; done`,
		"a rule more": `nft list table inet vpc | awk "/chain in-sg/{c=\$2} /dport 5432/{print c}" | while read c; do nft add rule inet vpc $c tcp dport 1 accept; done`,
	} {
		u.in(router, "sh -c '"+line+"'")
		u.until(what+" is mended", func() bool { return rules() == before })
	}
}
