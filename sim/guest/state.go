package guest

import (
	"slices"
	"sync"

	"labsim/sim/agent/wire"
)

// stateBox holds what PID 1 says of its instance, and wakes who waits for it.
type stateBox struct {
	mu    sync.Mutex
	state wire.GuestState
	next  chan struct{}
}

func (b *stateBox) update(f func(*wire.GuestState)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state.HostKeys = slices.Clone(b.state.HostKeys)
	f(&b.state)
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// get returns the state, and a channel that is closed at the next change.
func (b *stateBox) get() (wire.GuestState, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.state, b.next
}
