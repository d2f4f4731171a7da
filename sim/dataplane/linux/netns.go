//go:build linux

package linux

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

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

// inNS runs f on a thread in the namespace. Sockets that f opens stay there.
func inNS(ns netns.NsHandle, f func() error) error {
	return onThread(func() error {
		if err := netns.Set(ns); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// newNS makes an empty network namespace, which the caller closes or pins.
func newNS() (netns.NsHandle, error) {
	ns := netns.None()
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make network namespace: %w", err)
		}
		var err error
		ns, err = netns.Get()
		return err
	})
	return ns, err
}

// sameNS reports whether both handles are of one namespace.
func sameNS(a, b netns.NsHandle) bool { return a.Equal(b) }

// A sysctl is a path below /proc/sys and its value.
type sysctl struct{ path, value string }

// setSysctls writes those values that differ, in order, and returns how many it
// wrote. IPv6 settings are left out where the kernel has no IPv6.
func setSysctls(ns netns.NsHandle, settings ...sysctl) (wrote int, err error) {
	err = eachSysctl(ns, settings, func(s sysctl, f *os.File, now string) error {
		if now == s.value {
			return nil
		}
		wrote++
		_, err := f.WriteAt([]byte(s.value), 0)
		return err
	})
	return wrote, err
}

// sysctlDiff returns the settings that have another value, which it puts in.
func sysctlDiff(ns netns.NsHandle, settings ...sysctl) (other []sysctl, err error) {
	err = eachSysctl(ns, settings, func(s sysctl, _ *os.File, now string) error {
		if now != s.value {
			other = append(other, sysctl{s.path, now})
		}
		return nil
	})
	return other, err
}

// eachSysctl calls do with each setting's file and the value that it has.
func eachSysctl(ns netns.NsHandle, settings []sysctl, do func(s sysctl, f *os.File, now string) error) error {
	proc, err := procFS()
	if err != nil {
		return err
	}
	return inNS(ns, func() error {
		for _, s := range settings {
			err := withSysctl(proc, s, do)
			if errors.Is(err, unix.ENOENT) && strings.HasPrefix(s.path, "net/ipv6/") {
				continue
			}
			if err != nil {
				return fmt.Errorf("sysctl %s=%s: %w", s.path, s.value, err)
			}
		}
		return nil
	})
}

func withSysctl(proc int, s sysctl, do func(s sysctl, f *os.File, now string) error) error {
	fd, err := unix.Openat(proc, "sys/"+s.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), s.path)
	defer f.Close()
	now, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	return do(s, f, strings.TrimSpace(string(now)))
}

// procFS returns a procfs of our own that is mounted nowhere: in a container,
// and the agent is one, /proc/sys is read-only. Where the kernel refuses, the
// usual one has to do.
var procFS = sync.OnceValues(func() (int, error) {
	if fd, err := mountProc(); err == nil {
		return fd, nil
	}
	fd, err := unix.Open("/proc", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /proc: %w", err)
	}
	return fd, nil
})

func mountProc() (int, error) {
	ctx, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, err
	}
	return unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
}
