//go:build linux

package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
)

// Environment by which the test starts itself as a guest, honest or not.
const (
	guestEnv = "LABSIM_TEST_GUEST" // the agent's socket
	floodEnv = "LABSIM_TEST_FLOOD" // how many connections a hostile one makes
)

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUrmXr4wSX7ER+/c6e3NBG6v52spp0LStCATMcQ5hb8"

// TestMain is also the guest: the test starts itself as a namespace's first process.
func TestMain(m *testing.M) {
	if socket := os.Getenv(guestEnv); socket != "" {
		be := fakeGuest
		if os.Getenv(floodEnv) != "" {
			be = floodingGuest
		}
		if err := be(socket); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fakeGuest speaks as PID 1 does. It waits for a line, by which the test says
// that its place is ready, and ends with its input.
func fakeGuest(socket string) error {
	if _, err := wire.ReadLine(os.Stdin, 100); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:80")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	session, err := guestSession(socket, wire.Protocol)
	if err != nil {
		return err
	}
	heard := make(chan struct{})
	go http.Serve(session, guestHandler(heard))
	<-heard
	// A second connection of the same guest has to be refused.
	if second, err := guestSession(socket, wire.Protocol); err == nil {
		<-second.CloseChan()
		fmt.Println("second connection closed")
	}
	io.Copy(io.Discard, os.Stdin)
	return nil
}

func guestSession(socket string, protocol int) (*yamux.Session, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, `{"Protocol":%d,"Build":"test"}`+"\n", protocol)
	return yamux.Client(conn, yamuxConfig())
}

func guestHandler(heard chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathEvents, func(w http.ResponseWriter, r *http.Request) {
		close(heard)
		json.NewEncoder(w).Encode(wire.GuestState{HostKeys: []string{someKey}})
		w.(http.Flusher).Flush()
		time.Sleep(50 * time.Millisecond)
		json.NewEncoder(w).Encode(wire.GuestState{HostKeys: []string{someKey}, Ready: true})
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("GET "+wire.PathConsole, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "console, follow=%s", r.FormValue("follow"))
	})
	mux.HandleFunc("POST "+wire.PathExec, func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", wire.Upgrade)
		line, _ := buffered.ReadString('\n')
		fmt.Fprintf(conn, "echo %s", line)
	})
	return mux
}

// startGuest starts the fake guest in namespaces and a cgroup of its own, as a
// container's first process, with its interface joined.
func startGuest(t *testing.T, n *node, socket string, eni sim.ENIID, env ...string) (stdout *output, stop func()) {
	t.Helper()
	needRoot(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), append(env, guestEnv+"="+socket)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET}
	stdout = new(output)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	leave := enterCgroup(t, cmd.Process.Pid, fmt.Sprintf("%064x", cmd.Process.Pid))
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			stdin.Close()
			cmd.Process.Kill()
			cmd.Wait()
			leave()
		}
	}
	t.Cleanup(stop)
	err = n.agent.records.update(func(r *record) {
		r.Endpoints[string(eni)] = endpoint{ENI: eni, Sandbox: fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)}
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(stdin, "go")
	return stdout, stop
}

// output is what a process writes while the test reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// enterCgroup puts the process where an engine would put a container's.
func enterCgroup(t *testing.T, pid int, container string) (leave func()) {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, container)
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0); err != nil {
			os.Remove(dir)
			continue
		}
		return func() { os.Remove(dir) }
	}
	t.Skip("no cgroup that can be written to")
	return nil
}

// guestNode is a node that waits for guests on a socket with a short path.
func guestNode(t *testing.T) (*node, *control, string) {
	t.Helper()
	n := controlNode(t)
	startControlLoop(t, n)
	c := accept(t, n)
	c.put(labConfig(1))
	socket := filepath.Join(n.agent.runDir, "g")
	if err := n.agent.guests.listen(socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.agent.guests.close() }) // before its directory goes, which would have it laid out again
	return n, c, socket
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %s within half a minute", what)
}

