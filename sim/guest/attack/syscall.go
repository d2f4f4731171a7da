//go:build linux

package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidden are ways into the kernel that are wider than a namespace: into the
// machine's hypervisor, its keys, other processes, or code that was not made
// for the hands of strangers. Each is called so that it succeeds, or fails for
// another reason than being forbidden, where nothing stands in its way.
var forbidden = []struct {
	name string
	call func() error
}{
	{"socket AF_VSOCK", func() error { return openSocket(unix.AF_VSOCK) }},
	{"socket AF_ALG", func() error { return openSocket(unix.AF_ALG) }},
	{"io_uring_setup", func() error { return plain(unix.SYS_IO_URING_SETUP, 1, 0, 0) }},
	{"io_uring_enter", func() error { return plain(unix.SYS_IO_URING_ENTER, ^uintptr(0), 0, 0) }},
	{"keyctl", func() error { return plain(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2), 0) }},
	{"add_key", func() error { return plain(unix.SYS_ADD_KEY, 0, 0, 0) }},
	{"bpf", func() error { return plain(unix.SYS_BPF, 0, 0, 0) }},
	{"userfaultfd", func() error { return plain(unix.SYS_USERFAULTFD, 0, 0, 0) }},
	{"perf_event_open", func() error { return plain(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0) }},
	{"unshare CLONE_NEWUSER", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	{"clone3 CLONE_NEWUSER", cloneUser},
	{"mount", func() error { return unix.Mount("none", "/mnt", "tmpfs", 0, "") }},
	{"fsopen", func() error { return plain(unix.SYS_FSOPEN, 0, 0, 0) }},
	{"open_by_handle_at", func() error { return plain(unix.SYS_OPEN_BY_HANDLE_AT, ^uintptr(0), 0, 0) }},
	{"mknod of a disk", func() error { return unix.Mknod("/tmp/disk", unix.S_IFBLK|0o600, 7<<8) }},
}

// callForbidden calls each of them and says how it ended.
func callForbidden([]string) error {
	for _, f := range forbidden {
		how := "done"
		if err := f.call(); err != nil {
			how = unix.ErrnoName(err.(unix.Errno))
		}
		fmt.Printf("%s: %s\n", f.name, how)
	}
	return nil
}

func openSocket(family int) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// plain calls with arguments that can do no harm where the call is let through.
func plain(number, a, b, c uintptr) error {
	if _, _, e := unix.RawSyscall(number, a, b, c); e != 0 {
		return e
	}
	return nil
}

// cloneUser asks for a user namespace by a structure that is too short, so that
// a kernel that looks at it makes no process.
func cloneUser() error {
	flags := uint64(unix.CLONE_NEWUSER)
	if _, _, e := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&flags)), unsafe.Sizeof(flags), 0); e != 0 {
		return e
	}
	return nil
}
