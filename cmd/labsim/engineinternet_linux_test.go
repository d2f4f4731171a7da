package main

import (
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// The machine's internet is a namespace behind it; the machine's own address on
// the link to it is what no instance may reach.
const (
	farAddr  = "203.0.113.10"
	nearAddr = "203.0.113.1"
	echoPort = "7"
)

// connect gives the machine an internet, and tells who reaches the machine by it.
func (m *machine) connect() (reached <-chan string) {
	m.t.Helper()
	script := `set -e
ip netns add far
ip link add far type veth peer name eth0 netns far
ip addr add ` + nearAddr + `/28 dev far
ip link set far up
ip -n far addr add ` + farAddr + `/28 dev eth0
ip -n far link set eth0 up`
	if out, err := m.engine.Inside("sh", "-c", script).CombinedOutput(); err != nil {
		m.t.Fatalf("an internet: %v\n%s", err, out)
	}
	far, err := listenIn("/proc/"+m.engine.Enter()[2]+"/root/run/netns/far", ":"+echoPort)
	if err != nil {
		m.t.Fatal(err)
	}
	callers(m.t, far)
	near, err := m.engine.Listen(nearAddr + ":" + echoPort)
	if err != nil {
		m.t.Fatal(err)
	}
	return callers(m.t, near)
}

// listenIn opens a port in a network namespace.
func listenIn(ns, addr string) (l net.Listener, err error) {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		f, err := os.Open(ns)
		if err == nil {
			defer f.Close()
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			l, err = net.Listen("tcp4", addr)
		}
		done <- err
	}()
	err = <-done
	return l, err
}

// tryMachine has web try the machine's own port all the time, from its boot on.
func (m *machine) tryMachine() {
	m.t.Helper()
	line := "(while :; do nc -z -w 1 " + nearAddr + " " + echoPort + " && echo leak >> /leak; sleep 0.05; done) &"
	m.must(0, ``, "exec", "web", "--", "sh", "-c", "echo '"+line+"' >> /etc/rc.local && "+line)
}

// online wants the internet to be there, and the machine never to have been reached.
func (m *machine) online(reached <-chan string) {
	m.t.Helper()
	m.must(0, ``, "exec", "web", "--", "nc", "-z", "-w", "5", farAddr, echoPort)
	select {
	case who := <-reached:
		m.t.Errorf("%s reached the machine", who)
	default:
	}
}
