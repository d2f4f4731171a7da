package standing

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// watch returns a channel that gets a value when something in the directory is
// removed or renamed, or the directory is; stop closes it.
func watch(dir string) (events <-chan struct{}, stop func(), err error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, nil, os.NewSyscallError("inotify_init1", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF); err != nil {
		f.Close()
		return nil, nil, os.NewSyscallError("inotify_add_watch", err)
	}
	ch := make(chan struct{}, 1)
	go func() {
		defer close(ch)
		for buf := make([]byte, 4096); ; {
			if _, err := f.Read(buf); err != nil {
				return
			}
			select {
			case ch <- struct{}{}:
			default: // one that waits tells the same
			}
		}
	}()
	return ch, sync.OnceFunc(func() { f.Close() }), nil
}
