package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// attackFloods connects without end to what every guest can reach of the agent: to
// its socket more often than the agent has descriptors, to its services as often as
// the packets that an interface may send them allow in some seconds. The agent holds
// a few of these connections, and serves other guests, Docker and control as before.
func attackFloods(u *user) {
	for _, c := range []struct {
		network, address string
		count, most      int
	}{
		{"tcp", "169.254.169.254:80", 2000, 64},
		{"tcp", "169.254.169.253:53", 2000, 64},
		{"unix", "/.labsim/agent.sock", 12000, 4},
	} {
		stop := u.flood("web", c.network, c.address, c.count)
		u.repelled(`failed 0, median`, "db", "metadata", "100")
		if held := stop(); held > c.most {
			u.t.Errorf("%d connections of one guest to %s stay open, want %d at most", held, c.address, c.most)
		}
	}

	// A guest that starts meanwhile has its volume mounted, its metadata read and its
	// first process connected.
	var stops []func() int
	stops = append(stops,
		u.flood("web", "tcp", "169.254.169.254:80", 2000),
		u.flood("web", "unix", "/.labsim/agent.sock", 12000))
	u.must(0, ``, "reboot", "db")
	u.comesBack("db", `/data`)
	for _, stop := range stops {
		stop()
	}
}

// comesBack waits until an instance's first process has found its way through the
// flood, and wants something mounted there.
func (u *user) comesBack(instance, mounted string) {
	u.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		out, code := u.call("exec", instance, "--", "mount")
		if code == 0 && strings.Contains(out, mounted) {
			return
		}
		if time.Now().After(end) {
			u.t.Fatalf("%s has not come back with %s: exit %d\n%s", instance, mounted, code, out)
		}
	}
}

// flood begins one, and returns when all connections have been tried. stop ends it
// and says how many were still open.
func (u *user) flood(instance, network, address string, count int) (stop func() int) {
	u.t.Helper()
	c := u.command("exec", instance, "--", "/home/ec2-user/attack", "flood", network, address, fmt.Sprint(count))
	stdin, err := c.StdinPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		u.t.Fatal(err)
	}
	began, lines := time.Now(), bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		u.t.Fatalf("flood of %s: %v", address, err)
	}
	u.t.Logf("%5.2f s  flood of %s: %s", time.Since(began).Seconds(), address, strings.TrimSpace(line))
	return func() (held int) {
		u.t.Helper()
		stdin.Close()
		rest, _ := io.ReadAll(lines)
		c.Wait()
		if _, err := fmt.Sscanf(string(rest), "held %d", &held); err != nil {
			u.t.Fatalf("flood of %s: %q, %v", address, rest, err)
		}
		return held
	}
}
