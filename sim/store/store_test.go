package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"labsim/sim"
	"labsim/sim/world"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func rows(t *testing.T, s *Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for c, err := range s.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		out[c.Table+"/"+c.ID] = string(c.Data)
	}
	return out
}

func commit(t *testing.T, s *Store, changes ...world.Change) {
	t.Helper()
	if err := s.Commit(changes); err != nil {
		t.Fatal(err)
	}
}

func row(table, id, data string) world.Change {
	return world.Change{Table: table, ID: id, Data: []byte(data)}
}

func TestRowsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s := open(t, path)
	if got := rows(t, s); len(got) != 0 {
		t.Fatalf("a new file has rows: %v", got)
	}
	commit(t, s, row("vpc", "vpc-1", "a"), row("vpc", "vpc-2", "b"), row("subnet", "subnet-1", "c"))
	commit(t, s, row("vpc", "vpc-1", "A"), world.Change{Table: "vpc", ID: "vpc-2"}, world.Change{Table: "eni", ID: "eni-none"})
	s.Close()

	want := map[string]string{"vpc/vpc-1": "A", "subnet/subnet-1": "c"}
	if diff := cmp.Diff(want, rows(t, open(t, path))); diff != "" {
		t.Error("rows after reopening (-want +got):\n" + diff)
	}
}

func TestRowsStopsWhenAsked(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "world.db"))
	commit(t, s, row("a", "1", "x"), row("a", "2", "x"), row("b", "1", "x"))
	seen := 0
	for range s.Rows() {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d rows, want 2", seen)
	}
}

// An error in the middle of a commit leaves nothing of it.
func TestCommitIsAllOrNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "world.db"))
	commit(t, s, row("vpc", "vpc-1", "a"))
	if err := s.Commit([]world.Change{row("vpc", "vpc-1", "b"), row("vpc", "", "no key")}); err == nil {
		t.Fatal("a row without an id was committed")
	}
	if diff := cmp.Diff(map[string]string{"vpc/vpc-1": "a"}, rows(t, s)); diff != "" {
		t.Error("rows after the failed commit (-want +got):\n" + diff)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	open(t, path)
	_, err := Open(path)
	wantFailure(t, err, "is in use by another labsim")
}

func TestNewerFormatIsRefusedUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s := open(t, path)
	commit(t, s, row("vpc", "vpc-1", "a"))
	setFormat(t, s, "99")
	s.Close()
	wantRefusedUntouched(t, path, "was written by a newer labsim (format 99; this one knows up to 1)")
}

func TestForeignFileIsRefusedUntouched(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("recipes")); return err })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{other, text} {
		wantRefusedUntouched(t, path, "is not a state file of labsim, or is damaged")
	}
}

func TestMissingDirectory(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "nowhere", "world.db"))
	wantFailure(t, err, "can't be opened")
}

func TestOlderFormatIsMigratedAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s := open(t, path)
	commit(t, s, row("vpc", "vpc-1", "a"))
	migrations[1] = func(tx *bbolt.Tx) error { return tx.Bucket([]byte("vpc")).Put([]byte("vpc-1"), []byte("a2")) }
	migrations[2] = func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("vpc"))
		return b.Put([]byte("vpc-1"), append(b.Get([]byte("vpc-1")), '3'))
	}
	t.Cleanup(func() { clear(migrations) })
	if err := bringUpToDate(s.db, path, 3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"vpc/vpc-1": "a23"}, rows(t, s)); diff != "" {
		t.Error("rows after migration (-want +got):\n" + diff)
	}
	if got, _ := formatOf(s.db); got != 3 {
		t.Errorf("format after migration: %d, want 3", got)
	}
	if diff := cmp.Diff(map[string]string{"vpc/vpc-1": "a"}, rows(t, open(t, path+".format-1"))); diff != "" {
		t.Error("rows of the copy that is kept (-want +got):\n" + diff)
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s := open(t, path)
	commit(t, s, row("vpc", "vpc-1", "a"))
	migrations[1] = func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("vpc")) }
	t.Cleanup(func() { clear(migrations) })

	wantFailure(t, bringUpToDate(s.db, path, 3), "is of format 1 and could not be brought to format 3")
	if diff := cmp.Diff(map[string]string{"vpc/vpc-1": "a"}, rows(t, s)); diff != "" {
		t.Error("rows after the failed migration (-want +got):\n" + diff)
	}
	if got, _ := formatOf(s.db); got != 1 {
		t.Errorf("format after the failed migration: %d, want 1", got)
	}
}

func setFormat(t *testing.T, s *Store, format string) {
	t.Helper()
	err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte(format)) })
	if err != nil {
		t.Fatal(err)
	}
}

func wantRefusedUntouched(t *testing.T, path, what string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	wantFailure(t, err, what)
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Errorf("%s was changed by an Open that refused it", filepath.Base(path))
	}
}

func wantFailure(t *testing.T, err error, what string) {
	t.Helper()
	var f *sim.Failure
	if !errors.As(err, &f) || !strings.Contains(f.What.String(), what) || len(f.Next) == 0 {
		t.Errorf("got %v, want a failure with advice that says %q", err, what)
	}
}

// withoutSum writes a row as a labsim did that kept no sum.
func withoutSum(t *testing.T, s *Store, table, id, data string) {
	t.Helper()
	err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(table)).Put([]byte(id), []byte(data)) })
	if err != nil {
		t.Fatal(err)
	}
}
