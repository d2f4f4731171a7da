package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"labsim/sim/dataplane/linux/linuxtest"
)

// router is the pinned namespace of the lab's router.
func (u *user) router() string {
	u.t.Helper()
	pins, err := filepath.Glob("/run/labsim/" + u.site + "/netns/vpc-*")
	if err != nil || len(pins) != 1 {
		u.t.Skipf("the engine's /run is not this machine's: %v, %v", pins, err)
	}
	return pins[0]
}

// falseNeighbours has a guest fill the table of neighbours that all of the machine
// share: its router, its edge, and its own kernel in its own subnet.
func falseNeighbours(u *user) {
	router, edge := u.router(), "/proc/"+u.pid("edge")+"/ns/net"
	before := neighbours(u, edge)
	u.repelled(`sent 1000`, "web", "arp", "1000")
	if n := neighbours(u, router); n != 0 {
		u.t.Errorf("1,000 forged ARP packets made the router learn %d neighbours", n)
	}
	u.repelled(`sent \d`, "web", "scan", "10.0.128.0/18")
	if n := neighbours(u, router); n != 0 {
		u.t.Errorf("a scan of the VPC made the router ask for %d neighbours", n)
	}
	own := "/proc/" + u.pid("web") + "/ns/net"
	u.repelled(`sent \d`, "web", "scan", "10.0.1.0/24")
	if n := neighbours(u, own); n > 3 {
		u.t.Errorf("a scan of its own subnet made the guest's kernel ask for %d neighbours, want the router alone", n)
	}
	public := netip.PrefixFrom(netip.MustParseAddr(u.web()), 24).Masked()
	u.repelled(`sent \d`, "web", "scan", public.String())
	n := neighbours(u, edge) - before
	u.t.Logf("a scan of %s made the edge ask for %d neighbours", public, n)
	if n > 40 {
		u.t.Errorf("a scan of %s made the edge ask for %d neighbours, want about 20", public, n)
	}
	u.must(0, `5 ✓ Access`, "up", "--check")
}

// flushedRules: somebody has the machine's root and no idea of labsim.
func flushedRules(u *user) {
	needTools(u.t, "nsenter", "nft")
	for name, ns := range map[string]string{"router": u.router(), "edge": "/proc/" + u.pid("edge") + "/ns/net"} {
		ours := func() string { // Docker has rules of its own there
			return u.sh("nsenter --net=" + ns + " nft list tables | awk '/ (vpc|igw)$/{n++} END{print n+0}'")
		}
		before := ours()
		u.in(ns, "nft flush ruleset")
		u.until("the "+name+"'s rules are back", func() bool { return ours() == before })
		u.must(0, `5 ✓ Access`, "up", "--check")
	}
}

// manyConnections has a guest begin more of them than it may, with the resolver.
func manyConnections(u *user) {
	const packets = 40000
	router := u.router()
	before := tracked(u, router)
	u.repelled(`sent 40000`, "web", "flows", "169.254.169.253", "53", strconv.Itoa(packets))
	n := tracked(u, router) - before
	u.t.Logf("%d packets made the router track %d connections more", packets, n)
	if n > 10000 {
		u.t.Errorf("%d packets of one guest made the router track %d connections more, want about 8,192", packets, n)
	}
	u.must(0, `instance-id`, "exec", "db", "--", "curl", "-s", "-m", "5", "http://169.254.169.254/latest/meta-data/") // another guest goes on
	u.until("the guest may begin connections again", func() bool {
		_, code := u.call("up", "--check")
		return code == 0
	})
}

// inNetNS runs f on a thread in a network namespace.
func inNetNS(u *user, path string, f func() error) {
	u.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open(path)
		if err == nil {
			defer ns.Close()
			if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
				err = f()
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		u.t.Fatal(err)
	}
}

// neighbours counts those that a namespace has learnt or asks for (proc(5), net/arp:
// 0x0 is asked for, 0x2 learnt, 0x6 fixed).
func neighbours(u *user, ns string) (n int) {
	u.t.Helper()
	inNetNS(u, ns, func() error {
		b, err := os.ReadFile("/proc/thread-self/net/arp")
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 2 && (f[2] == "0x0" || f[2] == "0x2") {
				n++
			}
		}
		return err
	})
	return n
}

// tracked is how many connections a namespace tracks.
func tracked(u *user, ns string) (n int) {
	u.t.Helper()
	inNetNS(u, ns, func() (err error) { n, err = linuxtest.Tracked(); return err })
	return n
}
