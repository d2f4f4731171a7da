package source

import (
	"io"
	"io/fs"
	"os"
	"syscall"

	"labsim/sim"
)

// Folder opens a lab's directory, of which nothing leads out: a link in it to a
// file elsewhere is not followed.
func Folder(dir string) (fs.FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return folder{root}, nil
}

type folder struct{ root *os.Root }

func (f folder) Stat(name string) (fs.FileInfo, error) { return f.root.Stat(name) }

func (f folder) Open(name string) (fs.File, error) { return f.root.OpenFile(name, opening, 0) }

// opening does not wait: a named pipe would keep its reader until somebody writes.
const opening = os.O_RDONLY | syscall.O_NONBLOCK

// ReadFile reads a file of a lab's directory: a regular one of at most MaxFile bytes.
func ReadFile(dir fs.FS, name string) ([]byte, error) {
	if st, err := fs.Stat(dir, name); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, noFile(name)
	}
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, name)
}

// ReadNamed reads the file that a user has named, with the same bounds.
func ReadNamed(name string) ([]byte, error) {
	if st, err := os.Stat(name); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, noFile(name) // to open a device may do something already
	}
	f, err := os.OpenFile(name, opening, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, name)
}

// read looks again at what was opened, and counts: a file may grow, and those of
// /proc say that they are empty.
func read(f fs.File, name string) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && (!st.Mode().IsRegular() || len(data) > MaxFile) {
		err = noFile(name)
	}
	return data, err
}

func noFile(name string) error {
	return &sim.Failure{What: sim.T("%s is no file of at most %d bytes", name, MaxFile)}
}
