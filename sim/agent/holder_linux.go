package agent

import (
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
)

// holder opens the network namespace of the guest that holds an interface, for the
// driver to put a lost link back there. It is the one that the instance's first process
// has shown, so that whoever starts in this moment, and whose interface Docker is about
// to move, is not meant; and it is the sandbox that Docker told last: an earlier run of
// the container had another.
func (a *Agent) holder(id sim.ENIID) (netns.NsHandle, bool) {
	eni, ok := a.held().eni(id)
	if !ok || eni.Instance == "" {
		return netns.None(), false
	}
	sandbox, ok := a.records.joined()[id]
	if !ok {
		return netns.None(), false
	}
	ns, err := a.namespace(eni.Instance)
	if err != nil {
		return netns.None(), false
	}
	defer ns.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &st); err != nil {
		return netns.None(), false
	}
	if ino, err := a.engine.inode(sandbox); err != nil || ino != st.Ino {
		return netns.None(), false
	}
	fd, err := unix.FcntlInt(ns.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return netns.NsHandle(fd), err == nil
}
