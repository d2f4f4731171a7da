//go:build linux

package docker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types"

	"labsim/sim/agent/plugin"
)

// Who is killed while it has the hold, or before it starts it, keeps nobody out.
func TestHold(t *testing.T) {
	t.Parallel()
	e := realEngine(t, "hold")
	_, build := withImage(t, e)
	first, err := e.hold(t.Context(), imageOf(build))
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := e.hold(short, imageOf(build)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second hold: %v, want it to wait", err)
	}
	first() // closes the connection, as the end of the process does
	second, err := e.hold(t.Context(), imageOf(build))
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	second()
	if _, err := e.createOneshot(t.Context(), oneshot{Name: e.site.Enabling(), Image: imageOf(build), Args: []string{"ready"}}); err != nil {
		t.Fatal(err)
	}
	third, err := e.hold(t.Context(), imageOf(build))
	if err != nil {
		t.Fatalf("after one that was never started: %v", err)
	}
	third()
	if in, err := e.c.ContainerInspect(t.Context(), e.site.Enabling()); !notFound(err) {
		t.Errorf("left: %s, %v", in.Name, err)
	}
}

// A plugin whose process Docker has lost sight of is made anew, and that process ends.
func TestProcessLost(t *testing.T) {
	t.Parallel()
	e := realEngine(t, "lost")
	file, build := withImage(t, e)
	ensure := func() *types.Plugin {
		t.Helper()
		_, err := e.ensureAgent(t.Context(), fileBinary(file, build), func() (string, error) { return imageOf(build), nil })
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := e.c.PluginInspectWithRaw(t.Context(), e.site.Plugin())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := ensure()
	e.loseProcess(t, before.ID)
	if after := ensure(); !after.Enabled || after.ID == before.ID {
		t.Errorf("the plugin: %s, enabled: %v; want another than %s, enabled", after.ID, after.Enabled, before.ID)
	}
	e.awaitAgents(t, 1)
	t.Run("Keep agent", func(t *testing.T) { testKeepAgent(t, e, file, build) })
}

// testKeepAgent has control put the agent back, whatever became of it, and leave
// that of another build alone.
func testKeepAgent(t *testing.T, e *Engine, file, build string) {
	ctx, name := t.Context(), e.site.Plugin()
	disable := func() error { return e.c.PluginDisable(ctx, name, types.PluginDisableOptions{Force: true}) }
	for _, c := range []struct {
		what    string
		do      func() error
		build   string
		enabled bool
		slow    bool
	}{
		{"well", func() error { return nil }, build, true, false},
		{"removed", func() error { return e.removeAgent(ctx, name) }, build, true, false},
		{"hangs", func() error { return signalAgent(e.site, syscall.SIGSTOP) }, build, true, true},
		{"another build's", disable, "another", false, false},
		{"disabled", func() error { return nil }, build, true, false},
	} {
		if c.slow && !long {
			continue
		}
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if err := e.KeepAgent(ctx, file, c.build); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		p, _, err := e.c.PluginInspectWithRaw(ctx, name)
		if err != nil || p.Enabled != c.enabled || c.enabled && !e.agentAnswers(ctx) {
			t.Errorf("%s: %v, and enabled or answering is not %v", c.what, err, c.enabled)
		}
	}
}

// awaitAgents waits for a number of agents; nothing tells when a process has ended.
func (e *Engine) awaitAgents(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(agents(e.site)) != n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the agents are the processes %v, want %d", agents(e.site), n)
		}
	}
}

// loseProcess disables the plugin, and starts its process again without Docker.
func (e *Engine) loseProcess(t *testing.T, id string) {
	t.Helper()
	ctr := func(args ...string) []byte {
		var file string
		for _, f := range []string{"/run/containerd/containerd.sock", "/run/docker/containerd/containerd.sock"} {
			if _, err := os.Stat(f); err == nil {
				file = f
			}
		}
		out, err := exec.Command("ctr", append([]string{"-a", file, "-n", "plugins.moby"}, args...)...).Output()
		if err != nil {
			t.Skipf("the engine's containerd is not on this machine: ctr %v: %v: %s", args, err, err.(*exec.ExitError).Stderr)
		}
		return out
	}
	spec := filepath.Join(t.TempDir(), "spec.json")
	if err := os.WriteFile(spec, ctr("container", "info", "--spec", id), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.c.PluginDisable(t.Context(), id, types.PluginDisableOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	e.awaitAgents(t, 0)
	socket := filepath.Join(plugin.SocketDir, id) // which the engine makes at each start
	if err := os.MkdirAll(socket, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socket) })
	ctr("run", "-d", "--null-io", "--config", spec, id) // the engine removes it when it has ended
	e.awaitAgents(t, 1)
}
