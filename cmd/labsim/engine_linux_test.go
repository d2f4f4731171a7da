package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"labsim/sim/agent/plugin"
	"labsim/sim/engine/enginetest/dockerd"
)

// bootLimit is how long an engine may take to boot, whatever became of labsim.
const bootLimit = 30 * time.Second

// machine is a user with an engine that may be stopped, killed and unplugged.
type machine struct {
	*user
	engine *dockerd.Engine
	before []standing
	visits int
}

// standing is what must be the same after a bad day.
type standing struct{ ID, Name, State, PrivateIP, PublicIP string }

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachineOff(t)
	m.boot()
	return m
}

// newMachineOff has an engine that does not run yet.
func newMachineOff(t *testing.T) *machine {
	t.Helper()
	m := &machine{engine: dockerd.New(t), user: makeUser(t)}
	m.enter, m.dial = m.engine.Enter, m.engine.Dial
	m.env = append(m.env, "DOCKER_HOST="+m.engine.Host())
	return m
}

func (m *machine) boot() {
	m.t.Helper()
	took, err := m.engine.Start(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Logf("the engine boots in %v", took.Round(10*time.Millisecond))
	if took > bootLimit {
		m.t.Errorf("the engine took %v to boot, more than %v", took, bootLimit)
	}
}

func (m *machine) status() []standing {
	m.t.Helper()
	out, _ := m.call("status", "--json")
	var list []standing
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		m.t.Fatalf("status --json: %v\n%s", err, out)
	}
	return list
}

// back waits until the page comes again, then compares.
func (m *machine) back() {
	m.t.Helper()
	began := time.Now()
	var addr string
	for _, i := range m.before {
		if i.Name == "web" {
			addr = i.PublicIP
		}
	}
	// Nothing tells a visitor that a page is back.
	text, err := m.page(addr)
	for !strings.HasPrefix(text, "visit ") && time.Since(began) < 2*time.Minute {
		time.Sleep(50 * time.Millisecond)
		text, err = m.page(addr)
	}
	m.t.Logf("the page is back after %v", time.Since(began).Round(10*time.Millisecond))
	var n int
	if _, serr := fmt.Sscanf(text, "visit %d", &n); err != nil || serr != nil || n <= m.visits {
		m.t.Fatalf("the page says %q, %v; it was at visit %d\n%s", text, err, m.visits, m.words())
	}
	m.visits = n
	if d := cmp.Diff(m.before, m.status()); d != "" {
		m.t.Errorf("instances and addresses (-before +after):\n%s", d)
	}
}

// words is what control and engine have to say.
func (m *machine) words() string {
	var out strings.Builder
	for _, args := range [][]string{{"ps", "-a"}, {"plugin", "ls"}, {"network", "ls"}, {"logs", "--tail", "30", m.site + "-control"}} {
		text, _ := m.docker(args...).CombinedOutput()
		fmt.Fprintf(&out, "docker %s:\n%s\n", strings.Join(args, " "), text)
	}
	return out.String()
}

func (m *machine) docker(args ...string) *exec.Cmd {
	return m.engine.Command(append([]string{"docker"}, args...)...)
}

// closedPort is one that the lab's rules allow nobody, though web and db listen on it.
const closedPort = "8080"

// openDoors makes both instances listen on a port that is not allowed, and web
// try that of db all the time, from its boot on.
func (u *user) openDoors() {
	u.t.Helper()
	for name, line := range map[string]string{
		"web": "httpd -p " + closedPort + " -h /srv/www\n(while :; do nc -z -w 1 10.0.2.10 " + closedPort + " && echo leak >> /leak; sleep 0.05; done) &",
		"db":  "nc -l -k -p " + closedPort + " -e echo leak &",
	} {
		u.must(0, ``, "exec", name, "--", "sh", "-c", "echo '"+line+"' >> /etc/rc.local && /etc/rc.local")
	}
}

// doorsShut says that the listeners are there, and that nobody got to theu.
func (u *user) doorsShut() {
	u.t.Helper()
	u.must(0, ``, "exec", "web", "--", "nc", "-z", "-w", "2", "127.0.0.1", closedPort)
	u.must(0, ``, "exec", "db", "--", "nc", "-z", "-w", "2", "127.0.0.1", closedPort)
	u.must(1, ``, "exec", "web", "--", "ls", "/leak")
}

