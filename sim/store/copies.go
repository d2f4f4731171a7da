package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"labsim/sim"
	"labsim/sim/world"
)

// Beside the file lie two copies, the newer one first, and what Restore has put aside.
var copySuffixes = []string{".copy-1", ".copy-2"}

const (
	copyInTheMaking = ".copy.new"
	restoring       = ".restored.new"
	aside           = ".aside"
	// copyAge is how old the older copy becomes before the newer one takes its place.
	copyAge = time.Hour
)

// Copy is a copy of a state file that Restore can put in its place.
type Copy struct {
	Name      string // of the file
	Taken     time.Time
	Bytes     int64
	VPCs      int
	Volumes   int
	Instances []CopiedInstance // without the terminated ones
	Damage    string           `json:",omitempty"` // why it can't be used
}

// Empty reports whether the copy knows of nothing that could stand.
func (c Copy) Empty() bool { return c.VPCs+c.Volumes+len(c.Instances) == 0 }

// CopiedInstance is an instance that a copy knows.
type CopiedInstance struct {
	ID   sim.InstanceID
	Name string `json:",omitempty"`
}

// Copy makes a copy of what is committed now, beside the file. One that is not
// whole replaces none.
func (s *Store) Copy() error {
	next := s.path + copyInTheMaking
	err := s.writeCopy(next)
	if err == nil {
		_, err = read(next, nil)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copy of %s: %w", s.path, err), os.RemoveAll(next))
	}
	newer, older := s.path+copySuffixes[0], s.path+copySuffixes[1]
	if st, err := os.Stat(older); err != nil || time.Since(st.ModTime()) > copyAge {
		if err := os.Rename(newer, older); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(next, newer); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.path))
}

func (s *Store) writeCopy(to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			_, err := tx.WriteTo(f)
			return err
		})
	})
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Copies lists the copies of the file at path, the newest first.
func Copies(path string) ([]Copy, error) {
	out := []Copy{}
	for _, suffix := range copySuffixes {
		st, err := os.Stat(path + suffix)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		c := Copy{Name: filepath.Base(path) + suffix, Taken: st.ModTime(), Bytes: st.Size()}
		if err := c.look(path + suffix); err != nil {
			c.Damage = err.Error()
		}
		out = append(out, c)
	}
	return out, nil
}

// look fills in what is in the copy. A world that can't be made of it is none.
func (c *Copy) look(file string) error {
	var rows []world.Change
	_, err := read(file, func(table, id string, data []byte) error {
		rows = append(rows, world.Change{Table: table, ID: id, Data: data})
		return nil
	})
	if err != nil {
		return err
	}
	w, err := world.New(world.Options{}, func(yield func(world.Change, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	s := w.View()
	c.VPCs, c.Volumes = s.VPCs.Len(), s.Volumes.Len()
	for id, i := range s.Instances.All() {
		if i.Status.State != sim.StateTerminated {
			c.Instances = append(c.Instances, CopiedInstance{ID: id, Name: i.Tags.Value(sim.TagName)})
		}
	}
	return nil
}

// Restore puts a copy in the place of the file at path, which nobody has open, and
// what lies there aside. It may be killed anywhere: the file is then the old one or
// the copy.
func Restore(path, name string) error {
	from := filepath.Join(filepath.Dir(path), filepath.Base(name))
	if _, err := read(from, nil); err != nil {
		return fmt.Errorf("the copy %s can't be used: %w", name, err)
	}
	if err := free(path); err != nil {
		return err
	}
	if err := duplicate(from, path+restoring); err != nil {
		return err
	}
	if err := putAside(path); err != nil {
		return err
	}
	if err := os.Rename(path+restoring, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// putAside gives the file, if there is one, a second name.
func putAside(path string) error {
	next := path + aside + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Link(path, next)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Rename(next, path+aside)
}

// free says whether another process has the file open.
func free(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(f, lockWait); err != nil {
		return openFailure(path, err)
	}
	return nil
}

// read checks a file that nobody writes to.
func read(path string, each func(table, id string, data []byte) error) (contents, error) {
	f, err := os.Open(path)
	if err != nil {
		return contents{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return contents{}, err
	}
	return check(f, st.Size(), each)
}

// duplicate leaves a whole copy of a file, or none.
func duplicate(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
