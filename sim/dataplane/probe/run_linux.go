package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"labsim/sim/world"
)

// Options of a run.
type Options struct {
	Seed    uint64 // of the first world; the next one has the next
	Packets int
}

// Result is what a run has shown.
type Result struct {
	Worlds, Packets int
	Answered        int
	// Again counts packets that were lost, and not when they were sent again.
	Again int
	// Ends counts packets by where they ended, in the words of the verdict.
	Ends map[string]int
	Took time.Duration
	// Wrong is the first disagreement, by which the run ends; nil: none.
	Wrong *Disagreement
}

// Run sends packets in one world after the other, until one shows that evaluator and
// kernel disagree. It needs the right to make network namespaces. An error is about
// the machine.
func Run(ctx context.Context, o Options) (r Result, err error) {
	start := time.Now()
	defer func() { r.Took = time.Since(start) }()
	r.Ends = map[string]int{}
	m, err := newMachine()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	s := &sender{machine: m, patience: 3 * time.Second}
	for ; r.Packets < o.Packets && r.Wrong == nil && ctx.Err() == nil; r.Worlds++ {
		seed := o.Seed + uint64(r.Worlds)
		if err := s.live(seed, &r, o.Packets); err != nil {
			return r, fmt.Errorf("world of seed %d: %w", seed, err)
		}
		if err := m.clear(); err != nil {
			return r, err
		}
	}
	return r, ctx.Err()
}

// live makes a world, changes it, and sends packets in it, until there are as many as
// that in all.
func (s *sender) live(seed uint64, r *Result, inAll int) error {
	m, err := newMaker(seed)
	if err != nil {
		return err
	}
	d := &drawer{rand: m.rand, seen: map[string]int{}, before: m.View()}
	for n := range changes {
		if n > 0 {
			m.change(4 + m.rand.IntN(8))
		}
		if n > 0 && m.rand.IntN(4) == 0 {
			if err := s.restart(); err != nil {
				return err
			}
		}
		w, told := m.View(), m.news()
		if err := errors.Join(s.set(w), s.settle()); err != nil {
			return err
		}
		for range perWorld / changes {
			if r.Packets == inAll {
				return nil
			}
			p := d.packet(w)
			got, diff, err := s.ask(w, p, r)
			if err != nil {
				return err
			}
			if !diff.none() {
				r.Wrong = &Disagreement{Seed: seed, steps: told, world: w, packet: p, seen: got, difference: diff}
				return s.shrink(r.Wrong)
			}
		}
		d.before = w
	}
	return nil
}

// ask sends a packet and compares. What passes and must not counts at once; what is
// lost is sent again, as networks may lose packets.
func (s *sender) ask(w *world.State, p packet, r *Result) (seen, difference, error) {
	r.Packets++
	r.Ends[p.end()]++
	got, diff, err := s.try(w, p)
	if err == nil && len(diff.lost) > 0 && len(diff.leaked) == 0 {
		got, diff, err = s.try(w, p)
		if err == nil && diff.none() {
			r.Again++
		}
	}
	if errors.Is(err, errUnfenced) {
		diff.lost = append(diff.lost, err.Error())
		err = nil
	}
	if got.answered {
		r.Answered++
	}
	return got, diff, err
}

// try sends a packet once.
func (s *sender) try(w *world.State, p packet) (seen, difference, error) {
	got, err := s.send(w, p)
	diff := p.expected(w).compare(got)
	for _, x := range s.late {
		diff.leaked = append(diff.leaked, "an earlier packet arrived late "+x)
	}
	s.late = nil
	return got, diff, err
}