// besiege tries the closed port of web from outside until the returned function
// is called, which says how often that was, and complains if it ever opened.
func (u *user) besiege(addr string) (end func()) {
	ctx, cancel := context.WithCancel(u.t.Context())
	var wg sync.WaitGroup
	tries, opened := 0, 0
	wg.Go(func() {
		for ctx.Err() == nil {
			short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			if c, err := u.dial(short, "tcp", addr+":"+closedPort); err == nil {
				c.Close()
				opened++
			}
			<-short.Done() // a machine without a route answers at once
			stop()
			tries++
		}
	})
	return func() {
		u.t.Helper()
		cancel()
		wg.Wait()
		u.t.Logf("%d tries on the closed port", tries)
		if opened > 0 {
			u.t.Errorf("port %s, which no rule allows, was open %d times", closedPort, opened)
		}
	}
}

// TestEngineDies lets an engine with the lab end in every way, one after the
// other: all that was there comes back by itself, and nothing is open meanwhile.
func TestEngineDies(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	reached := m.connect()
	m.must(0, `5 ✓ Access`, "up", "--internet")
	m.openDoors()
	m.tryMachine()
	m.online(reached)
	m.before = m.status()
	text, err := m.page(m.web())
	if _, serr := fmt.Sscanf(text, "visit %d", &m.visits); err != nil || serr != nil {
		t.Fatalf("page: %q, %v", text, err)
	}
	for _, c := range []struct {
		name string
		slow bool
		end  func() error
	}{
		{"stopped", true, func() error { return m.engine.Stop(syscall.SIGTERM) }},
		{"killed", true, func() error { return m.engine.Stop(syscall.SIGKILL) }},
		{"unplugged", false, func() error {
			m.engine.PowerOff()
			err := m.engine.PowerOn()
			if err == nil {
				reached = m.connect() // what it had has gone with its power
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && !long {
				t.Skip("LABSIM_LONG=1 runs the slow cases")
			}
			m.t = t
			end := m.besiege(m.web())
			if err := c.end(); err != nil {
				t.Fatal(err)
			}
			m.boot()
			m.back()
			end()
			m.doorsShut()
			m.online(reached)
		})
	}
	m.t = t
	m.cutOff()
	m.must(0, ``, "down", "--yes", "--volumes")
	if left, _ := filepath.Glob(m.engine.Lib() + "/labsim/*"); len(left) > 0 {
		t.Errorf("down left %v", left)
	}
}

// cutOff takes from the agent what makes its mounts reach containers, as an
// engine that was killed sometimes does when it starts again.
func (m *machine) cutOff() {
	m.t.Helper()
	// What is no mount point any more is cut off already.
	if err := unshareMounts(m.process("agent"), plugin.Mounts); err != nil && err != unix.EINVAL {
		m.t.Fatal(err)
	}
	// There may be several on top of each other.
	all := "cd " + m.engine.Disk() + "/plugins/*/propagated-mount && for d in guest vols/*; do while umount $d; do :; done 2>/dev/null; done; ! mountpoint -q guest"
	if out, err := m.engine.Inside("sh", "-c", all).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v\n%s", all, err, out)
	}
	m.must(0, ``, "stop", "db")
	m.must(0, `5 ✓ Access`, "up")
	before := m.visits
	if m.visits = m.user.visits(); m.visits <= before {
		m.t.Errorf("visit %d, before it was %d", m.visits, before)
	}
}

// unshareMounts makes a shared mount of a process one that has no peers.
func unshareMounts(pid int, point string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		for _, f := range []func() error{
			func() error { return unix.Unshare(unix.CLONE_FS) },
			func() error { return unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS) },
			func() error { return unix.Mount("", point, "", unix.MS_PRIVATE, "") },
			func() error { return unix.Mount("", point, "", unix.MS_SHARED, "") },
		} {
			if err == nil {
				err = f()
			}
		}
		done <- err
	}()
	return <-done
}
