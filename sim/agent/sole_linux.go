package agent

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// elderEnds is how long a killed process may take to end.
const elderEnds = 5 * time.Second

// sole makes this process the site's only agent, until it ends: it kills an elder
// one. Docker ends an agent's process before it starts another, but for one that
// it has lost sight of, which would answer control and program the kernel beside
// the new one. Killing an agent is no harm: packets don't need it.
//
// The lock is POSIX's, as it tells who has it; it is lost when any descriptor
// of the file is closed, so nobody else may open it.
func sole(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			break
		}
		if err = endElder(f); err != nil {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("another agent of the site: %w", err)
	}
	return f, nil
}

// endElder kills the process that has the lock, and returns when it has ended.
func endElder(f *os.File) error {
	pid, err := lockedBy(f)
	if pid == 0 || err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	// The number may have gone to another process before the descriptor stood.
	if again, err := lockedBy(f); again != pid || err != nil {
		return err
	}
	log.Printf("ending process %d, an agent that the engine has lost", pid)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return awaitEnd(fd, pid)
}

// lockedBy returns the process that has the lock; 0: none.
func lockedBy(f *os.File) (int, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &l); err != nil {
		return 0, err
	}
	switch {
	case l.Type == unix.F_UNLCK:
		return 0, nil
	case l.Pid <= 0:
		return 0, errors.New("it can't be seen from here")
	}
	return int(l.Pid), nil
}

func awaitEnd(pidfd, pid int) error {
	for end := time.Now().Add(elderEnds); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(time.Until(end).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("process %d does not end", pid)
		default:
			return nil
		}
	}
}
