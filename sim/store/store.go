package store

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"labsim/sim"
	"labsim/sim/world"
)

// Format is the version of the file that this build writes. Fields that a row
// gains don't change it; what an older build would read wrongly does.
const Format = 1

// migrations[n] turns a file of format n into one of format n+1.
var migrations = map[int]func(*bbolt.Tx) error{}

var (
	metaBucket = []byte("labsim")
	formatKey  = []byte("format")
)

// lockWait is how long Open waits for another process to let the file go.
const lockWait = time.Second

// errLocked: another process holds the file for longer than that.
var errLocked = errors.New("it is locked")

// Store is an open file. It is locked against other processes until Close.
type Store struct {
	db    *bbolt.DB
	path  string
	older bool
}

// Open opens the file at path, or makes an empty one. All of it is read and
// checked before. What keeps it from being opened is a *sim.Failure.
func Open(path string) (*Store, error) {
	s := &Store{path: path}
	var file *os.File // bbolt does not close it where it panics
	err := guarded(func() (err error) {
		s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: lockWait, FreelistType: bbolt.FreelistMapType,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				file, s.older, err = openChecked(name, flag, mode)
				return file, err
			},
		})
		if err != nil {
			return openFailure(path, err)
		}
		return bringUpToDate(s.db, path, Format)
	})
	switch {
	case err == nil:
		return s, nil
	case s.db != nil:
		return nil, errors.Join(err, s.db.Close())
	case file != nil:
		file.Close()
	}
	return nil, failureOr(path, err)
}

// openChecked opens a file and checks it, if there is something in it, while no
// other process can write to it.
func openChecked(name string, flag int, mode os.FileMode) (_ *os.File, older bool, err error) {
	if err := regular(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, damaged{err}
	}
	file, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, false, err
	}
	if err = lock(file, lockWait); err == nil {
		older, err = checkFile(file)
	}
	if err != nil {
		return nil, false, errors.Join(err, file.Close())
	}
	return file, older, nil
}

func checkFile(file *os.File) (older bool, err error) {
	st, err := file.Stat()
	if err != nil || st.Size() == 0 {
		return false, err
	}
	found, err := check(file, st.Size(), nil)
	if err != nil {
		return false, damaged{err}
	}
	return found.older, nil
}

// damaged is why a file can't be believed.
type damaged struct{ error }

func (d damaged) Unwrap() error { return d.error }

// guarded runs f. A fault of the file's map, which a disk that fails or a file
// that is cut meanwhile gives, and a panic of bbolt's are errors.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged{fmt.Errorf("%v", p)}
		}
	}()
	return f()
}

// Older says that the head of the newest commit was unreadable, so that the file
// holds what was committed before it.
func (s *Store) Older() bool { return s.older }

// Close lets the file go.
func (s *Store) Close() error { return s.db.Close() }

// Rows yields all the rows that were committed.
func (s *Store) Rows() iter.Seq2[world.Change, error] {
	return func(yield func(world.Change, error) bool) {
		var rows []world.Change // a panic of the reader's is none of the file's
		err := guarded(func() error {
			return s.db.View(func(tx *bbolt.Tx) error {
				return eachRow(tx, func(table, id, data []byte) error {
					rows = append(rows, world.Change{Table: string(table), ID: string(id), Data: slices.Clone(data)})
					return nil
				})
			})
		})
		if err != nil {
			yield(world.Change{}, failureOr(s.path, err))
			return
		}
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func eachRow(tx *bbolt.Tx, f func(table, id, data []byte) error) error {
	return tx.ForEach(func(table []byte, b *bbolt.Bucket) error {
		if string(table) == string(metaBucket) {
			return nil
		}
		return b.ForEach(func(id, data []byte) error { return f(table, id, data) })
	})
}

// Commit makes the changes durable, all of them or, with an error, none. A full
// disk is a *sim.Error, for whoever asked for the change.
func (s *Store) Commit(changes []world.Change) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		total, err := sumOf(tx)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if err := write(tx, c, &total); err != nil {
				return fmt.Errorf("%s %s: %w", c.Table, c.ID, err)
			}
		}
		return tx.Bucket(metaBucket).Put(sumKey, total.record(uint64(tx.ID())))
	})
	if noSpace(err) {
		return sim.Errorf(sim.CodeUnavailable, "There is %s, where labsim keeps its state; nothing was changed", sim.NoSpace)
	}
	return err
}

