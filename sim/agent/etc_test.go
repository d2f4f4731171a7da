//go:build linux

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Each instance of the config has three small files, which stay as they are from
// config to config and from process to process, and go with the instance.
func TestEtcFiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root mounts")
	}
	run := t.TempDir()
	in := (&engine{}).in
	f := newEtcFiles(run, in)
	t.Cleanup(func() { f.set(hold(&dataplane.Config{})) })
	set := func(f *etcFiles, c *dataplane.Config) {
		t.Helper()
		if p := f.set(hold(c)); len(p) > 0 {
			t.Fatalf("problems: %+v", p)
		}
	}
	set(f, labConfig(1))
	hosts := filepath.Join(run, sim.EtcDir, string(iWeb), "hosts")
	if err := os.WriteFile(hosts, []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f = newEtcFiles(run, in) // as after a restart of the agent
	set(f, labConfig(2))
	set(f, labConfig(3))
	for _, id := range []sim.InstanceID{iWeb, iDB} {
		for _, name := range sim.EtcFiles {
			st, err := os.Stat(filepath.Join(run, sim.EtcDir, string(id), name))
			if err != nil || st.Mode() != 0o644 {
				t.Errorf("%s of %s: %v, %v", name, id, st, err)
			}
		}
	}
	if b, err := os.ReadFile(hosts); err != nil || string(b) != "mine\n" {
		t.Errorf("hosts: %q, %v", b, err)
	}
	if err := os.WriteFile(hosts, []byte(strings.Repeat("x", 1<<20)), 0o644); err == nil || !strings.Contains(err.Error(), unix.ENOSPC.Error()) {
		t.Errorf("a file of 1 MiB: %v, want no space", err)
	}

	c := labConfig(4)
	c.VPCs[0].ENIs = c.VPCs[0].ENIs[1:]
	set(f, c)
	left, err := os.ReadDir(filepath.Join(run, sim.EtcDir))
	if err != nil || len(left) != 1 || left[0].Name() != string(iDB) {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := unix.Unmount(filepath.Join(run, sim.EtcDir, string(iWeb)), 0); err == nil {
		t.Error("a mount of the instance that is gone was left")
	}
}
