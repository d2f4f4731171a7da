package ebs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Store is the volumes of one node.
type Store struct {
	dir    string // of the images
	mounts string // of the mount points

	changed func()
	disk    sync.Mutex // one file system is made at a time

	mu     sync.Mutex // one change at a time; also guards what follows
	broken map[sim.VolumeID]string
	making map[sim.VolumeID]*making
}

// making is a volume on its way.
type making struct {
	// latest is what Set asked for last: the volume may be renamed, tagged or
	// deleted before it stands.
	latest dataplane.Volume
	done   chan struct{} // closed when it is made, and as latest says
}

// patience is how long Set waits for new volumes: a usual one takes a third of
// a second, one of a TiB a minute.
const patience = 2 * time.Second

// Open takes over the volumes in dir. Mount points are made below mounts, in a
// directory each. changed, if any, is called when a volume stands, or failed,
// after Set has returned.
func Open(dir, mounts string, changed func()) (*Store, error) {
	if changed == nil {
		changed = func() {}
	}
	for _, d := range []string{dir, mounts} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	// What a crash left half made has no meaning.
	old, err := filepath.Glob(filepath.Join(dir, "*"+newSuffix))
	if err != nil {
		return nil, err
	}
	for _, p := range old {
		if err := os.Remove(p); err != nil {
			return nil, err
		}
	}
	return &Store{
		dir: dir, mounts: mounts, changed: changed,
		broken: map[sim.VolumeID]string{}, making: map[sim.VolumeID]*making{},
	}, nil
}

const newSuffix = ".new"

