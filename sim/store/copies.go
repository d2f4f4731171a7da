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

// Beside the file lie two copies, the newer one first.
var copySuffixes = []string{".copy-1", ".copy-2"}

const (
	copyInTheMaking = ".copy.new"
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
	for _, x := range []string{newer, older} {
		if st, err := os.Stat(x); err == nil && !st.Mode().IsRegular() { // no rename gets past a directory
			if _, err := putAside(x); err != nil {
				return err
			}
		}
	}
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

// Copies lists the copies of the file at path, the newest first. One of another site
// than that, if there is one, can't be used.
func Copies(path string, site sim.Site) ([]Copy, error) {
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
		if err := c.look(path+suffix, site); err != nil {
			c.Damage = err.Error()
		}
		out = append(out, c)
	}
	return out, nil
}

// look fills in what is in the copy. A world that can't be made of it is none, and
// one of another site would remove all that stands.
func (c *Copy) look(file string, site sim.Site) error {
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
	if of := s.Site(); of != "" && site != "" && of != site {
		return fmt.Errorf("it is the state of the site %s", of)
	}
	c.VPCs, c.Volumes = s.VPCs.Len(), s.Volumes.Len()
	for id, i := range s.Instances.All() {
		if i.Status.State != sim.StateTerminated {
			c.Instances = append(c.Instances, CopiedInstance{ID: id, Name: i.Tags.Value(sim.TagName)})
		}
	}
	return nil
}

// read checks a file that nobody writes to.
func read(path string, each func(table, id string, data []byte) error) (contents, error) {
	if err := regular(path); err != nil { // to open a pipe would wait for whoever writes to it
		return contents{}, err
	}
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

// regular says what lies at a path where it is no file.
func regular(path string) error {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case st.IsDir():
		return errors.New("it is a directory")
	case !st.Mode().IsRegular():
		return errors.New("it is no file")
	}
	return nil
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
