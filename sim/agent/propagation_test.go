//go:build linux

package agent

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPropagates makes an engine's mount namespace with a shared directory, and
// one of an agent that is its peer, until somebody unmounts it.
func TestPropagates(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mount namespaces take root")
	}
	dir := t.TempDir()
	steps := func(list ...error) {
		t.Helper()
		for _, err := range list {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var e engine
	steps(onThread(func() (err error) {
		for _, f := range []func() error{
			func() error { return unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS) },
			func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
			func() error { return unix.Mount(dir, dir, "", unix.MS_BIND, "") },
			func() error { return unix.Mount("", dir, "", unix.MS_SHARED, "") },
			func() error { e.mnt, err = os.Open("/proc/thread-self/ns/mnt"); return err },
		} {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}))
	defer e.mnt.Close()
	steps(e.in(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := e.propagates(dir); err != nil {
			t.Errorf("as Docker makes it: %v", err)
		}
		if err := e.in(func() error { return unix.Unmount(dir, 0) }); err != nil {
			return err
		}
		if err := e.propagates(dir); err != errCutOff {
			t.Errorf("unmounted by the engine: %v, want %v", err, errCutOff)
		}
		if err := e.propagates("/proc"); err != errCutOff {
			t.Errorf("not shared: %v, want %v", err, errCutOff)
		}
		return nil
	}))
}
