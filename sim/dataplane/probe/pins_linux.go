package probe

import (
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim/dataplane/linux"
)

// pins keep the routers in memory: they end with this process, however it ends.
type pins struct {
	mu  sync.Mutex
	all map[string]netns.NsHandle
}

var _ linux.Pins = (*pins)(nil)

func dup(ns netns.NsHandle) (netns.NsHandle, error) {
	fd, err := unix.FcntlInt(uintptr(ns), unix.F_DUPFD_CLOEXEC, 0)
	return netns.NsHandle(fd), err
}

// Pin implements linux.Pins.
func (p *pins) Pin(name string, ns netns.NsHandle) error {
	own, err := dup(ns)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.all[name]; ok {
		old.Close()
	}
	p.all[name] = own
	return nil
}

// Open implements linux.Pins.
func (p *pins) Open(name string) (netns.NsHandle, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ns, ok := p.all[name]
	if !ok {
		return netns.None(), &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return dup(ns)
}

// Unpin implements linux.Pins.
func (p *pins) Unpin(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ns, ok := p.all[name]; ok {
		ns.Close()
		delete(p.all, name)
	}
	return nil
}

// List implements linux.Pins.
func (p *pins) List() ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.all)), nil
}