func write(tx *bbolt.Tx, c world.Change, total *sum) error {
	table, id := []byte(c.Table), []byte(c.ID)
	b, err := tx.CreateBucketIfNotExists(table)
	if err != nil {
		return err
	}
	if old := b.Get(id); old != nil {
		total.remove(table, id, old)
	}
	if c.Data == nil {
		return b.Delete(id)
	}
	total.add(table, id, c.Data)
	return b.Put(id, c.Data)
}

// bringUpToDate migrates the file to the wanted format, or says why it can't.
func bringUpToDate(db *bbolt.DB, path string, want int) error {
	have, err := formatOf(db)
	switch {
	case err != nil:
		return foreign(path, err)
	case have == want:
		return nil
	case have > want:
		return &sim.Failure{
			What: sim.T("%s was written by a newer labsim (format %d; this one knows up to %d)", path, have, want),
			Next: []sim.Text{sim.T("Run the newer labsim again. The file was not changed.")},
		}
	case have > 0:
		if err := backUp(db, path+".format-"+strconv.Itoa(have)); err != nil {
			return migrationFailure(path, have, want, err)
		}
	}
	err = db.Update(func(tx *bbolt.Tx) error { return migrate(tx, have, want) })
	if err != nil {
		return migrationFailure(path, have, want, err)
	}
	return nil
}

// formatOf returns the format of the file, 0 where nothing was written yet.
func formatOf(db *bbolt.DB) (format int, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta != nil {
			format, err = strconv.Atoi(string(meta.Get(formatKey)))
			return err
		}
		if first, _ := tx.Cursor().First(); first != nil {
			return fmt.Errorf("it has a bucket %q, but no %q", first, metaBucket)
		}
		return nil
	})
	return format, err
}

// migrate lifts the format step by step, in one transaction.
func migrate(tx *bbolt.Tx, have, want int) error {
	for n := have; n > 0 && n < want; n++ {
		step := migrations[n]
		if step == nil {
			return fmt.Errorf("no way from format %d to %d", n, n+1)
		}
		if err := step(tx); err != nil {
			return fmt.Errorf("from format %d to %d: %w", n, n+1, err)
		}
	}
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	return meta.Put(formatKey, []byte(strconv.Itoa(want)))
}

// backUp copies the file as it is. A copy that is there already is of an
// attempt that failed, and is written anew.
func backUp(db *bbolt.DB, path string) error {
	return db.View(func(tx *bbolt.Tx) error { return tx.CopyFile(path, 0o600) })
}

func migrationFailure(path string, have, want int, err error) error {
	if noSpace(err) {
		return fullFailure(path, err)
	}
	return &sim.Failure{
		What: sim.T("%s is of format %d and could not be brought to format %d", path, have, want),
		Next: []sim.Text{sim.T("Run the labsim that wrote it. The file is as it was.")},
		Err:  err,
	}
}

// foreign never advises to take the file away: without it nothing is known of
// what stands.
func foreign(path string, err error) error {
	return &sim.Failure{
		What: sim.T("%s is not a state file of labsim, or is damaged", path),
		Next: []sim.Text{sim.Cmd("labsim state restore"), sim.T("It puts the last good copy in its place. The file was not changed.")},
		Err:  err,
	}
}

// failureOr is the failure of a damaged file where err is of one.
func failureOr(path string, err error) error {
	var d damaged
	if errors.As(err, &d) {
		return foreign(path, d.error)
	}
	return err
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func fullFailure(path string, err error) error {
	return &sim.Failure{
		What: sim.T("there is no space left on the disk that holds %s", path),
		Next: []sim.Text{sim.T("Free some space and start again. The file was not changed.")},
		Err:  err,
	}
}

func openFailure(path string, err error) error {
	switch {
	case errors.As(err, new(damaged)):
		return failureOr(path, err)
	case noSpace(err):
		return fullFailure(path, err)
	case errors.Is(err, berrors.ErrTimeout), errors.Is(err, errLocked):
		return &sim.Failure{
			What: sim.T("%s is in use by another labsim", path),
			Next: []sim.Text{sim.T("End the other one, or wait until it has ended.")},
		}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return &sim.Failure{
			What: sim.T("%s can't be opened", path),
			Next: []sim.Text{sim.T("Check that its directory exists and may be written to.")},
			Err:  err,
		}
	case errors.Is(err, os.ErrInvalid), errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return foreign(path, err)
	}
	return &sim.Failure{
		What: sim.T("%s can't be opened", path),
		Next: []sim.Text{sim.T("Check the disk: space left, read-only, errors in the kernel's log.")},
		Err:  err,
	}
}
