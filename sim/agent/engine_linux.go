package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// engine is the machine as Docker sees it: the mount and network namespaces that
// the agent's parent, a process of the engine, runs in. Both are opened once, at
// the start: later, /proc/self may show a thread that has moved elsewhere.
type engine struct {
	mnt *os.File // nil: ours, in tests
	net *os.File
}

func openEngine() (*engine, error) {
	mnt, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()))
	if err != nil {
		return nil, err
	}
	ns, err := os.Open("/proc/self/ns/net") // the plugin's network is the engine's
	if err != nil {
		mnt.Close()
		return nil, err
	}
	return &engine{mnt, ns}, nil
}

// in runs f on a thread whose paths are the engine's.
func (e *engine) in(f func() error) error {
	if e.mnt == nil {
		return f()
	}
	return onThread(func() error {
		// The working directory and root become the thread's own: a thread that
		// shares them can't change its mount namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		if err := unix.Setns(int(e.mnt.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter the engine's mount namespace: %w", err)
		}
		return f()
	})
}

// netNS returns the engine's network namespace; the caller closes it.
func (e *engine) netNS() (netns.NsHandle, error) {
	fd, err := unix.FcntlInt(e.net.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return netns.NsHandle(fd), err
}

// makeDir makes a directory on the engine's machine.
func (e *engine) makeDir(path string) error {
	return e.in(func() error { return os.MkdirAll(path, 0o711) })
}

// emptyDir removes what is in a directory, but no mounted thing, and leaves the directory.
func (e *engine) emptyDir(path string) error {
	return e.in(func() error {
		entries, err := os.ReadDir(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		errs := []error{err}
		for _, x := range entries {
			errs = append(errs, os.RemoveAll(filepath.Join(path, x.Name())))
		}
		return errors.Join(errs...)
	})
}

// dialUnix connects to a socket on the engine's machine. A path through
// /proc/PID/root would be longer than a socket's address can be.
func (e *engine) dialUnix(path string) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	// Not blocking: a listener that hangs has a full queue, and says so.
	if err := e.in(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) }); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	return net.FileConn(f)
}

// watchDir returns a channel that gets a value when something in the directory
// is made or renamed. A directory that can't be watched gives none.
func (e *engine) watchDir(path string) (events <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return ch, func() {}
	}
	f := os.NewFile(uintptr(fd), "inotify")
	err = e.in(func() error {
		_, err := unix.InotifyAddWatch(fd, path, unix.IN_CREATE|unix.IN_MOVED_TO)
		return err
	})
	if err != nil {
		f.Close()
		return ch, func() {}
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := f.Read(buf); err != nil {
				return
			}
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}()
	return ch, func() { f.Close() }
}

// inode returns the inode of the namespace that a sandbox's path names on the
// engine's machine.
func (e *engine) inode(path string) (ino uint64, err error) {
	err = e.in(func() error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var fs unix.Statfs_t
		if err := unix.Fstatfs(fd, &fs); err != nil {
			return err
		}
		if fs.Type != unix.NSFS_MAGIC { // what is left when the namespace has gone
			return fmt.Errorf("%s is no namespace", path)
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		ino = st.Ino
		return err
	})
	return ino, err
}

// onThread runs f on a thread that is thrown away afterwards, so that f may
// leave it in any namespace.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// inNetNS runs f on a thread in that network namespace; sockets that f makes stay there.
func inNetNS(ns *os.File, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}
