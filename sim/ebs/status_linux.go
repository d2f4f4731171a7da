package ebs

import (
	"fmt"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Status lists the volumes that the node has, configured or not, by id, those that
// could not be made, and those that are to be deleted and are not yet. It waits for
// none of them.
func (s *Store) Status() []dataplane.VolumeStatus {
	ids := s.ids() // before what is under way: what is deleted is in one of the two until it is gone
	all := s.underWay()
	mounted := map[sim.VolumeID]bool{}
	for _, id := range s.Mounted() {
		mounted[id] = true
	}
	low := s.full()
	var out []dataplane.VolumeStatus
	for _, id := range ids {
		st, ok := s.status(id, mounted[id], all[id])
		if !ok {
			continue
		}
		if st.Error == "" && st.InUse && low {
			// The guest sees I/O errors then, which say nothing of the cause.
			st.Error = noSpaceFor(id).String()
		}
		out = append(out, st)
	}
	for id, is := range all {
		switch {
		case slices.Contains(ids, id):
		case is.deletes:
			st, _ := s.status(id, false, is)
			out = append(out, st)
		case is.broken != "":
			out = append(out, dataplane.VolumeStatus{ID: id, Error: is.broken})
		}
	}
	slices.SortFunc(out, func(a, b dataplane.VolumeStatus) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// state is what is under way with a volume, as one look shows it.
type state struct {
	broken  string
	deletes bool
}

func (s *Store) underWay() map[sim.VolumeID]state {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[sim.VolumeID]state, len(s.volumes))
	for id, v := range s.volumes {
		out[id] = state{broken: v.broken, deletes: v.deletes()}
	}
	return out
}

// status describes one volume; ok is false for one that has gone meanwhile.
func (s *Store) status(id sim.VolumeID, inUse bool, is state) (st dataplane.VolumeStatus, ok bool) {
	st = dataplane.VolumeStatus{ID: id, InUse: inUse, Error: is.broken}
	v, err := s.sidecar(id)
	switch {
	case err == nil:
		st.Account, st.Region, st.SizeGiB, st.Lab, st.Name, st.Tags = v.Account, v.Region, v.SizeGiB, v.Lab, v.Name, v.Tags
	case is.deletes || st.Error != "":
	case !s.exists(id):
		return st, false
	default:
		st.Error = fmt.Sprintf("volume %s: whose it is can't be read: %v", id, err)
	}
	return st, true
}

func noSpaceFor(id sim.VolumeID) sim.Text {
	return sim.T("volume %s: no space left on the engine's disk, which holds its data", string(id))
}

// full reports whether the disk has no room for the data of the volumes.
func (s *Store) full() bool {
	const least = 16 << 20
	disk, err := sim.DiskOf(s.dir)
	return err == nil && disk.Free < least
}

// Drift lists the mounted volumes that can't be written, for want of space below.
// Nobody is told when a disk runs full, so it has to be asked for.
func (s *Store) Drift() (out []dataplane.Drift) {
	if !s.full() {
		return nil
	}
	for _, id := range s.Mounted() {
		out = append(out, dataplane.Drift{Resource: string(id), What: noSpaceFor(id)})
	}
	return out
}
