package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/store"
	"labsim/sim/world"
)

func copies(t *testing.T, path string) []store.Copy {
	t.Helper()
	list, err := store.Copies(path, "")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A copy knows what was there when it was made; two are kept, and one that is
// damaged is told of and not used.
func TestCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s, w := openWorld(t, path)
	for n := 1; n <= 3; n++ {
		if err := createVPC(w); err != nil {
			t.Fatal(err)
		}
		if err := s.Copy(); err != nil {
			t.Fatal(err)
		}
	}
	list := copies(t, path)
	if len(list) != 2 || list[0].VPCs != 3 || list[1].VPCs != 1 || list[0].Damage != "" {
		t.Fatalf("copies %+v, want the newest, of 3 VPCs, and the first: it is not an hour old", list)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(path+".copy-2", old, old); err != nil {
		t.Fatal(err)
	}
	createVPC(w)
	if err := s.Copy(); err != nil {
		t.Fatal(err)
	}
	if list = copies(t, path); len(list) != 2 || list[0].VPCs != 4 || list[1].VPCs != 3 {
		t.Errorf("copies %+v, want those of 4 and 3 VPCs", list)
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) != 3 {
		t.Errorf("beside the file: %v", files)
	}
	os.Truncate(path+".copy-1", 5000)
	if list = copies(t, path); len(list) != 2 || list[0].Damage == "" {
		t.Errorf("a copy that was cut: %+v", list)
	}
	s.Close()
	if _, err := store.Restore(path, list[0].Name, ""); err == nil {
		t.Error("a damaged copy was put back")
	}
}

// Restore puts a copy back, the damaged file aside, and touches none that is in use.
func TestRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s, w := openWorld(t, path)
	createVPC(w)
	if err := s.Copy(); err != nil {
		t.Fatal(err)
	}
	createVPC(w)
	name := copies(t, path)[0].Name
	if _, err := store.Restore(path, name, ""); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("restored below a process that has the file open: %v", err)
	}
	s.Close()
	if err := os.Truncate(path, 9000); err != nil {
		t.Fatal(err)
	}
	var f *sim.Failure
	if _, err := store.Open(path); !errors.As(err, &f) {
		t.Fatalf("a damaged file: %v", err)
	}
	for range 2 { // the second time nothing lies there
		if _, err := store.Restore(path, "../"+name, ""); err != nil {
			t.Fatal(err)
		}
		s, w = openWorld(t, path)
		if n := w.View().VPCs.Len(); n != 1 {
			t.Errorf("%d VPCs after the restore, want 1", n)
		}
		s.Close()
		os.Remove(path)
	}
	if st, err := os.Stat(path + ".aside"); err != nil || st.Size() != 9000 {
		t.Errorf("the damaged file is not aside: %v, %v", st, err)
	}
	if list := copies(t, path); len(list) != 1 {
		t.Errorf("copies %+v, want the one as before", list)
	}
}

// A copy must hold up nobody.
func BenchmarkCopy(b *testing.B) {
	s, _ := filled(b)
	for b.Loop() {
		if err := s.Copy(); err != nil {
			b.Fatal(err)
		}
	}
}

// Nor must the check of a file.
func BenchmarkOpen(b *testing.B) {
	s, path := filled(b)
	s.Close()
	for b.Loop() {
		s, err := store.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// filled is the state of 500 volumes.
func filled(b *testing.B) (*store.Store, string) {
	path := filepath.Join(b.TempDir(), "world.db")
	s, w := openWorld(b, path)
	w.UpdateAs("000000000000", func(tx *world.Tx) error {
		for range 500 {
			if _, err := tx.CreateVolume(world.CreateVolume{Zone: "us-east-1a", Size: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	return s, path
}
