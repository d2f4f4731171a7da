package probe

import (
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A space is a network namespace with a thread of its own in it. The thread stands
// for the process that a container would have there.
type space struct {
	tid    int
	jobs   chan func()
	handle *netlink.Handle
}

func newSpace() (*space, error) {
	s := &space{jobs: make(chan func())}
	ready := make(chan error)
	go s.live(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	err := s.do(func() (err error) {
		if s.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return err
		}
		return s.up("lo")
	})
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// live is the thread's life. It ends with its goroutine, as it is never unlocked.
func (s *space) live(ready chan<- error) {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		ready <- fmt.Errorf("make network namespace: %w", err)
		return
	}
	s.tid = unix.Gettid()
	ready <- nil
	for f := range s.jobs {
		f()
	}
}

// do runs f in the namespace; sockets that it opens stay there.
func (s *space) do(f func() error) error {
	done := make(chan error, 1)
	s.jobs <- func() { done <- f() }
	return <-done
}

// close ends the thread; the namespace goes with the last socket in it.
func (s *space) close() {
	if s.handle != nil {
		s.handle.Close()
	}
	close(s.jobs)
}

func (s *space) open() (netns.NsHandle, error) {
	return netns.GetFromPath(fmt.Sprintf("/proc/self/task/%d/ns/net", s.tid))
}

// set writes settings: a path below /proc/sys/net and its value. A new namespace
// takes some of the host's.
func (s *space) set(settings ...[2]string) error {
	return s.do(func() error {
		for _, x := range settings {
			if err := os.WriteFile("/proc/sys/net/"+x[0], []byte(x[1]), 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// up sets a link up, with addresses if there are some.
func (s *space) up(link string, addrs ...string) error {
	l, err := s.handle.LinkByName(link)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		if err := s.handle.AddrAdd(l, addr); err != nil {
			return fmt.Errorf("add %s to %s: %w", a, link, err)
		}
	}
	return s.handle.LinkSetUp(l)
}

// pair makes a link with its other end, eth0, in another space.
func (s *space) pair(link string, other *space, bridge string) error {
	a := netlink.NewLinkAttrs()
	a.Name = link
	if bridge != "" {
		b, err := s.handle.LinkByName(bridge)
		if err != nil {
			return err
		}
		a.MasterIndex = b.Attrs().Index
	}
	if err := s.handle.LinkAdd(&netlink.Veth{LinkAttrs: a, PeerName: "eth0", PeerNamespace: netlink.NsPid(other.tid)}); err != nil {
		return fmt.Errorf("make link %s: %w", link, err)
	}
	return nil
}
