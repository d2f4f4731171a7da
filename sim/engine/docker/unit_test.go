package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/engine"
)

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contextFile(dir, name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json")
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	write(t, contextFile(dir, "colima"), `{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///home/u/.colima/docker.sock"}}}`)
	write(t, contextFile(dir, "far"), `{"Name":"far","Endpoints":{"docker":{"Host":"ssh://me@far"}}}`)
	empty := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), `{"currentContext":"colima"}`)
	colima := endpoint{Host: "unix:///home/u/.colima/docker.sock", Context: "colima"}
	for _, c := range []struct {
		name    string
		options Options
		env     map[string]string
		want    endpoint
		fails   bool
	}{
		{name: "the configuration's context", env: map[string]string{"DOCKER_CONFIG": dir}, want: colima},
		{name: "no configuration", env: map[string]string{"DOCKER_CONFIG": empty}, want: endpoint{Host: client.DefaultDockerHost, Default: true}},
		{name: "DOCKER_CONTEXT goes before it", env: map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": "far"}, want: endpoint{Host: "ssh://me@far", Context: "far"}},
		{name: "DOCKER_HOST goes before both", env: map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": "far", "DOCKER_HOST": "unix:///x"}, want: endpoint{Host: "unix:///x"}},
		{name: "what is asked for goes before all", options: Options{Context: "colima"}, env: map[string]string{"DOCKER_CONFIG": dir, "DOCKER_HOST": "unix:///x"}, want: colima},
		{name: "the context default", env: map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": "default"}, want: endpoint{Host: client.DefaultDockerHost, Default: true}},
		{name: "an unknown context", env: map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": "nope"}, fails: true},
	} {
		got, err := resolve(c.options, func(k string) string { return c.env[k] })
		if c.fails {
			if !errors.Is(err, ErrUnusable) {
				t.Errorf("%s: %v, want ErrUnusable", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(endpoint{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestBrokenConfiguration(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), `{`)
	_, err := resolve(Options{}, func(k string) string { return map[string]string{"DOCKER_CONFIG": dir}[k] })
	var f *sim.Failure
	if !errors.As(err, &f) {
		t.Errorf("got %v, want a Failure that names the file", err)
	}
}

// An engine that nobody named and one that does not answer are two things.
func TestUnreachable(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "docker.sock")
	_, err := Open(t.Context(), Options{Host: "unix://" + gone})
	if !errors.Is(err, ErrUnusable) || errors.Is(err, ErrNoDocker) {
		t.Errorf("an address without an engine: %v", err)
	}
	t.Setenv("PATH", "")
	err = unreachable(endpoint{Host: "unix://" + gone, Default: true}, errors.New("dial unix: no such file"))
	if want := !daemonInstalled(); errors.Is(err, ErrNoDocker) != want {
		t.Errorf("no socket at the default address: %v, want ErrNoDocker: %v", err, want)
	}
	write(t, gone, "")
	err = unreachable(endpoint{Host: "unix://" + gone, Default: true}, errors.New("permission denied"))
	if !errors.Is(err, ErrUnusable) {
		t.Errorf("a socket that may not be used: %v", err)
	}
}

// Another site's driver that is being removed must not be asked: Docker waits for it.
func TestVolumesAreAskedOfTheOwnDriver(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.FormValue("filters")
		io.WriteString(w, `{"Volumes":[]}`)
	}))
	defer s.Close()
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+s.Listener.Addr().String()), client.WithVersion(minAPI))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{c: c, site: "one"}
	if err := e.observeVolumes(t.Context(), map[string]engine.ObservedObject{}); err != nil {
		t.Fatal(err)
	}
	f, err := filters.FromJSON(asked)
	if err != nil || !slices.Equal(f.Get("driver"), []string{e.site.Plugin()}) {
		t.Errorf("filters %s (%v), want the driver %s alone", asked, err, e.site.Plugin())
	}
}

// A container that somebody else removes holds its volumes until that has ended.
func TestRemovalInProgress(t *testing.T) {
	var waited atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"message":"removal of container x is already in progress"}`)
		case strings.HasSuffix(r.URL.Path, "/x/wait") && r.FormValue("condition") == "removed":
			waited.Store(true)
			io.WriteString(w, `{"StatusCode":0}`)
		default: // it has gone between the two
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message":"no such container"}`)
		}
	}))
	defer s.Close()
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+s.Listener.Addr().String()), client.WithVersion(minAPI))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{c: c, site: "one"}
	if err := e.removeContainer(t.Context(), "x"); err != nil || !waited.Load() {
		t.Errorf("%v; its end was waited for: %v", err, waited.Load())
	}
	if err := e.removeContainer(t.Context(), "y"); err != nil {
		t.Errorf("one that has gone: %v", err)
	}
}

