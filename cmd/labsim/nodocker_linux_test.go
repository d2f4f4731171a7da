package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// inRoot runs the labsim of a root directory that holds nothing else: no engine, no
// socket, no configuration, no tool.
const inRoot = `mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && shift && exec chroot "$0" /labsim "$@"`

// bare is a user of a machine that never had Docker.
func bare(t *testing.T) *user {
	t.Helper()
	if out, err := exec.Command("unshare", "-rm", "true").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI makes no namespaces of its own: %v\n%s", err, out)
		}
		t.Skipf("no namespaces of the test's own: %v\n%s", err, out)
	}
	u := makeUser(t)
	root := t.TempDir()
	for _, dir := range []string{"proc", "dev", "tmp", "home"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	copyProgram(t, u.bin, filepath.Join(root, "labsim"))
	u.enter = func() []string { return []string{"unshare", "-rm", "sh", "-c", inRoot, root} }
	u.env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/home", "XDG_STATE_HOME=/home/state", "LC_ALL=C"}
	return u
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	if os.Link(from, to) == nil {
		return
	}
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoDocker is labsim on a machine without Docker: the lab is simulated, and
// says so on every line; a background process serves it until down.
func TestNoDocker(t *testing.T) {
	t.Parallel()
	u := bare(t)
	t.Cleanup(func() { u.call("down", "--all", "--yes") })
	root := u.enter()[5]

	out := u.must(0, `^there is no Docker on this machine, so nothing in this lab is real: [^\n]*; for the real thing install Docker: https://\S+\n ✓ no Docker · simulated · `, "up")
	for line := range strings.Lines(out) {
		if regexp.MustCompile(`^ \d `).MatchString(line) && !strings.Contains(line, "simulated") {
			t.Errorf("a line does not say that it is simulated: %s", line)
		}
	}
	if n := strings.Count(out, "✓"); n != 6 {
		t.Errorf("%d ticks, want 6:\n%s", n, out)
	}
	var served struct{ PID int }
	data, err := os.ReadFile(filepath.Join(root, "home/state/labsim", u.site, "serve.json"))
	if err == nil {
		err = json.Unmarshal(data, &served)
	}
	if err != nil || !lives(served.PID) {
		t.Fatalf("no background process: %v, %s", err, data)
	}
	u.must(0, `web .* running \(simulated\)`, "status")
	u.must(0, `yes: web reaches db on tcp/5432 \(simulated\)`, "trace", "web", "db", "tcp/5432")
	u.must(1, `(?s)there is no Docker on this machine.*install Docker: https://`, "--engine", "docker", "status")
	u.must(0, ``, "down")
	if lives(served.PID) {
		t.Errorf("down left the background process %d", served.PID)
	}

	// An engine that somebody names is one that should be there.
	u.env = append(u.env, "DOCKER_HOST=unix:///nowhere.sock")
	u.must(1, `(?s)^labsim: Docker at unix:///nowhere.sock is not running.*systemctl start docker`, "up")
	u.must(0, `✓ no Docker · simulated`, "--engine", "none", "up")
	u.must(0, ``, "--engine", "none", "down")
}

// lives reports whether a process runs; one that only waits for its parent does not.
func lives(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(data), ") ")
	return pid > 0 && err == nil && ok && !strings.HasPrefix(rest, "Z")
}

// TestUnusableDocker: an engine is there, and labsim can't use it: it never falls
// back to a simulation, but says how to mend it.
func TestUnusableDocker(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "labsim-test-") // a socket's path is short, and open to all
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u := makeUser(t)
	own := filepath.Join(dir, "labsim")
	copyProgram(t, u.bin, own)
	u.bin = own
	for _, c := range []struct {
		name, up, fix string
		engine        func(t *testing.T, socket string) // what is at the socket
	}{
		{"permission", `you may not use Docker's socket \S+`, `sudo usermod -aG ` + groupName(t) + ` \$USER`, func(t *testing.T, socket string) {
			serve(t, socket, nil)
			if err := os.Chown(socket, -1, aGroup()); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(socket, 0o060); err != nil {
				t.Fatal(err)
			}
		}},
		{"stopped", `Docker at unix://\S+ is not running`, `sudo systemctl start docker`, func(t *testing.T, socket string) {
			l := listen(t, socket)
			l.SetUnlinkOnClose(false)
			l.Close()
		}},
		{"rootless", `Docker runs rootless`, `docker context use default`, func(t *testing.T, socket string) { serve(t, socket, []string{"name=seccomp", "name=rootless"}) }},
		{"users mapped", `Docker maps users \(userns-remap\)`, `/etc/docker/daemon.json`, func(t *testing.T, socket string) { serve(t, socket, []string{"name=userns"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			socket := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-")+".sock")
			c.engine(t, socket)
			u := u.as(t)
			u.env = append(u.env[:len(u.env):len(u.env)], "DOCKER_HOST=unix://"+socket)
			if os.Getuid() == 0 { // whom nothing is forbidden
				u.enter = func() []string { return []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"} }
			}
			u.must(1, `(?ms)^labsim: `+c.up+`.*`+c.fix, "up")
			u.must(1, `(?s)✗ Docker: `+c.up+`.*`+c.fix, "doctor")
		})
	}
}

// aGroup is one that this process may give a file to, and that has a name.
func aGroup() int {
	if os.Getuid() == 0 {
		return 1
	}
	return os.Getgid()
}

func groupName(t *testing.T) string {
	g, err := osuser.LookupGroupId(strconv.Itoa(aGroup()))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.QuoteMeta(g.Name)
}

// listen opens a socket to which everybody may connect.
func listen(t *testing.T, socket string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err == nil {
		err = os.Chmod(socket, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve answers at a socket as an engine with those security options does.
func serve(t *testing.T, socket string, options []string) {
	t.Helper()
	l := listen(t, socket)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Ostype", "linux")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
			io.WriteString(w, "OK")
		case strings.HasSuffix(r.URL.Path, "/version"):
			json.NewEncoder(w).Encode(map[string]any{"Version": "20.10.24", "Os": "linux", "Arch": "amd64"})
		case strings.HasSuffix(r.URL.Path, "/info"):
			json.NewEncoder(w).Encode(map[string]any{"OSType": "linux", "Architecture": "x86_64", "ServerVersion": "20.10.24", "SecurityOptions": options})
		default:
			http.Error(w, `{"message":"labsim asked for `+r.URL.Path+`"}`, http.StatusTeapot)
		}
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}
