package agent

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a guest's connection.
type peer struct {
	pid       int
	container string   // the engine's id of its container
	net       *os.File // its network namespace
	netInode  uint64
}

func (p *peer) close() { p.net.Close() }

// identify finds out who dialled. Anything in a guest can reach the socket: only
// the first process of a container is heard. The kernel vouches for the process
// id; that it still means the same process is checked at the end, by a pidfd
// where the kernel has one for the peer, else by the start time.
func identify(c syscall.Conn) (*peer, error) {
	pid, pidfd, err := peerOf(c)
	if err != nil {
		return nil, err
	}
	if pidfd >= 0 {
		defer unix.Close(pidfd)
	}
	began, err := startTime(pid)
	if err != nil {
		return nil, err
	}
	p := &peer{pid: pid}
	if err := firstProcess(pid); err != nil {
		return nil, err
	}
	cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, err
	}
	if p.container = containerID(string(cgroups)); p.container == "" {
		return nil, fmt.Errorf("process %d is in no container", pid)
	}
	if p.net, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(p.net.Fd()), &st); err != nil {
		p.close()
		return nil, err
	}
	p.netInode = st.Ino
	if err := sameProcess(pid, pidfd, began); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// peerNetwork names the network namespace that a connection comes from, as fast as
// that can be said: it is for counting, and a flood is counted one by one. A guest
// has one, and may not make another. identify proves whose it is.
func peerNetwork(c syscall.Conn) (string, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, credErr); err != nil {
		return "", err
	}
	return os.Readlink(fmt.Sprintf("/proc/%d/ns/net", cred.Pid))
}

// peerOf returns the peer's process id and, on Linux 6.5 and later, a pidfd; -1 otherwise.
func peerOf(c syscall.Conn) (pid, pidfd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, -1, err
	}
	pidfd = -1
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); err == nil {
			pidfd = n
		}
	})
	if err = errors.Join(err, credErr); err != nil {
		if pidfd >= 0 {
			unix.Close(pidfd)
		}
		return 0, -1, err
	}
	return int(cred.Pid), pidfd, nil
}

func sameProcess(pid, pidfd int, began string) error {
	if pidfd >= 0 {
		if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err != nil {
			return fmt.Errorf("process %d has ended: %w", pid, err)
		}
	}
	again, err := startTime(pid)
	if err != nil {
		return err
	}
	if again != began {
		return fmt.Errorf("process %d is another one now", pid)
	}
	return nil
}

// startTime is the 22nd field of /proc/PID/stat; the second one, the name, may
// hold anything, so it counts from the last parenthesis.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	field := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(field) < 20 {
		return "", fmt.Errorf("process %d: no start time", pid)
	}
	return field[19], nil
}

// firstProcess says why pid is not the first process of a namespace below ours.
func firstProcess(pid int) error {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		ids, ok := strings.CutPrefix(line, "NSpid:")
		if !ok {
			continue
		}
		field := strings.Fields(ids)
		if len(field) < 2 || field[len(field)-1] != "1" {
			return fmt.Errorf("process %d is not the first of its container", pid)
		}
		return nil
	}
	return fmt.Errorf("process %d: the kernel doesn't tell its place in its namespace", pid)
}

// containerID finds a container's id, 64 hexadecimal digits, in /proc/PID/cgroup:
// "5:cpu:/docker/ID" and "0::/system.slice/docker-ID.scope" are two of its forms.
func containerID(cgroups string) string {
	for line := range strings.Lines(cgroups) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		elements := strings.Split(part[2], "/")
		for i := len(elements) - 1; i >= 0; i-- {
			name := strings.TrimSuffix(elements[i], ".scope")
			if n := strings.LastIndexByte(name, '-'); n >= 0 {
				name = name[n+1:]
			}
			if len(name) == 64 && strings.Trim(name, "0123456789abcdef") == "" {
				return name
			}
		}
	}
	return ""
}
