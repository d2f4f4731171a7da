package oneshot

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"labsim/sim"
)

// Volume is a volume whose data stays, as the agent describes it in the file beside it.
type Volume struct {
	ID      sim.VolumeID
	Account sim.AccountID
	SizeGiB int
	Lab     string
	Name    string
}

// clean removes what the site's agent kept and left, and the directories if
// nothing remains in them. A namespace pinned by a file goes with the file: the
// pin is a mount in the engine's namespace only, and unlinking its place
// elsewhere lets go of it.
func clean(site, lib, run string, data bool) ([]Volume, error) {
	if err := sim.CheckSite(site); err != nil {
		return nil, err
	}
	errs := []error{os.RemoveAll(filepath.Join(run, "labsim", site)), rmdir(filepath.Join(run, "labsim"))}
	own := filepath.Join(lib, "labsim", site)
	volumes := filepath.Join(own, "ebs")
	if data {
		errs = append(errs, os.RemoveAll(volumes))
	}
	kept, err := volumesIn(volumes)
	errs = append(errs, err)
	entries, err := os.ReadDir(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, x := range entries {
		if x.Name() != "ebs" {
			errs = append(errs, os.RemoveAll(filepath.Join(own, x.Name())))
		}
	}
	errs = append(errs, rmdir(volumes), rmdir(own), rmdir(filepath.Join(lib, "labsim")))
	return kept, errors.Join(errs...)
}

// rmdir leaves a directory that has something in it.
func rmdir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(dir)
}

// volumesIn lists the volumes with data in dir: vol-ID.img, described by vol-ID.json.
func volumesIn(dir string) ([]Volume, error) {
	files, err := filepath.Glob(filepath.Join(dir, "vol-*.img"))
	kept := []Volume{}
	for _, f := range files {
		v := Volume{}
		if b, err := os.ReadFile(strings.TrimSuffix(f, ".img") + ".json"); err == nil {
			// An unreadable description doesn't make the data less worth telling of.
			_ = json.Unmarshal(b, &v)
		}
		v.ID = sim.VolumeID(strings.TrimSuffix(filepath.Base(f), ".img"))
		if st, err := os.Stat(f); err == nil && v.SizeGiB == 0 {
			v.SizeGiB = int(st.Size() >> 30)
		}
		kept = append(kept, v)
	}
	slices.SortFunc(kept, func(a, b Volume) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return kept, err
}
