//go:build linux

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"labsim/sim"
)

const dataVolume = "lab_data"

func needLoop(t *testing.T) {
	t.Helper()
	needRoot(t)
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must have loop devices: %v", err)
		}
		t.Skip("needs loop devices")
	}
}

// newVolumeNode is a node on which Docker knows the volume.
func newVolumeNode(t *testing.T, dir string) *node {
	needLoop(t)
	n := newNode(t, dir)
	n.set(labConfig(1))
	n.must("VolumeDriver.Create", object{"Name": dataVolume, "Opts": object{sim.OptVolume: volA}})
	return n
}

func (n *node) mount(user string) string {
	n.t.Helper()
	p, _ := n.must("VolumeDriver.Mount", object{"Name": dataVolume, "ID": user})["Mountpoint"].(string)
	return p
}

func (n *node) mountpoint() string {
	n.t.Helper()
	p, _ := n.must("VolumeDriver.Path", object{"Name": dataVolume})["Mountpoint"].(string)
	return p
}

func TestVolumeOfTwoContainers(t *testing.T) {
	dir := t.TempDir()
	n := newVolumeNode(t, dir)
	if p := n.mountpoint(); p != "" {
		t.Errorf("mounted at %q before anybody asked", p)
	}
	p := n.mount("one")
	if q := n.mount("two"); q != p {
		t.Errorf("the second container gets %q, the first %q", q, p)
	}
	if err := os.WriteFile(filepath.Join(p, "count"), []byte("7"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.must("VolumeDriver.Unmount", object{"Name": dataVolume, "ID": "one"})
	if n.mountpoint() != p {
		t.Fatal("the first container's end took the volume away from the second")
	}
	n.must("VolumeDriver.Unmount", object{"Name": dataVolume, "ID": "two"})
	if q := n.mountpoint(); q != "" {
		t.Errorf("still mounted at %q", q)
	}
	b, err := os.ReadFile(filepath.Join(n.mount("three"), "count"))
	if string(b) != "7" {
		t.Errorf("the next container reads %q (%v), want 7", b, err)
	}
	n.must("VolumeDriver.Remove", object{"Name": dataVolume}) // the engine forgot to unmount
	if !n.agent.volumes.Has(volA) || n.agent.volumes.Path(volA) != "" {
		t.Error("after Remove: want the data there and nothing mounted")
	}
	if l := n.must("VolumeDriver.List", object{})["Volumes"].([]any); len(l) != 0 {
		t.Errorf("Docker still sees %v", l)
	}
}

func TestMountsAfterRestart(t *testing.T) {
	for name, c := range map[string]struct {
		before func(n *node)
		want   bool // mounted afterwards
	}{
		"in use":                            {func(n *node) { n.mount("one") }, true},
		"killed between mount and record":   {func(n *node) { n.agent.volumes.Mount(volA) }, false},
		"machine rebooted":                  {func(n *node) { n.mount("one"); n.agent.volumes.Clear() }, false},
		"killed between record and unmount": {func(n *node) { n.mount("one"); n.agent.records.update(func(r *record) { r.unuse(dataVolume, "one") }) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			n := newVolumeNode(t, dir)
			c.before(n)
			n = newNode(t, dir)
			if got := n.mountpoint() != ""; got != c.want {
				t.Errorf("mounted: %v, want %v", got, c.want)
			}
			v, _ := n.agent.records.volume(dataVolume)
			if got := len(v.Users) > 0; got != c.want {
				t.Errorf("users %v, mounted %v", v.Users, c.want)
			}
			n.must("VolumeDriver.Unmount", object{"Name": dataVolume, "ID": "one"})
			if p := n.mountpoint(); p != "" {
				t.Errorf("after the last user mounted at %s", p)
			}
		})
	}
}

func TestVolumeWithoutData(t *testing.T) {
	n := newVolumeNode(t, t.TempDir())
	if err := n.agent.volumes.Purge(); err != nil {
		t.Fatal(err)
	}
	got, _ := n.call("VolumeDriver.Mount", object{"Name": dataVolume, "ID": "one"})["Err"].(string)
	if !strings.Contains(got, string(volA)+" has no data on this node") {
		t.Errorf("%q, want the volume named", got)
	}
}

func TestGuestVolume(t *testing.T) {
	needRoot(t)
	n := newNode(t, t.TempDir())
	n.must("VolumeDriver.Create", object{"Name": "guest", "Opts": object{sim.OptKind: "guest"}})
	ask := object{"Name": "guest", "ID": "one"}
	p, _ := n.must("VolumeDriver.Mount", ask)["Mountpoint"].(string)
	b, err := os.ReadFile(filepath.Join(p, "init"))
	if string(b) != "this build" {
		t.Errorf("PID 1 is %q (%v), want this build", b, err)
	}
	if fi, err := os.Stat(filepath.Join(p, "agent.sock")); err != nil || fi.Mode().Type() != os.ModeSocket {
		t.Errorf("no socket beside it: %v", err)
	}
	n.must("VolumeDriver.Unmount", ask)
	if got := n.must("VolumeDriver.Mount", ask)["Mountpoint"]; got != p {
		t.Errorf("second mount at %v, want %s", got, p)
	}
	if err := n.agent.leave(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(p, 0); err == nil {
		t.Error("the guest's files are still mounted after leave")
	}
	// An `up` after an uninstall that was cut off.
	n.must("VolumeDriver.Create", object{"Name": "guest", "Opts": object{sim.OptKind: "guest"}})
	n.must("VolumeDriver.Mount", ask)
	if _, err := os.Stat(filepath.Join(p, "init")); err != nil {
		t.Error(err)
	}
}

func TestInstallGuest(t *testing.T) {
	dir := t.TempDir()
	exe, target := filepath.Join(dir, "exe"), filepath.Join(dir, "guest", "init")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	install := func() os.FileInfo {
		t.Helper()
		if err := installGuest(exe, filepath.Join(dir, "guest")); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(target)
		if err != nil {
			t.Fatal(err)
		}
		return fi
	}
	long := strings.Repeat("build one ", 20_000)
	write(exe, long)
	first := install()
	if again := install(); !os.SameFile(first, again) {
		t.Error("the same build was laid out again: running guests share the file's memory")
	}
	write(exe, long[:len(long)-1]+"!")
	second := install()
	if os.SameFile(first, second) {
		t.Error("another build was written into the file that guests run")
	}
	if b, _ := os.ReadFile(target); string(b) != long[:len(long)-1]+"!" || second.Mode().Perm() != 0o755 {
		t.Errorf("%d bytes, mode %v", len(b), second.Mode())
	}
}
