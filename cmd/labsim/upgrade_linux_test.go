package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labsim/compose"
)

// TestUpgrade replaces agent and control by those of another build while packets
// go through the lab, and counts what gets lost: between instances, through the
// public address, and on a TCP connection through both.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	up := []string{"up", u.labWithUDP()}
	u.must(0, `5 ✓ Access`, up...)
	agent, control := u.process("agent"), u.process("control")
	for _, name := range []string{"web", "db"} {
		u.background(name, "nc -u -l -k -p 9000 > /received")
		// A datagram that is refused ends its sender, as nc does.
		u.must(0, ``, "exec", name, "--", "sh", "-c", "until grep -q :2328 /proc/net/udp*; do sleep 0.01; done") // 9000
	}
	u.background("web", "n=0; while [ ! -e /stop ]; do n=$((n+1)); echo $n; sleep 0.005; done | tee /sent | nc -u 10.0.2.10 9000")
	outside := u.datagrams(u.web() + ":9000")
	s := u.stream()

	u.bin = u.otherBuild()
	u.must(0, `5 ✓ Access`, up...)
	if u.process("agent") == agent || u.process("control") == control {
		t.Error("agent or control is still the old one")
	}

	s.whole("upgrade")
	u.received("web", outside())
	u.must(0, ``, "exec", "web", "--", "touch", "/stop")
	var sent int
	for last := -1; sent != last; time.Sleep(50 * time.Millisecond) { // until the loop has ended
		last, sent = sent, u.lines("web", "/sent")
	}
	u.received("db", sent)
	u.must(0, ``, "down", "--yes", "--volumes")
}

// labWithUDP is the default lab, with a port more.
func (u *user) labWithUDP() string {
	u.t.Helper()
	data, err := compose.File(compose.Default)
	if err != nil {
		u.t.Fatal(err)
	}
	text := string(data)
	for _, r := range [][2]string{
		{"{ tcp: [22, 80], from: 0.0.0.0/0 }", "{ tcp: [22, 80], from: 0.0.0.0/0 }\n        - { udp: 9000, from: 0.0.0.0/0 }"},
		{"{ tcp: [22, 5432], from: web }", "{ tcp: [22, 5432], from: web }\n        - { udp: 9000, from: web }"},
	} {
		if !strings.Contains(text, r[0]) {
			u.t.Fatalf("the default lab has no %q", r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	file := filepath.Join(u.t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return file
}

// background starts a command in an instance that needs no agent to go on.
func (u *user) background(name, line string) {
	u.t.Helper()
	u.must(0, ``, "exec", name, "--", "sh", "-c", "("+line+") </dev/null >/dev/null 2>&1 &")
}

// datagrams sends numbered ones until the returned function is called, which says how many.
func (u *user) datagrams(addr string) (end func() int) {
	u.t.Helper()
	c, err := net.Dial("udp", addr)
	if err != nil {
		u.t.Fatal(err)
	}
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		defer c.Close()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			if _, err := fmt.Fprintln(c, n); err != nil {
				u.t.Errorf("datagram %d: %v", n, err)
			}
			select {
			case <-tick.C:
			case <-stop:
				sent <- n
				return
			}
		}
	}()
	return func() int { close(stop); return <-sent }
}

func (u *user) lines(name, file string) (n int) {
	u.t.Helper()
	out := u.must(0, ``, "exec", name, "--", "wc", "-l", file)
	if _, err := fmt.Sscan(out, &n); err != nil {
		u.t.Fatalf("wc -l: %q", out)
	}
	return n
}

// received waits for what may be under way, and counts what is missing.
func (u *user) received(name string, sent int) {
	u.t.Helper()
	n := 0
	for end := time.Now().Add(2 * time.Second); n < sent && time.Now().Before(end); {
		n = u.lines(name, "/received")
	}
	u.t.Logf("%s: %d datagrams of %d", name, n, sent)
	if n != sent || sent < 100 {
		u.t.Errorf("%s received %d datagrams of %d: %d lost", name, n, sent, sent-n)
	}
}

// otherBuild is labsim with another hash.
func (u *user) otherBuild() string {
	u.t.Helper()
	b, err := os.ReadFile(u.bin)
	if err != nil {
		u.t.Fatal(err)
	}
	file := filepath.Join(u.t.TempDir(), "labsim")
	if err := os.WriteFile(file, append(b, "another build"...), 0o755); err != nil {
		u.t.Fatal(err)
	}
	return file
}
