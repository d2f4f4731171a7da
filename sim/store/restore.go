package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"labsim/sim"
)

const (
	restoring = ".restored.new"
	aside     = ".aside"
	// maxAside bounds what lies aside: each may be as large as the state.
	maxAside = 8
)

// Restore puts a copy of the site's state in the place of the file at path, which
// nobody has open, and what lies there aside, under the name that it returns; "" where
// nothing did. It may be killed anywhere: the file is then the old one or the copy, or,
// where no file lay there, none.
func Restore(path, name string, site sim.Site) (lies string, err error) {
	from := filepath.Join(filepath.Dir(path), filepath.Base(name))
	if err := new(Copy).look(from, site); err != nil {
		return "", &sim.Failure{What: sim.T("the copy %s can't be used", name), Err: err, Next: []sim.Text{sim.Cmd("labsim state list")}}
	}
	if err := free(path); err != nil {
		return "", err
	}
	if err := duplicate(from, path+restoring); err != nil {
		return "", err
	}
	if lies, err = putAside(path); err != nil {
		return "", errors.Join(err, os.Remove(path+restoring))
	}
	if err := os.Rename(path+restoring, path); err != nil {
		return lies, err
	}
	return lies, syncDir(filepath.Dir(path))
}

// putAside gives what lies at path, if anything does, a second name, beside it, and
// returns that. Only a file can have two: what is none has the second one alone.
func putAside(path string) (string, error) {
	here, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for n := 1; n <= maxAside; n++ {
		to := path + aside
		if n > 1 {
			to += fmt.Sprint("-", n)
		}
		there, err := os.Lstat(to)
		switch {
		case err == nil && os.SameFile(here, there): // the run before this one was cut off
		case err == nil:
			continue
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		case here.Mode().IsRegular():
			err = os.Link(path, to)
		default:
			err = os.Rename(path, to)
		}
		if err != nil {
			return "", err
		}
		return filepath.Base(to), nil
	}
	return "", &sim.Failure{
		What: sim.T("%d states lie aside already beside %s, and none of them is overwritten", maxAside, path),
		Next: []sim.Text{sim.T("Remove those that nobody needs: %s", path+aside+"*")},
	}
}

// free says whether another process has the file open.
func free(path string) error {
	if regular(path) != nil {
		return nil // nothing lies there that could be a state
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(f, lockWait); err != nil {
		return openFailure(path, err)
	}
	return nil
}
