//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// outside is a network namespace on a link of the host, or on one of its
// bridges: a fake internet, or a network beside the lab's.
type outside struct {
	t    *testing.T
	name string
}

func newOutside(t *testing.T, link, host, own, bridge string) outside {
	t.Helper()
	name := fmt.Sprintf("%s-%d", link, os.Getpid())
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	ip("netns", "add", name)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
	t.Cleanup(func() { exec.Command("ip", "link", "del", link).Run() })
	if bridge != "" {
		ip("link", "set", link, "master", bridge)
	} else {
		ip("addr", "add", host, "dev", link)
	}
	ip("link", "set", link, "up")
	ip("-n", name, "link", "set", "lo", "up")
	ip("-n", name, "addr", "add", own, "dev", "eth0")
	ip("-n", name, "link", "set", "eth0", "up")
	return outside{t, name}
}

// gateway gives the namespace a way back to everybody.
func (o outside) gateway(addr string) {
	if out, err := exec.Command("ip", "-n", o.name, "route", "add", "default", "via", addr).CombinedOutput(); err != nil {
		o.t.Fatalf("default route: %v\n%s", err, out)
	}
}

// do runs f in the namespace; sockets that it opens stay there.
func (o outside) do(f func() error) {
	o.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open("/run/netns/" + o.name)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		o.t.Fatal(err)
	}
}

// listen opens a port and tells who connects.
func (o outside) listen(port int) <-chan string {
	var l net.Listener
	o.do(func() (err error) { l, err = net.Listen("tcp4", fmt.Sprint(":", port)); return })
	return callers(o.t, l)
}

func callers(t *testing.T, l net.Listener) <-chan string {
	t.Cleanup(func() { l.Close() })
	who := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			c.Close()
			who <- host
		}
	}()
	return who
}

// packets counts what has reached the namespace by IPv4, be it accepted or not.
func (o outside) packets() (n int) {
	o.do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		var names []string
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if f[0] != "IpExt:" {
				continue
			}
			if names == nil {
				names = f
				continue
			}
			for i, name := range names {
				if name == "InOctets" {
					_, err = fmt.Sscan(f[i], &n)
				}
			}
		}
		return err
	})
	return n
}

func dial(addr string, port int) error {
	c, err := net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", addr, port), 3*time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

// hostAddrs are the host's own, loopback left out.
func hostAddrs(t *testing.T) (out []string) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			out = append(out, p.Addr().String())
		}
	}
	return out
}

// TestInternet brings the default lab up with a fake internet behind the host,
// which is a namespace with a documentation address: nothing here is ever sent
// to a real one.
func TestInternet(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("CI is not root, which makes network namespaces")
		}
		t.Skip("this test makes network namespaces: it needs root")
	}
	up := []string{"up", "--public-range", fmt.Sprintf("198.18.%d.0/24", os.Getpid()%250)}
	const port = 7
	far := newOutside(t, "lst-far", "203.0.113.1/28", "203.0.113.10/28", "")
	lan := newOutside(t, "lst-lan", "10.201.77.1/24", "10.201.77.10/24", "")
	lan.gateway("10.201.77.1")

	// Another Docker network, with somebody on it.
	network := u.site + "-beside"
	bridge := fmt.Sprintf("lst%d", os.Getpid())
	if out, err := exec.Command("docker", "network", "create", "-o", "com.docker.network.bridge.name="+bridge, network).CombinedOutput(); err != nil {
		t.Fatalf("network: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("docker", "network", "rm", network).Run() })
	pool, err := exec.Command("docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", network).Output()
	if err != nil {
		t.Fatal(err)
	}
	p := netip.MustParsePrefix(strings.TrimSpace(string(pool)))
	first := p.Addr().Next()
	guest := first.Next()
	beside := newOutside(t, "lst-beside", "", netip.PrefixFrom(guest, p.Bits()).String(), bridge)
	beside.gateway(first.String())

	internet := far.listen(port)
	lanCalls, besideCalls := lan.listen(port), beside.listen(port)
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	hostPort := l.Addr().(*net.TCPAddr).Port
	hostCalls := callers(t, l)

	// Controls: each of them answers somebody who may.
	for addr, calls := range map[string]<-chan string{"203.0.113.10": internet, "10.201.77.10": lanCalls, guest.String(): besideCalls} {
		if err := dial(addr, port); err != nil {
			t.Fatal(err)
		}
		<-calls
	}
	far.do(func() error { return dial("203.0.113.1", hostPort) })
	<-hostCalls

	try := func(addr string, port int) string {
		return fmt.Sprintf("nc -z -w 1 %s %d </dev/null && echo open %s", addr, port, addr)
	}
	// shielded: nothing near answers web, whatever the internet is.
	shielded := func() {
		t.Helper()
		tries := []string{try("10.201.77.10", port), try(guest.String(), port)}
		for _, a := range hostAddrs(t) {
			tries = append(tries, try(a, hostPort))
		}
		if out, _ := u.call("exec", "web", "--", "sh", "-c", "("+strings.Join(tries, ") & (")+") & wait; echo done"); strings.TrimSpace(out) != "done" {
			t.Errorf("web reached:\n%s", out)
		}
		select {
		case who := <-hostCalls:
			t.Errorf("%s reached the host", who)
		case who := <-lanCalls:
			t.Errorf("%s reached the private network", who)
		case who := <-besideCalls:
			t.Errorf("%s reached the other Docker network", who)
		default:
		}
		if err := dial(u.web(), 80); err != nil {
			t.Errorf("from the host, web: %v", err)
		}
	}
	offline := func() {
		t.Helper()
		before := far.packets()
		u.must(1, ``, "exec", "web", "--", "sh", "-c", try("203.0.113.10", port))
		if n := far.packets() - before; n != 0 {
			t.Errorf("offline, %d octets came to the internet", n)
		}
		u.must(1, `(?s)no: .*this lab is offline.*internet: real.*create-tags`, "trace", "web", "203.0.113.10", "tcp/7")
		if out, _ := exec.Command("nft", "list", "table", "ip", "labsim-"+u.site).Output(); strings.Contains(string(out), "c_guard") {
			t.Errorf("offline, the guard stands on the host:\n%s", out)
		}
	}

	u.must(0, `5 ✓ Access`, up...)
	offline()
	shielded()

	u.must(0, `(?s)igw-\w+ to the real internet.*5 ✓ Access`, append(up, "--internet")...)
	u.must(0, `open 203\.0\.113\.10`, "exec", "web", "--", "sh", "-c", try("203.0.113.10", port))
	if who := <-internet; who != "203.0.113.1" {
		t.Errorf("the internet sees %s, want the host's address", who)
	}
	u.must(0, `yes: `, "trace", "web", "203.0.113.10", "tcp/7")
	u.must(1, `no: .*`, "trace", "web", "203.0.113.1", "tcp/7")
	u.must(1, ``, "exec", "db", "--", "sh", "-c", try("203.0.113.10", port)) // no route, no address
	shielded()

	u.must(0, `5 ✓ Access`, up...) // the file says nothing of it: off
	offline()
	if long { // down from an open internet is the slow case
		shielded()
		u.must(0, `5 ✓ Access`, append(up, "--internet")...)
	}
	u.must(0, ``, "down", "--yes", "--volumes")
	if out, _ := exec.Command("nft", "list", "tables").Output(); strings.Contains(string(out), "labsim-"+u.site) {
		t.Error("down left the agent's table on the host")
	}
}
