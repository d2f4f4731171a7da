package ebs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	loopMajor    = 7
	loopControl  = 0xed // minor of /dev/loop-control, major 10
	loopTries    = 20
	loopCtlFree  = 0x4c82 // LOOP_CTL_GET_FREE
	loopNodeMode = unix.S_IFBLK | 0o600
)

// loop is an open loop device. It is cleared by the kernel when the last one
// that has it open, or mounted, lets go of it: nothing is left by a crash.
type loop struct {
	minor int
	fd    int
}

func (l *loop) close() { unix.Close(l.fd) }

func (l *loop) path() string { return loopPath(l.minor) }

// attach gives img a loop device, or opens the one that it has: two devices on
// one file would be two page caches, and end a mounted file system.
func attach(img *os.File, label string) (*loop, error) {
	if l, err := findLoop(img); l != nil || err != nil {
		return l, err
	}
	ctl, err := openControl()
	if err != nil {
		return nil, err
	}
	defer unix.Close(ctl)
	for range loopTries {
		n, err := ioctl(ctl, loopCtlFree, 0)
		if err != nil {
			return nil, fmt.Errorf("no free loop device: %w", err)
		}
		l, err := openLoop(n)
		if err != nil {
			return nil, err
		}
		var cfg unix.LoopConfig
		cfg.Fd = uint32(img.Fd())
		cfg.Info.Flags = unix.LO_FLAGS_DIRECT_IO | unix.LO_FLAGS_AUTOCLEAR
		copy(cfg.Info.File_name[:len(cfg.Info.File_name)-1], label)
		_, err = ioctl(l.fd, unix.LOOP_CONFIGURE, uintptr(unsafe.Pointer(&cfg)))
		if err == nil {
			return l, nil
		}
		l.close()
		if !errors.Is(err, unix.EBUSY) { // somebody else took that number
			return nil, fmt.Errorf("attach a loop device: %w", err)
		}
	}
	return nil, errors.New("attach a loop device: others take every free one")
}

// findLoop returns the device that has img as its file, by inode: the name that
// the kernel shows depends on the mount namespace that it was attached in.
func findLoop(img *os.File) (*loop, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(img.Fd()), &st); err != nil {
		return nil, err
	}
	bound, err := filepath.Glob("/sys/block/loop*/loop")
	if err != nil {
		return nil, err
	}
	for _, p := range bound {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(filepath.Dir(p)), "loop"))
		if err != nil {
			continue
		}
		l, err := openLoop(n)
		if err != nil {
			continue // went away meanwhile
		}
		var info unix.LoopInfo64
		_, err = ioctl(l.fd, unix.LOOP_GET_STATUS64, uintptr(unsafe.Pointer(&info)))
		if err == nil && info.Inode == st.Ino && info.Device == st.Dev {
			return l, nil
		}
		l.close()
	}
	return nil, nil
}

// detach clears a device that nobody has mounted. One that is still mounted
// somewhere is cleared with that mount.
func detach(img *os.File) error {
	l, err := findLoop(img)
	if l == nil {
		return err
	}
	defer l.close()
	if _, err := ioctl(l.fd, unix.LOOP_CLR_FD, 0); err != nil && !errors.Is(err, unix.ENXIO) {
		return err
	}
	return nil
}

func openControl() (int, error) {
	const path = "/dev/loop-control"
	if err := node(path, unix.S_IFCHR|0o600, unix.Mkdev(10, loopControl)); err != nil {
		return -1, err
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}

func openLoop(minor int) (*loop, error) {
	path := loopPath(minor)
	if err := node(path, loopNodeMode, unix.Mkdev(loopMajor, uint32(minor))); err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &loop{minor: minor, fd: fd}, nil
}

// node makes a device node where there is none: a container's /dev has no loops.
func node(path string, mode uint32, dev uint64) error {
	if err := unix.Mknod(path, mode, int(dev)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("mknod %s: %w", path, err)
	}
	return nil
}

func loopPath(minor int) string { return "/dev/loop" + strconv.Itoa(minor) }

func ioctl(fd int, req uint, arg uintptr) (int, error) {
	n, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), arg)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
