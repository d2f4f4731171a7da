package cli

import (
	"time"

	"golang.org/x/sys/unix"
)

// watchEnd watches another process, which is no child of ours. What it returns
// waits until that has ended, at most limit; gone tells where the kernel can't.
func watchEnd(pid int) (wait func(limit time.Duration, gone func() bool)) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil { // ended already, or a kernel before 5.3
		return poll
	}
	return func(limit time.Duration, _ func() bool) {
		defer unix.Close(fd)
		until := time.Now().Add(limit)
		for {
			left := max(time.Until(until), 0)
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
			if err != unix.EINTR || left == 0 {
				return
			}
		}
	}
}