func TestGuest(t *testing.T) {
	n, c, socket := guestNode(t)
	stdout, stop := startGuest(t, n, socket, eniWeb)
	waitFor(t, "guest that is ready", func() bool { l := n.agent.guests.list(); return len(l) == 1 && l[0].Ready })
	g := n.agent.report(t.Context()).Guests[0]
	if g.Instance != iWeb || len(g.HostKeys) != 1 || g.Since.IsZero() {
		t.Errorf("guest %+v, want %s with its host key", g, iWeb)
	}
	if code, body := c.do("GET", "/guests/"+string(iWeb)+"/console?follow=1", nil); code != 200 || body != "console, follow=1" {
		t.Errorf("console: %d %q", code, body)
	}
	checkExec(t, c)
	checkProbes(t, c)
	checkDial(t, c)
	waitFor(t, "refusal of the second connection", func() bool { return strings.Contains(stdout.String(), "second connection closed") })
	stop()
	waitFor(t, "end of the guest", func() bool { return len(n.agent.guests.list()) == 0 })
}

func checkExec(t *testing.T, c *control) {
	t.Helper()
	s, err := c.upgrade("/guests/" + string(iWeb) + "/exec")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fmt.Fprintln(s, "hello")
	if b, err := io.ReadAll(s); string(b) != "echo hello\n" {
		t.Errorf("exec: %q %v", b, err)
	}
}

// checkProbes sends from the guest's namespace, which has nothing but a loopback.
func checkProbes(t *testing.T, c *control) {
	t.Helper()
	loop := netip.MustParseAddr("127.0.0.1")
	for _, p := range []struct {
		proto   sim.Protocol
		to      netip.Addr
		port    int
		open    bool
		refused bool
		text    string
	}{
		{sim.ProtocolTCP, loop, 80, true, false, ""},
		{sim.ProtocolTCP, loop, 81, false, true, "connection refused"},
		{sim.ProtocolUDP, loop, 81, false, true, "connection refused"},
		{sim.ProtocolICMP, loop, 0, true, false, ""},
		{sim.ProtocolTCP, netip.MustParseAddr("10.0.1.11"), 80, false, false, "network is unreachable"},
	} {
		_, body := c.do("POST", wire.PathProbe, dataplane.Probe{From: iWeb, To: p.to, Protocol: p.proto, Port: p.port, Timeout: time.Second})
		var got dataplane.ProbeResult
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("probe: %s", body)
		}
		want := dataplane.ProbeResult{Open: p.open, Refused: p.refused, Error: p.text, Took: got.Took}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("probe of protocol %d to %v:%d: %s", p.proto, p.to, p.port, d)
		}
	}
}

func checkDial(t *testing.T, c *control) {
	t.Helper()
	s, err := c.upgrade("/dial?address=127.0.0.1:80&instance=" + string(iWeb))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fmt.Fprint(s, "there and back")
	b := make([]byte, len("there and back"))
	if _, err := io.ReadFull(s, b); string(b) != "there and back" {
		t.Errorf("through the tunnel: %q %v", b, err)
	}
}

// Whoever else reaches the socket is not heard: this test is no container's
// first process.
func TestStrangerIsRefused(t *testing.T) {
	n, _, socket := guestNode(t)
	s, err := guestSession(socket, wire.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.CloseChan():
	case <-time.After(5 * time.Second):
		t.Error("the connection of a stranger stays")
	}
	if l := n.agent.guests.list(); len(l) != 0 {
		t.Errorf("guests %v, want none", l)
	}
}

func TestOtherProtocolIsRefused(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go fmt.Fprintln(near, `{"Protocol":999}`)
	if _, err := greet(far, iWeb); err == nil || !strings.Contains(err.Error(), "speaks protocol 999") {
		t.Errorf("greeting of another protocol: %v, want a refusal that says so", err)
	}
}

func TestContainerID(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct{ cgroups, want string }{
		{"12:pids:/docker/" + id + "\n11:cpu:/docker/" + id + "\n", id},
		{"0::/system.slice/docker-" + id + ".scope\n", id},
		{"0::/docker/" + id + "/init.scope\n", id},
		{"0::/user.slice/user-0.slice/session-1.scope\n", ""},
		{"0::/\n", ""},
		{"5:cpu:/nd1/" + id + "\n", id},
		{"5:cpu:/docker/" + id[1:] + "\n", ""},
	} {
		if got := containerID(c.cgroups); got != c.want {
			t.Errorf("%q: %q, want %q", c.cgroups, got, c.want)
		}
	}
}