func TestFreeRange(t *testing.T) {
	at := func(s string) taken { return taken{netip.MustParsePrefix(s), sim.T("the interface %s", "eth0")} }
	own, err := freeRange("x", nil)
	if err != nil || !sim.OtherPublic.Contains(own.Addr()) || own.Bits() != 24 {
		t.Fatalf("a site's range: %s, %v", own, err)
	}
	for _, c := range []struct {
		name string
		site sim.Site
		used []taken
		want func(netip.Prefix) bool
	}{
		{"the default site", sim.DefaultSite, nil, func(p netip.Prefix) bool { return p == sim.DefaultPublic }},
		{"its range taken", sim.DefaultSite, []taken{at("198.51.100.128/25")}, func(p netip.Prefix) bool { return sim.OtherPublic.Overlaps(p) }},
		{"another site, its first range taken", "x", []taken{at(own.String())}, func(p netip.Prefix) bool { return p != own && sim.OtherPublic.Overlaps(p) }},
	} {
		got, err := freeRange(c.site, c.used)
		if err != nil || !c.want(got) {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
	if p, err := freeRange("x", []taken{at("198.18.0.0/15")}); err == nil {
		t.Errorf("all taken, yet %s is free", p)
	}
}

func TestAskedRange(t *testing.T) {
	used := []taken{{netip.MustParsePrefix("192.168.0.0/16"), sim.T("the Docker network %s", "lan")}}
	for in, ok := range map[string]bool{
		"198.51.100.0/24": true, "198.51.100.7/24": true, "192.168.7.0/24": false, "198.51.100.0/25": false, "2001:db8::/24": false,
	} {
		got, err := askedRange(netip.MustParsePrefix(in), used)
		var f *sim.Failure
		if ok != (err == nil) || err != nil && (!errors.As(err, &f) || len(f.Next) == 0) {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}

func TestHostRoutes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "route")
	write(t, file, `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0101A8C0	0003	0	0	0	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
lsown	006433C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
tun0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
`)
	var got []string
	for _, r := range hostRoutes(file, map[string]bool{"lsown": true}) {
		got = append(got, r.Range.String()+" "+r.By.String())
	}
	want := []string{"192.168.1.0/24 the interface eth0", "10.0.0.0/8 the interface tun0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("routes (-want +got):\n%s", d)
	}
}

func TestJudge(t *testing.T) {
	good := system.Info{OSType: "linux", Architecture: "x86_64", ServerVersion: "20.10.24", SecurityOptions: []string{"name=seccomp,profile=default"}}
	with := func(f func(*system.Info)) system.Info {
		i := good
		f(&i)
		return i
	}
	local := endpoint{Host: "unix:///var/run/docker.sock"}
	for _, c := range []struct {
		name  string
		at    endpoint
		api   string
		info  system.Info
		fatal bool
	}{
		{"an engine here", local, "1.41", good, false},
		{"on a port of this machine", endpoint{Host: "tcp://127.0.0.1:2375"}, "1.41", good, false},
		{"on another machine", endpoint{Host: "ssh://me@far"}, "1.41", good, true},
		{"on another machine's port", endpoint{Host: "tcp://10.1.2.3:2376"}, "1.41", good, true},
		{"old", local, "1.40", good, true},
		{"rootless", local, "1.47", with(func(i *system.Info) { i.SecurityOptions = []string{"name=seccomp,profile=builtin", "name=rootless"} }), true},
		{"userns-remap", local, "1.47", with(func(i *system.Info) { i.SecurityOptions = []string{"name=userns"} }), true},
		{"no seccomp", local, "1.47", with(func(i *system.Info) { i.SecurityOptions = []string{"name=apparmor"} }), true},
		{"Windows containers", local, "1.47", with(func(i *system.Info) { i.OSType = "windows" }), true},
		{"another architecture", local, "1.47", with(func(i *system.Info) { i.Architecture = "riscv64" }), true},
	} {
		e := &Engine{at: c.at, ping: types.Ping{APIVersion: c.api}}
		f := e.judge(c.info)
		if f.Fatal != c.fatal || c.fatal != (f.Problem.Format != "") {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// A container that ends between list and inspect has the exit code of the inspect: why
// it ended decides what becomes of the instance.
func TestEndedMeanwhile(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/x/json") {
			io.WriteString(w, `{"Id":"x","State":{"Status":"exited","Running":false,"ExitCode":133}}`)
			return
		}
		io.WriteString(w, `[{"Id":"x","Names":["/x"],"State":"running","Status":"Up 1 second","Labels":{"`+sim.LabelKind+`":"instance"}}]`)
	}))
	defer s.Close()
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+s.Listener.Addr().String()), client.WithVersion(minAPI))
	if err != nil {
		t.Fatal(err)
	}
	e, found := &Engine{c: c, site: "one"}, map[string]engine.ObservedContainer{}
	if err := e.observeContainers(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	if x := found["x"]; x.Running || x.ExitCode != 133 {
		t.Errorf("running %v, exit code %d, want an end with 133", x.Running, x.ExitCode)
	}
}

func TestExitCode(t *testing.T) {
	for status, want := range map[string]int{
		"Exited (137) 3 minutes ago": 137, "Exited (0) Less than a second ago": 0, "Up 2 minutes": 0, "Created": 0,
	} {
		if got := exitCode(status); got != want {
			t.Errorf("%q: %d, want %d", status, got, want)
		}
	}
}

func TestBestRef(t *testing.T) {
	for _, c := range []struct {
		tags   []string
		latest bool
		want   string
	}{
		{[]string{"labsim/linux:0a1b", "labsim/linux:latest"}, true, "labsim/linux:latest"},
		{[]string{"labsim/linux:0a1b"}, true, ""},
		{[]string{"me/nginx:2", "me/nginx:1"}, false, "me/nginx:1"},
		{nil, false, ""},
		{[]string{"<none>:<none>"}, false, ""},
	} {
		if got := bestRef(c.tags, c.latest); got != c.want {
			t.Errorf("%v: %q, want %q", c.tags, got, c.want)
		}
	}
}

func TestEdgeRange(t *testing.T) {
	if got := edgeRange(sim.DefaultPublic).String(); got != "198.51.100.192/26" {
		t.Error(got)
	}
}
