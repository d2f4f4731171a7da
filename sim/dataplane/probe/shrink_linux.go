package probe

import (
	"errors"
	"slices"
	"strings"
	"time"

	"labsim/sim/world/worldtest"
)

// Shrinking takes no longer, and waits no longer for a packet that is lost.
const (
	shrinkTime     = 15 * time.Second
	shrinkPatience = 300 * time.Millisecond
)

// shrink takes out of a disagreement's world what it doesn't need, some lines at a
// time. Where the world alone doesn't show it on a fresh machine it stays as it is.
func (s *sender) shrink(d *Disagreement) error {
	patience := s.patience
	defer func() { s.patience = patience }()
	s.patience = shrinkPatience
	lines := strings.Split(strings.TrimSpace(text(d.world)), "\n")
	p := d.packet.in(ids(d.world))
	alone := func(lines []string) (bool, error) {
		if err := s.clear(); err != nil {
			return false, err
		}
		found := s.shows(d.Seed, lines, p)
		if found != nil {
			*d = *found
		}
		return found != nil, nil
	}
	if shown, err := alone(lines); err != nil || !shown {
		return err
	}
	for end, n := time.Now().Add(shrinkTime), len(lines)/2; n > 0; n /= 2 {
		for at := 0; at+n <= len(lines) && time.Now().Before(end); {
			less := slices.Delete(slices.Clone(lines), at, at+n)
			if s.shows(d.Seed, less, p) != nil {
				lines = less
			} else {
				at += n
			}
		}
	}
	_, err := alone(lines) // without what the tries before have left
	return err
}

// shows sends the packet in the world that the lines say. nil: they say none, the packet
// can't be sent in it, or all agree.
func (s *sender) shows(seed uint64, lines []string, p packet) *Disagreement {
	w, err := worldtest.Parse(strings.Join(lines, "\n"))
	if err != nil {
		return nil
	}
	if err := errors.Join(s.set(w), s.settle()); err != nil {
		return nil // something lacks that the rest needs
	}
	if e, _ := w.PrimaryENI(p.from); p.from != "" && s.guests[e.ID].space == nil {
		return nil
	}
	p = p.judged(w)
	got, diff, err := s.try(w, p)
	if err != nil || diff.none() {
		return nil
	}
	return &Disagreement{Seed: seed, world: w, packet: p, seen: got, difference: diff, small: true}
}
