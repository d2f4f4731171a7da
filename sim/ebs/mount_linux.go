package ebs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"labsim/sim"
)

// mountOptions: a guest's deleted blocks leave the image; a damaged file system
// is not written to any further.
const mountOptions = "discard,errors=remount-ro"

// Mount mounts the volume, if it is not, and returns where.
func (s *Store) Mount(id sim.VolumeID) (string, error) {
	if s.begun(id) && !s.exists(id) {
		return "", fmt.Errorf("volume %s is still being made", id)
	}
	defer s.lock(id)()
	if p := s.Path(id); p != "" {
		return p, nil
	}
	point := s.point(id)
	img, err := os.OpenFile(s.image(id), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", fmt.Errorf("volume %s has no data on this node: %w", id, err)
	}
	defer img.Close()
	if v, err := s.sidecar(id); err == nil {
		if err := s.checkSize(v); err != nil {
			return "", err
		}
	}
	l, err := attach(img, string(id))
	if err != nil {
		return "", fmt.Errorf("volume %s: %w", id, err)
	}
	defer l.close()
	if err := os.MkdirAll(point, 0o700); err != nil {
		return "", err
	}
	if err := unix.Mount(l.path(), point, "ext4", unix.MS_NODEV|unix.MS_NOSUID, mountOptions); err != nil {
		os.Remove(point)
		return "", mountError(id, err)
	}
	return point, nil
}

// mountError puts the kernel's answer to an unreadable file system into words.
func mountError(id sim.VolumeID, err error) error {
	for _, damaged := range []error{unix.EUCLEAN, unix.EINVAL, unix.EBADMSG, unix.EIO} {
		if errors.Is(err, damaged) {
			return fmt.Errorf("volume %s is damaged: its file system can't be read: %w", id, err)
		}
	}
	return fmt.Errorf("volume %s: mount: %w", id, err)
}

// Unmount unmounts the volume, and with that detaches its device.
func (s *Store) Unmount(id sim.VolumeID) error {
	defer s.lock(id)()
	point := s.point(id)
	for s.Path(id) != "" {
		if err := unix.Unmount(point, unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("volume %s: unmount: %w", id, err)
		}
	}
	if err := os.Remove(point); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return s.detach(id)
}

func (s *Store) detach(id sim.VolumeID) error {
	img, err := os.Open(s.image(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer img.Close()
	return detach(img)
}

// Mounted lists the volumes that are mounted.
func (s *Store) Mounted() []sim.VolumeID {
	var out []sim.VolumeID
	for _, p := range s.mounted(s.mounts) {
		if id := filepath.Base(p); filepath.Dir(p) == s.mounts && sim.ValidID(sim.PrefixVolume, id) {
			out = append(out, sim.VolumeID(id))
		}
	}
	return out
}

// Path returns where the volume is mounted, or "".
func (s *Store) Path(id sim.VolumeID) string {
	return s.Paths()[id]
}

// Paths returns where the volumes are mounted.
func (s *Store) Paths() map[sim.VolumeID]string {
	out := map[sim.VolumeID]string{}
	for _, id := range s.Mounted() {
		out[id] = s.point(id)
	}
	return out
}

// Clear unmounts and detaches every volume. The data stays.
func (s *Store) Clear() error {
	var errs []error
	for _, id := range append(s.ids(), s.Mounted()...) {
		errs = append(errs, s.Unmount(id))
	}
	return errors.Join(errs...)
}

// Purge destroys the data of every volume.
func (s *Store) Purge() error {
	var errs []error
	for _, id := range s.ids() {
		errs = append(errs, s.purge(id))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.volumes {
		v.broken = ""
		if v.done != nil {
			errs = append(errs, fmt.Errorf("volume %s is still being made", id))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) purge(id sim.VolumeID) error {
	defer s.lock(id)()
	return s.delete(id)
}

// ids are those of all images, whatever is wrong with them.
func (s *Store) ids() []sim.VolumeID {
	var out []sim.VolumeID
	images, _ := filepath.Glob(filepath.Join(s.dir, sim.PrefixVolume+"-*.img"))
	for _, p := range images {
		base := filepath.Base(p)
		out = append(out, sim.VolumeID(base[:len(base)-len(".img")]))
	}
	return out
}
