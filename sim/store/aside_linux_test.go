package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/store"
	"labsim/sim/world"
)

// copied leaves a state with one VPC and its copy, closed, and returns the copy's name.
func copied(t *testing.T, path string, site sim.Site) (name string) {
	t.Helper()
	s, w := openWorld(t, path)
	createVPC(w)
	w.Update(func(tx *world.Tx) error { tx.BelongTo(site); return nil })
	if err := s.Copy(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	return copies(t, path)[0].Name
}

// No restore loses what an earlier one has put aside; where there is too much of it,
// the next one is refused and changes nothing.
func TestRestoreAgainAndAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	name := copied(t, path, "one")
	put := func(n int) (string, error) {
		if err := os.WriteFile(path, []byte(fmt.Sprint("damaged ", n)), 0o600); err != nil {
			t.Fatal(err)
		}
		return store.Restore(path, name, "one")
	}
	kept := map[string]int{}
	n := 0
	for ; n < 100; n++ {
		aside, err := put(n)
		if err != nil {
			var f *sim.Failure
			if !errors.As(err, &f) || len(f.Next) == 0 {
				t.Errorf("refused with %v, want what to do", err)
			}
			break
		}
		if _, twice := kept[aside]; twice {
			t.Fatalf("restore %d put the state aside as %s, as one before", n, aside)
		}
		kept[aside] = n
	}
	if n < 5 || n > 20 {
		t.Errorf("%d states lie aside", n)
	}
	for aside, n := range kept {
		if data, err := os.ReadFile(filepath.Join(filepath.Dir(path), aside)); err != nil || string(data) != fmt.Sprint("damaged ", n) {
			t.Errorf("%s is %q, %v; want what restore %d found", aside, data, err, n)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != fmt.Sprint("damaged ", n) {
		t.Errorf("the restore that was refused left %q, %v", data, err)
	}
	os.Remove(filepath.Join(filepath.Dir(path), "world.db.aside"))
	if aside, err := put(n); err != nil || aside != "world.db.aside" {
		t.Errorf("after one was removed: %q, %v", aside, err)
	}
	os.Remove(path)
	if aside, err := store.Restore(path, name, "one"); err != nil || aside != "" {
		t.Errorf("where nothing lay: %q, %v", aside, err)
	}
}

// A restore that was cut off after it had put the state aside does not do so twice.
func TestRestoreCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	name := copied(t, path, "one")
	if err := os.Link(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	if aside, err := store.Restore(path, name, "one"); err != nil || aside != "world.db.aside" {
		t.Errorf("put aside as %q, %v", aside, err)
	}
	if _, err := os.Stat(path + ".aside-2"); err == nil {
		t.Error("the same state lies aside twice")
	}
}

// What lies in the place of the state or of a copy, and is no file, is told of, and
// keeps neither a restore nor the next copy from being made.
func TestNoFile(t *testing.T) {
	for what, put := range map[string]func(string) error{
		"directory": func(file string) error {
			return errors.Join(os.Mkdir(file, 0o700), os.WriteFile(filepath.Join(file, "notes"), []byte("mine"), 0o600))
		},
		"pipe": func(file string) error { return unix.Mkfifo(file, 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "world.db")
			name := copied(t, path, "one")
			put := func(file string) {
				t.Helper()
				if err := errors.Join(os.RemoveAll(file), put(file)); err != nil {
					t.Fatal(err)
				}
			}
			put(path)
			var f *sim.Failure
			if _, err := store.Open(path); !errors.As(err, &f) || !strings.Contains(err.Error(), "damaged") || f.Next[0].String() != "labsim state restore" {
				t.Errorf("opened: %v", err)
			}
			aside, err := store.Restore(path, name, "one")
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Stat(filepath.Join(filepath.Dir(path), aside)); err != nil || st.Mode().IsRegular() {
				t.Errorf("aside lies %v, %v", st, err)
			}

			s, w := openWorld(t, path)
			createVPC(w)
			put(path + ".copy-1")
			if list := copies(t, path); len(list) != 1 || list[0].Damage == "" {
				t.Errorf("copies %+v, want one that is damaged", list)
			}
			for range 2 { // the second one makes it the older one
				if err := s.Copy(); err != nil {
					t.Fatal(err)
				}
			}
			if list := copies(t, path); len(list) != 2 || list[0].VPCs != 2 || list[0].Damage+list[1].Damage != "" {
				t.Errorf("copies %+v, want two of 2 VPCs", list)
			}
		})
	}
}

// The copy of another site's state is no copy of this one's.
func TestForeignCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	name := copied(t, path, "other")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := store.Copies(path, "one"); err != nil || len(list) != 1 || !strings.Contains(list[0].Damage, "the site other") {
		t.Errorf("copies %+v, %v", list, err)
	}
	if _, err := store.Restore(path, name, "one"); err == nil || !strings.Contains(err.Error(), "the site other") {
		t.Errorf("restored: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(before) != string(after) {
		t.Errorf("the state was touched: %v", err)
	}
	if _, err := store.Restore(path, name, "other"); err != nil {
		t.Errorf("its own site: %v", err)
	}
}
