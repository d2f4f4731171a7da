//go:build linux

package docker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
	"labsim/sim/agent/plugin"
	"labsim/sim/engine"
)

// The whole life of a site's box: up, up again, up of two at once, down.
func TestInstall(t *testing.T) {
	t.Parallel()
	e := realEngine(t, "install")
	ctx := t.Context()
	if _, err := e.Find(ctx); !errors.Is(err, ErrNotUp) {
		t.Fatalf("find before: %v, want ErrNotUp", err)
	}
	o := InstallOptions{Binary: labsimBinary(t)}
	first := install(t, e, o)
	if !first.Changed {
		t.Error("the first install had nothing to do")
	}
	again := install(t, e, o)
	if again.Changed || again.Port != first.Port || again.Token != first.Token || again.Public != first.Public {
		t.Errorf("the second install: %+v, the first: %+v", again, first)
	}
	found, err := e.Find(ctx)
	if err != nil || *found != *again {
		t.Errorf("find: %+v, %v, want %+v", found, err, again)
	}
	t.Run("repairs", func(t *testing.T) { testRepairs(t, e, o, first) })
	t.Run("options", func(t *testing.T) { testOptions(t, e, o, first) })
	t.Run("uninstall", func(t *testing.T) { testUninstall(t, e) })
}

func install(t *testing.T, e *Engine, o InstallOptions) *Control {
	t.Helper()
	begin := time.Now()
	c, err := e.Install(t.Context(), o)
	if err != nil {
		t.Fatalf("install: %v", err)
	}
	t.Logf("install: %v, changed: %v", time.Since(begin).Round(time.Millisecond), c.Changed)
	return c
}

// testRepairs breaks the box in every way that docker's commands offer.
func testRepairs(t *testing.T, e *Engine, o InstallOptions, want *Control) {
	ctx, name := t.Context(), e.site.Plugin()
	port := want.Port
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"agent disabled", func() error { return e.c.PluginDisable(ctx, name, types.PluginDisableOptions{Force: true}) }},
		{"agent removed", func() error { return e.removeAgent(ctx, name) }},
		{"control removed", func() error { return e.removeContainer(ctx, e.site.Control()) }},
		{"control killed", func() error { return e.c.ContainerKill(ctx, e.site.Control(), "KILL") }},
	} {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		got := install(t, e, o)
		if c.what == "control removed" { // with its port, which another test may have now
			port = got.Port
		}
		if got.Port != port || got.Token != want.Token {
			t.Errorf("%s: %+v, want port %d and the token of %+v", c.what, got, port, want)
		}
	}
}

// testOptions asks for what is taken and for what differs.
func testOptions(t *testing.T, e *Engine, o InstallOptions, first *Control) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var f *sim.Failure
	before, err := e.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o.Port = l.Addr().(*net.TCPAddr).Port
	if _, err := e.Install(t.Context(), o); !errors.As(err, &f) || len(f.Next) == 0 {
		t.Errorf("a port that is taken: %v, want a Failure with advice", err)
	}
	if c, err := e.Find(t.Context()); err != nil || c.Port != before.Port {
		t.Errorf("control after asking for a port that is taken: %+v, %v; want it where it was", c, err)
	}
	l.Close()
	if got := install(t, e, o); got.Port != o.Port || got.Token != first.Token {
		t.Errorf("a port that is free: %+v", got)
	}
	o.Port, o.PublicCIDR = 0, netip.MustParsePrefix("172.17.0.0/24")
	if _, err := e.Install(t.Context(), o); !errors.As(err, &f) || len(f.Next) == 0 {
		t.Errorf("a range that overlaps Docker's bridge: %v, want a Failure with advice", err)
	}
}

func testUninstall(t *testing.T, e *Engine) {
	begin := time.Now()
	done, err := e.Uninstall(t.Context(), UninstallOptions{Volumes: true})
	if err != nil || done.Nothing {
		t.Errorf("uninstall: %+v, %v", done, err)
	}
	t.Logf("uninstall: %v", time.Since(begin).Round(time.Millisecond))
	nothingLeft(t, e)
	if done, err = e.Uninstall(t.Context(), UninstallOptions{}); err != nil || !done.Nothing {
		t.Errorf("uninstall of nothing: %+v, %v", done, err)
	}
}

// nothingLeft fails if anything of the site stands.
func nothingLeft(t *testing.T, e *Engine) {
	t.Helper()
	u := &uninstall{e: e}
	if found, err := u.look(t.Context()); found || err != nil || len(u.uses) > 0 {
		t.Errorf("left: agent %v, containers %v, networks %v, %v", u.agent, u.uses, u.nets, err)
	}
}

