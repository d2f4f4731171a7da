//go:build linux

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Pins keeps network namespaces alive under names.
type Pins interface {
	// Pin binds the namespace to the name. A name that is there is replaced.
	Pin(name string, ns netns.NsHandle) error
	// Open returns the namespace of that name, which the caller closes, or an
	// error that is fs.ErrNotExist.
	Open(name string) (netns.NsHandle, error)
	// Unpin forgets the name; one that isn't there is no error.
	Unpin(name string) error
	// List returns the names, sorted, those whose namespace is gone included.
	List() ([]string, error)
}

// NewDirPins returns Pins that are files in dir with the namespace mounted over
// them. in runs a function on a thread where dir means what is meant, in the
// mount namespace of the engine for instance, and where /proc shows this
// process; nil: right here.
func NewDirPins(dir string, in func(func() error) error) Pins {
	if in == nil {
		in = func(f func() error) error { return f() }
	}
	return dirPins{dir, in}
}

type dirPins struct {
	dir string
	in  func(func() error) error
}

func (p dirPins) Pin(name string, ns netns.NsHandle) error {
	// The thread that mounts may be in another mount namespace, but it shares our
	// table of files; "self" could name another process there.
	source := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(ns))
	path := filepath.Join(p.dir, name)
	return p.in(func() error {
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return err
		}
		if err := unmount(path); err != nil {
			return err
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("pin %s: %w", path, err)
		}
		return nil
	})
}

func (p dirPins) Open(name string) (netns.NsHandle, error) {
	ns := netns.None()
	err := p.in(func() error {
		path := filepath.Join(p.dir, name)
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		// A file without a mount is what a crash between the two leaves.
		if !isNamespace(fd) {
			unix.Close(fd)
			return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		ns = netns.NsHandle(fd)
		return nil
	})
	return ns, err
}

func (p dirPins) Unpin(name string) error {
	path := filepath.Join(p.dir, name)
	return p.in(func() error {
		if err := unmount(path); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func (p dirPins) List() ([]string, error) {
	var names []string
	err := p.in(func() error {
		entries, err := os.ReadDir(p.dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return err
	})
	sort.Strings(names)
	return names, err
}

func isNamespace(fd int) bool {
	var s unix.Statfs_t
	return unix.Fstatfs(fd, &s) == nil && s.Type == unix.NSFS_MAGIC
}

// unmount takes away whatever is mounted over path.
func unmount(path string) error {
	for {
		switch err := unix.Unmount(path, unix.MNT_DETACH); {
		case err == nil: // once more: there may be a mount below
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil
		default:
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
}
