package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"labsim/sim"
)

// hostUnreached is a stranger's lab whose checks name addresses of the machine: a
// service on all of them is asked for as the lab would, by control's own way to
// instances, and from a guest. Nothing reaches it.
func hostUnreached(u *user) {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		u.t.Fatal(err)
	}
	defer l.Close()
	reached := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached <- fmt.Sprintf("%v from %v", c.LocalAddr(), c.RemoteAddr())
			c.Close()
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	own := hostAddrs(u.t)
	if len(own) == 0 {
		u.t.Skip("this machine has no address")
	}
	web := netip.MustParseAddr(u.web())
	public, _ := web.Prefix(24)
	machine := sim.AddrAt(public, 1)
	// The way that the CLI's own tunnel needs goes on.
	u.must(0, `^SSH-2\.0-`, "_dial", netip.AddrPortFrom(web, 22).String())
	for _, addr := range append(own[:min(len(own), 4)], machine.String(), "127.0.0.1", "::ffff:"+machine.String()) {
		u.must(1, `own address|not a public address|no instance has`, "_dial", net.JoinHostPort(addr, fmt.Sprint(port)))
	}
	u.repelled("connected 0, failed 1", "web", "flood", "tcp", net.JoinHostPort(machine.String(), fmt.Sprint(port)), "1")
	for _, end := range []string{"{ from: internet, to: " + machine.String(), "{ from: $web, to: " + machine.String(), "{ from: internet, to: " + own[0]} {
		dir := strangersLab(u.t, fmt.Sprintf("reachable: %s, tcp: %d }", end, port))
		if err := os.WriteFile(filepath.Join(u.state(), "labsim", u.site, "lab.json"), []byte(fmt.Sprintf(`{"Lab":%q}`, dir)), 0o600); err != nil {
			u.t.Fatal(err)
		}
		u.must(1, `own address|not a public address`, "lab", "check")
	}
	if err := os.Remove(filepath.Join(u.state(), "labsim", u.site, "lab.json")); err != nil {
		u.t.Error(err)
	}
	select {
	case at := <-reached:
		u.t.Errorf("the machine's service was reached: %s", at)
	default:
	}
}

// strangersLab is a lab with one check.
func strangersLab(t *testing.T, check string) string {
	dir := t.TempDir()
	words := "{ en: x, ko: x }"
	text := strings.NewReplacer("WORDS", words, "CHECK", check).Replace(`title: WORDS
about: WORDS
start: empty
roles: { web: { kind: instance, public-ip: any, say: WORDS } }
steps: [ { name: s, title: WORDS, checks: [ { name: c, say: WORDS, CHECK } ] } ]
`)
	for name, text := range map[string]string{"checks.yaml": text, "guide.en.md": "# x\n## x\n", "guide.ko.md": "# x\n## x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