// Two at once both end well, with one and the same box.
func TestInstallAtOnce(t *testing.T) {
	t.Parallel()
	e := realEngine(t, "twice")
	o := InstallOptions{Binary: labsimBinary(t)}
	var wg sync.WaitGroup
	got, errs := make([]*Control, 2), make([]error, 2)
	for i := range got {
		wg.Go(func() { got[i], errs[i] = e.Install(t.Context(), o) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got[0].Port != got[1].Port || got[0].Token != got[1].Token {
		t.Errorf("two boxes: %+v and %+v", got[0], got[1])
	}
}

// Of two sites that have chosen the same public range at the same time the one
// that was later gives way, and then finds another.
func TestClaim(t *testing.T) {
	t.Parallel()
	ctx, public := t.Context(), "198.19.255.0/24"
	engines, ids := []*Engine{realEngine(t, "first"), realEngine(t, "second")}, []string{"", ""}
	_, build := withImage(t, engines[0])
	withImage(t, engines[1])
	for i, e := range engines {
		if err := e.ensureNetwork(ctx, e.site.Control(), e.controlNetwork()); err != nil {
			t.Fatal(err)
		}
		cfg, host := e.controlContainer(controlSpec{Build: build, Port: apiPort + portTries + 1, Public: public, Socket: usualSocket})
		made, err := e.c.ContainerCreate(ctx, cfg, host, nil, nil, e.site.Control())
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = made.ID
	}
	if err := engines[0].claim(ctx, ids[0], public); err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := engines[1].claim(ctx, ids[1], public); !errors.Is(err, errRangeMet) {
		t.Errorf("the second: %v, want %v", err, errRangeMet)
	}
	p, err := engines[1].publicRange(ctx, netip.Prefix{}, "")
	if err != nil || p.Overlaps(netip.MustParsePrefix(public)) {
		t.Errorf("the second's next choice: %v, %v", p, err)
	}
}

// An install that is cut off anywhere is finished by the next one, or taken
// away by uninstall.
func TestInstallCutOff(t *testing.T) {
	t.Parallel()
	e := realEngine(t, "cut")
	o := InstallOptions{Binary: labsimBinary(t)}
	withImage(t, e)
	points := []time.Duration{300, 1200}
	if long {
		points = []time.Duration{20, 50, 100, 200, 300, 450, 600, 800, 1000, 1200, 1500, 2000, 2500}
	}
	for _, after := range points {
		ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
		_, err := e.Install(ctx, o)
		cancel()
		t.Logf("cut off after %d ms: %v", after, err)
	}
	install(t, e, o)
	testUninstall(t, e)
}

// An agent that was removed by hand, hangs or is disabled keeps nobody from
// uninstalling.
func TestUninstallWithoutAgent(t *testing.T) {
	t.Parallel()
	e := realEngine(t, "noagent")
	o := InstallOptions{Binary: labsimBinary(t)}
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"removed", func() error { return e.removeAgent(t.Context(), e.site.Plugin()) }},
		{"disabled", func() error {
			return e.c.PluginDisable(t.Context(), e.site.Plugin(), types.PluginDisableOptions{Force: true})
		}},
		{"hangs", func() error { return signalAgent(e.site, syscall.SIGSTOP) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.what == "disabled" && !long {
				t.Skip("with LABSIM_LONG=1")
			}
			install(t, e, o)
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
			testUninstall(t, e)
		})
	}
}

// signalAgent sends the agent's process a signal.
func signalAgent(site sim.Site, s syscall.Signal) error {
	pids := agents(site)
	if len(pids) == 0 {
		return errors.New("the agent's process was not found")
	}
	return syscall.Kill(pids[0], s)
}

// agents finds the site's agents by their environment.
func agents(site sim.Site) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		b, err := os.ReadFile(f)
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if err != nil || string(cmd) != "/labsim\x00agent\x00" || !strings.Contains(string(b), plugin.EnvSite+"="+string(site)+"\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Data of a volume outlives uninstall unless its end was asked for, and is told of.
func testKeepsVolumes(t *testing.T, e *Engine) {
	v := engine.Volume{Name: string(e.site) + "_data", Kind: engine.KindVolume, ID: "vol-0123456789abcdef0", Size: 1}
	if err := e.EnsureVolume(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	done, err := e.Uninstall(t.Context(), UninstallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []verbs.Volume{{ID: "vol-0123456789abcdef0", Name: "data", SizeGiB: 1}}
	if d := cmp.Diff(want, done.Kept); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	nothingLeft(t, e)
	if done, err = e.Uninstall(t.Context(), UninstallOptions{Volumes: true}); err != nil || len(done.Kept) != 0 {
		t.Errorf("with the volumes: %+v, %v", done, err)
	}
	if _, err := os.Stat(e.site.DataDir()); err == nil {
		t.Errorf("%s stands", e.site.DataDir())
	}
}
