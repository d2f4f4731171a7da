package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// etcFiles are each instance's /etc/hosts, hostname and resolv.conf. Docker's own
// lie on the engine's disk, beside the instance's root, and root of the instance
// may write to them without end. So each instance gets three in a small memory disk
// of its own, which can be edited as ever, and which count to its memory. They
// stand from the config that brings the instance to the one without it: Docker
// looks for them at each start.
type etcFiles struct {
	dir string                   // on the engine's machine
	in  func(func() error) error // runs a function where dir is

	mu   sync.Mutex
	made map[sim.InstanceID]bool // nil: not looked yet
}

// etcOptions bound an instance's disk, far above what such files have.
const etcOptions = "size=256k,nr_inodes=8,mode=755"

func newEtcFiles(runDir string, in func(func() error) error) *etcFiles {
	return &etcFiles{dir: filepath.Join(runDir, sim.EtcDir), in: in}
}

// set makes what is missing and removes what is too much. Only a change of
// instances costs anything.
func (f *etcFiles) set(h *heldConfig) (problems []dataplane.Problem) {
	want := map[sim.InstanceID]bool{}
	for _, e := range h.enis {
		if e.Instance != "" {
			want[e.Instance] = true
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made != nil && maps.Equal(f.made, want) {
		return nil
	}
	failed := map[sim.InstanceID]error{}
	err := f.in(func() error {
		for id := range want {
			if err := f.ensure(id); err != nil {
				failed[id] = err
			}
		}
		return f.removeOthers(want)
	})
	for id, err := range failed {
		delete(want, id) // the next config tries again
		problems = append(problems, dataplane.Problem{Resource: string(id), Message: err.Error()})
	}
	if err != nil {
		problems = append(problems, dataplane.Problem{Message: err.Error()})
	}
	f.made = want
	return problems
}

func (f *etcFiles) ensure(id sim.InstanceID) error {
	if f.made[id] {
		return nil
	}
	dir := filepath.Join(f.dir, string(id))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if mounted, err := isMountPoint(dir); err != nil {
		return err
	} else if !mounted {
		if err := unix.Mount("labsim", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, etcOptions); err != nil {
			return fmt.Errorf("mount the disk of the instance's files in /etc: %w", err)
		}
	}
	for _, name := range sim.EtcFiles {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDONLY, 0o644)
		if err != nil {
			return err
		}
		err = errors.Join(file.Chmod(0o644), file.Close()) // whatever the umask
		if err != nil {
			return err
		}
	}
	return nil
}

// removeOthers removes what stands for none of want, whoever made it.
func (f *etcFiles) removeOthers(want map[sim.InstanceID]bool) error {
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, x := range entries {
		if want[sim.InstanceID(x.Name())] {
			continue
		}
		dir := filepath.Join(f.dir, x.Name())
		if err := unix.Unmount(dir, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH); err != nil && err != unix.EINVAL {
			errs = append(errs, fmt.Errorf("unmount %s: %w", dir, err))
		}
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// isMountPoint reports whether something is mounted on a directory.
func isMountPoint(dir string) (bool, error) {
	var at, above unix.Stat_t
	if err := unix.Stat(dir, &at); err != nil {
		return false, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if err := unix.Stat(filepath.Dir(dir), &above); err != nil {
		return false, &fs.PathError{Op: "stat", Path: filepath.Dir(dir), Err: err}
	}
	return at.Dev != above.Dev, nil
}
