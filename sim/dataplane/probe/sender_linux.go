package probe

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/world"
)

// dropRouter counts what a router doesn't answer, an echo request for instance.
const dropRouter = "drop:router"

// A sender sends packets on a machine, one after the other, and sees what comes of them.
type sender struct {
	*machine
	token uint16
	under map[uint16]expected // who should receive what was sent since the last look
	late  []string            // what arrived later, and should not have
	// patience is how long what must happen is waited for.
	patience time.Duration
	base     map[sim.VPCID]map[string]uint64
}

// settle is called after each change of the machine: what is sent from now on is new.
func (s *sender) settle() (err error) {
	s.under = map[uint16]expected{}
	s.base, err = s.counters()
	return err
}

// send sends a packet and returns what came of it. It waits for nothing but what is
// expected, and no longer when something else has happened.
func (s *sender) send(w *world.State, p packet) (got seen, err error) {
	if s.token++; s.token < firstToken || s.token > lastToken {
		s.token = firstToken
	}
	e := p.expected(w)
	s.under[s.token] = e
	var f *flight
	from := s.engine
	eni, inside := w.PrimaryENI(p.from)
	if inside {
		from = s.guests[eni.ID].space
	}
	err = from.do(func() (err error) {
		to := netip.AddrPortFrom(p.to, uint16(p.query.Port))
		if p.as.IsValid() {
			f, err = forge(p.as, to, s.token)
		} else {
			f, err = fly(p.query.Protocol, to, s.token)
		}
		return err
	})
	if err != nil {
		return got, fmt.Errorf("send: %w", err)
	}
	defer f.land()
	for end := time.Now().Add(s.patience); ; s.wait(f) {
		if err := s.look(f, &got); err != nil {
			return got, err
		}
		if d := e.compare(got); len(d.lost) == 0 || len(d.leaked) > 0 || time.Now().After(end) {
			break
		}
	}
	if !inside {
		return got, s.rebase()
	}
	return got, s.fence(f, s.guests[eni.ID], &got)
}

// look adds to got what has happened since.
func (s *sender) look(f *flight, got *seen) error {
	for _, e := range s.routers {
		e.serve()
	}
	for who, e := range s.ears {
		for _, h := range e.heard() {
			s.hear(f.token, who, h, got)
		}
		e.serve()
	}
	if !got.answered && !f.ended {
		var err error
		if got.answered, err = f.answered(); err != nil {
			got.err, f.ended = err.Error(), true
		}
	}
	now, err := s.counters()
	if err != nil {
		return err
	}
	got.raised = raised(s.base, now)
	return nil
}

func (s *sender) hear(token uint16, who string, h heard, got *seen) {
	a := arrival{who, h.src}
	switch e, sent := s.under[h.token]; {
	case who == atMachine && h.dst != sim.AddrAt(public, 1) && h.dst != machineAddr:
		// It passes by.
	case h.token == token:
		got.arrivals = append(got.arrivals, a)
	case !sent || e.at != who:
		s.late = append(s.late, a.String())
	}
}

// raised returns the counters that are higher than before, of all VPCs.
func raised(before, now map[sim.VPCID]map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for v, counters := range now {
		for id, n := range counters {
			if n > before[v][id] {
				out[id] += n - before[v][id]
			}
		}
	}
	return out
}

var errUnfenced = errors.New("what was sent after it, to the router itself, should have been counted as dropped")

// fence has the router of a guest drop one more packet, and count it: what the guest
// sent before has then met its fate there. Links keep the order.
func (s *sender) fence(f *flight, g guest, got *seen) error {
	before, err := s.counters()
	if err != nil {
		return err
	}
	err = g.do(func() error {
		last, err := fly(sim.ProtocolICMP, netip.AddrPortFrom(g.router, 0), fenceToken)
		if err == nil {
			last.land()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("send after it: %w", err)
	}
	for end := time.Now().Add(s.patience); ; {
		now, err := s.counters()
		if err != nil {
			return err
		}
		if now[g.vpc][dropRouter] > before[g.vpc][dropRouter] {
			break
		}
		if time.Now().After(end) {
			return errUnfenced
		}
		s.wait(f)
	}
	s.base[g.vpc][dropRouter]++
	if err := s.look(f, got); err != nil {
		return err
	}
	return s.rebase()
}

// rebase begins to count anew.
func (s *sender) rebase() (err error) {
	s.base, err = s.counters()
	return err
}

// wait returns when something comes in, or after a moment: counters tell nobody.
func (s *sender) wait(f *flight) {
	fds := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
	switch {
	case f.ended:
		fds = nil // it would be readable for ever
	case f.proto == sim.ProtocolTCP:
		fds[0].Events = unix.POLLOUT
	}
	for _, e := range s.allEars() {
		for _, fd := range e.fds() {
			fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
	}
	_, _ = unix.Poll(fds, 2) // whatever it says, the next look shows
}

func (s *sender) allEars() []*ears {
	all := append([]*ears{}, s.routers...)
	for e := range maps.Values(s.ears) {
		all = append(all, e)
	}
	return all
}
