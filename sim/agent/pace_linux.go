package agent

import (
	"context"
	"io"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"labsim/sim"
	"labsim/sim/agent/wire"
)

// How often a guest is heard. What an instance has to say in its life, it may say
// at once: its keys, that it is ready, that it ends, and that again after a reboot.
const (
	guestRate  = rate.Limit(1) // states passed on, and connections taken, in a second
	guestBurst = 8
	// guestBytes is how much of a guest's events is read in a second: enough for
	// more than a thousand states, of which the newest counts.
	guestBytes = 256 << 10
)

// pacedReader reads as many bytes in a second as its pace allows. The writer waits.
type pacedReader struct {
	io.Reader
	pace *rate.Limiter
}

func newPacedReader(r io.Reader) pacedReader {
	return pacedReader{r, rate.NewLimiter(guestBytes, guestBytes)}
}

func (r pacedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), guestBytes)])
	if wait := r.pace.WaitN(context.Background(), n); wait != nil {
		return 0, wait
	}
	return n, err
}

// pace is how often one instance has been heard of late.
type pace struct{ states, connects *rate.Limiter }

// paceOf finds an instance's pace, and forgets those of instances that are no more.
func (g *guests) paceOf(id sim.InstanceID) *pace {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.paces[id]; ok {
		return p
	}
	if held := g.a.held(); len(g.paces) > len(held.enis) {
		maps.DeleteFunc(g.paces, func(known sim.InstanceID, _ *pace) bool { return !held.hasInstance(known) })
	}
	p := &pace{rate.NewLimiter(guestRate, guestBurst), rate.NewLimiter(guestRate, guestBurst)}
	g.paces[id] = p
	return p
}

// heard is what a guest has said of itself: the newest, and the last of it that was
// passed on. All goes on at once while the guest's pace allows; of what comes
// faster only the newest, when its time has come.
type heard struct {
	pace *rate.Limiter
	tell func() // that there is something new

	mu      sync.Mutex
	newest  wire.GuestState
	passed  wire.GuestState
	waiting bool // for its time
}

// says takes what the guest has just said.
func (h *heard) says(s wire.GuestState) {
	h.mu.Lock()
	h.newest = s
	if h.waiting {
		h.mu.Unlock()
		return
	}
	wait := h.pace.Reserve().Delay()
	h.waiting = wait > 0
	h.mu.Unlock()
	if wait > 0 {
		time.AfterFunc(wait, h.pass)
		return
	}
	h.pass()
}

func (h *heard) pass() {
	h.mu.Lock()
	h.passed, h.waiting = h.newest, false
	h.mu.Unlock()
	h.tell()
}

// told returns what has been passed on.
func (h *heard) told() wire.GuestState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.passed
}