// Set makes the volumes that are missing and destroys those with Delete. It
// returns what could not be done; the rest is done. Large volumes may still be
// in the making: Status has a volume when it stands.
func (s *Store) Set(want []dataplane.Volume) []dataplane.Problem {
	s.mu.Lock()
	for _, v := range want {
		s.note(v.ID, s.set(v))
	}
	var waits []chan struct{}
	for _, m := range s.making {
		waits = append(waits, m.done)
	}
	s.mu.Unlock()

	timeout := time.After(patience)
	for _, done := range waits {
		select {
		case <-done:
		case <-timeout:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []dataplane.Problem
	for _, v := range want {
		if text := s.broken[v.ID]; text != "" {
			problems = append(problems, dataplane.Problem{Resource: string(v.ID), Message: text})
		}
	}
	return problems
}

// note keeps what is wrong with a volume. s.mu is held.
func (s *Store) note(id sim.VolumeID, err error) {
	delete(s.broken, id)
	if err != nil {
		s.broken[id] = err.Error()
	}
}

func (s *Store) set(v dataplane.Volume) error {
	if !sim.ValidID(sim.PrefixVolume, string(v.ID)) {
		return fmt.Errorf("%q is no volume id", v.ID) // it becomes a file's name
	}
	if m := s.making[v.ID]; m != nil {
		m.latest = v // done at its end
		return nil
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
	m := &making{latest: v, done: make(chan struct{})}
	s.making[v.ID] = m
	go s.make(v, m)
	return nil
}

// make runs beside Set, without s.mu: it writes to files that nobody else uses yet.
func (s *Store) make(v dataplane.Volume, m *making) {
	s.disk.Lock()
	err := full(v.ID, s.create(v))
	s.disk.Unlock()
	s.mu.Lock()
	delete(s.making, v.ID)
	if err == nil || m.latest.Delete {
		err = s.set(m.latest)
	}
	s.note(v.ID, err)
	s.mu.Unlock()
	close(m.done)
	debug.FreeOSMemory() // the library leaves some ten MB behind
	s.changed()
}

// create makes the image under another name first: an image that has its name is whole.
func (s *Store) create(v dataplane.Volume) error {
	path := s.image(v.ID)
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size := int64(v.SizeGiB) << 30
	if err = f.Truncate(size); err == nil {
		err = format(f, size, label(v.ID))
	}
	if err == nil {
		err = os.Rename(path+newSuffix, path)
	}
	if err != nil {
		os.Remove(path + newSuffix)
		return err
	}
	return syncDir(s.dir)
}

// delete returns once the volume is gone for good: its record goes after it, and
// data that came back would be taken for a volume that lost its record.
func (s *Store) delete(id sim.VolumeID) error {
	if mounted(s.point(id)) {
		return fmt.Errorf("volume %s is in use and can't be deleted", id)
	}
	if err := s.detach(id); err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	delete(s.broken, id)
	for _, p := range []string{s.image(id), s.image(id) + newSuffix, s.side(id)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(s.dir)
}

// Status lists the volumes that the node has, configured or not, by id, those that
// could not be made, and those that are to be deleted and are not yet.
func (s *Store) Status() []dataplane.VolumeStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	images, _ := filepath.Glob(filepath.Join(s.dir, sim.PrefixVolume+"-*.img"))
	seen := map[sim.VolumeID]bool{}
	var out []dataplane.VolumeStatus
	for _, p := range images {
		id := sim.VolumeID(strings.TrimSuffix(filepath.Base(p), ".img"))
		seen[id] = true
		out = append(out, s.status(id))
	}
	for id, m := range s.making {
		if m.latest.Delete && !seen[id] {
			seen[id] = true
			out = append(out, s.status(id))
		}
	}
	for id := range s.broken {
		if !seen[id] {
			out = append(out, dataplane.VolumeStatus{ID: id, Error: s.broken[id]})
		}
	}
	slices.SortFunc(out, func(a, b dataplane.VolumeStatus) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

func (s *Store) status(id sim.VolumeID) dataplane.VolumeStatus {
	st := dataplane.VolumeStatus{ID: id, InUse: mounted(s.point(id)), Error: s.broken[id]}
	v, err := s.sidecar(id)
	if err != nil {
		if st.Error == "" {
			st.Error = fmt.Sprintf("volume %s: whose it is can't be read: %v", id, err)
		}
		return st
	}
	st.Account, st.Region, st.SizeGiB, st.Lab, st.Name, st.Tags = v.Account, v.Region, v.SizeGiB, v.Lab, v.Name, v.Tags
	if st.Error == "" && st.InUse {
		st.Error = s.lowSpace(id)
	}
	return st
}

// lowSpace says that the engine's disk has no room for what a guest writes: the
// guest sees I/O errors then, which say nothing of the cause.
func (s *Store) lowSpace(id sim.VolumeID) string {
	if !s.full() {
		return ""
	}
	return noSpaceFor(id).String()
}

func noSpaceFor(id sim.VolumeID) sim.Text {
	return sim.T("volume %s: no space left on the engine's disk, which holds its data", string(id))
}

// full reports whether the disk has room for the data of the volumes.
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

func (s *Store) checkSize(v dataplane.Volume) error {
	fi, err := os.Stat(s.image(v.ID))
	if err != nil {
		return err
	}
	if want := int64(v.SizeGiB) << 30; fi.Size() < want {
		return fmt.Errorf("volume %s is damaged: its file has %d bytes of %d", v.ID, fi.Size(), want)
	}
	return nil
}

// Has reports whether the volume's data stands.
func (s *Store) Has(id sim.VolumeID) bool { return s.exists(id) }

func (s *Store) exists(id sim.VolumeID) bool {
	_, err := os.Lstat(s.image(id))
	return err == nil
}

func (s *Store) image(id sim.VolumeID) string { return filepath.Join(s.dir, string(id)+".img") }
func (s *Store) side(id sim.VolumeID) string  { return filepath.Join(s.dir, string(id)+".json") }
func (s *Store) point(id sim.VolumeID) string { return filepath.Join(s.mounts, string(id)) }

// label is the file system's: 16 bytes.
func label(id sim.VolumeID) string {
	digits := strings.TrimPrefix(string(id), sim.PrefixVolume+"-")
	return "vol-" + digits[:min(12, len(digits))]
}

func (s *Store) sidecar(id sim.VolumeID) (v dataplane.Volume, err error) {
	b, err := os.ReadFile(s.side(id))
	if err != nil {
		return v, err
	}
	if err = json.Unmarshal(b, &v); err == nil && v.ID != id {
		err = fmt.Errorf("%s speaks of %q", s.side(id), v.ID)
	}
	return v, err
}

func (s *Store) writeSidecar(v dataplane.Volume) error {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	return WriteFile(s.side(v.ID), b, 0o600)
}

func same(a, b dataplane.Volume) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// full words the one error that a user can do something about.
func full(id sim.VolumeID, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("volume %s: %s: %w", id, sim.NoSpace, err)
	}
	if err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	return nil
}

// WriteFile replaces a file: after a crash it has the old content or the new.
func WriteFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(path+newSuffix, path)
	}
	if err != nil {
		os.Remove(path + newSuffix)
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
