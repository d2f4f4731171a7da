package ebs

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// volume is what is under way with one. What a slow one does stops no other.
type volume struct {
	busy sync.Mutex // one change at a time, held across its I/O

	// Below Store.mu. An entry without users, of which nothing is wrong, is dropped.
	users   int
	broken  string            // why it is not as it was asked for
	wanted  *dataplane.Volume // what Set asked for last, and nobody has begun yet
	doing   *dataplane.Volume // what is done now
	done    chan struct{}     // closed when nothing is left to do; nil: nothing is
	waiting int               // Sets that wait for it
}

// deletes reports whether the volume is going. Store.mu is held.
func (v *volume) deletes() bool {
	return v.doing != nil && v.doing.Delete || v.wanted != nil && v.wanted.Delete
}

// Set makes the volumes that are missing and destroys those with Delete. It
// returns what could not be done; the rest is done, or goes on beside it: what
// takes long, as a large volume does. Status has a volume when it stands, and as
// long as it is not gone.
func (s *Store) Set(want []dataplane.Volume) []dataplane.Problem {
	s.mu.Lock()
	var all []*volume
	var ends []chan struct{}
	for _, w := range want {
		v := s.ask(w)
		v.waiting++
		all, ends = append(all, v), append(ends, v.done)
	}
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	for _, done := range ends {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []dataplane.Problem
	for i, w := range want {
		all[i].waiting--
		if text := all[i].broken; text != "" {
			problems = append(problems, dataplane.Problem{Resource: string(w.ID), Message: text})
		}
	}
	return problems
}

// ask has a volume made as w says, after what is done with it now. s.mu is held.
func (s *Store) ask(w dataplane.Volume) *volume {
	v := s.volumes[w.ID]
	if v == nil || v.done == nil {
		v = s.use(w.ID)
		v.done = make(chan struct{})
		go s.work(w.ID, v)
	}
	v.wanted = &w
	return v
}

// work does what is asked of one volume until nothing is left.
func (s *Store) work(id sim.VolumeID, v *volume) {
	for s.next(id, v) {
		v.busy.Lock()
		err := s.make(*v.doing)
		v.busy.Unlock()
		s.mu.Lock()
		v.broken = ""
		if err != nil {
			v.broken = err.Error()
		}
		s.mu.Unlock()
	}
}

// next takes what was asked last, or ends the work.
func (s *Store) next(id sim.VolumeID, v *volume) bool {
	s.mu.Lock()
	v.doing, v.wanted = v.wanted, nil
	if v.doing != nil {
		s.mu.Unlock()
		return true
	}
	close(v.done)
	v.done = nil
	alone := v.waiting == 0
	s.leave(id, v)
	s.mu.Unlock()
	if alone {
		s.changed()
	}
	return false
}

// use returns what is under way with a volume, for one more who needs to know: it
// stays until leave. s.mu is held.
func (s *Store) use(id sim.VolumeID) *volume {
	v := s.volumes[id]
	if v == nil {
		v = &volume{}
		s.volumes[id] = v
	}
	v.users++
	return v
}

func (s *Store) leave(id sim.VolumeID, v *volume) {
	if v.users--; v.users == 0 && v.broken == "" {
		delete(s.volumes, id)
	}
}

// lock waits until nobody else changes the volume, and keeps others from it until
// the function that it returns is called.
func (s *Store) lock(id sim.VolumeID) (unlock func()) {
	s.mu.Lock()
	v := s.use(id)
	s.mu.Unlock()
	v.busy.Lock()
	return func() {
		v.busy.Unlock()
		s.mu.Lock()
		s.leave(id, v)
		s.mu.Unlock()
	}
}

// begun reports whether something is asked of the volume that is not done.
func (s *Store) begun(id sim.VolumeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.volumes[id]
	return v != nil && v.done != nil
}

// make makes one volume as v says. It is locked.
func (s *Store) make(v dataplane.Volume) error {
	if !sim.ValidID(sim.PrefixVolume, string(v.ID)) {
		return fmt.Errorf("%q is no volume id", v.ID) // it becomes a file's name
	}
	if v.Delete {
		return s.delete(v.ID)
	}
	have, err := s.sidecar(v.ID)
	if err == nil && have.SizeGiB != v.SizeGiB && s.exists(v.ID) {
		return fmt.Errorf("volume %s has %d GiB and can't become %d GiB: labsim doesn't resize volumes yet", v.ID, have.SizeGiB, v.SizeGiB)
	}
	if err != nil || !same(have, v) {
		if err := s.writeSidecar(v); err != nil {
			return full(v.ID, err)
		}
	}
	if s.exists(v.ID) {
		return s.checkSize(v)
	}
	if v.SizeGiB < 1 {
		return fmt.Errorf("volume %s: a size of %d GiB is too small", v.ID, v.SizeGiB)
	}
	defer debug.FreeOSMemory() // the library leaves some ten MB behind
	lane := s.lane(v)
	lane.Lock()
	defer lane.Unlock()
	return full(v.ID, s.create(v))
}

// File systems are made one at a time, as that takes memory, the large ones in a
// lane of their own: a small one does not wait a minute for them.
const (
	lanes    = 2
	largeGiB = 64
)

func (s *Store) lane(v dataplane.Volume) *sync.Mutex {
	if v.SizeGiB < largeGiB {
		return &s.lanes[0]
	}
	return &s.lanes[1]
}
