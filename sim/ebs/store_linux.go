package ebs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

	changed  func()
	patience time.Duration
	mounted  func(dir string) []string // the mount points below dir
	lanes    [lanes]sync.Mutex         // one file system is made at a time in each

	mu      sync.Mutex // guards what follows, never held across I/O
	volumes map[sim.VolumeID]*volume
}

// patience is how long Set waits for what it has begun: a usual new volume takes a
// third of a second, one of a TiB a minute.
const patience = 2 * time.Second

// Open takes over the volumes in dir. Mount points are made below mounts, in a
// directory each. changed, if any, is called when a volume is as Set asked for, or
// failed, after Set has returned.
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
		dir: dir, mounts: mounts, changed: changed, patience: patience, mounted: mountsBelow,
		volumes: map[sim.VolumeID]*volume{},
	}, nil
}

const newSuffix = ".new"

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
	if s.Path(id) != "" {
		return fmt.Errorf("volume %s is in use and can't be deleted", id)
	}
	if err := s.detach(id); err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	for _, p := range []string{s.image(id), s.image(id) + newSuffix, s.side(id)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(s.dir)
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
	if !sim.ValidID(sim.PrefixVolume, string(id)) {
		return v, fmt.Errorf("%q is no volume id", id)
	}
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
