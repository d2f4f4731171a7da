package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// guestMount shows the guest's files, PID 1 and the agent's socket, to the
// engine. It is a mount, not a path, so that it outlives the plugin's directory.
type guestMount struct {
	source, target string
	mu             sync.Mutex // one mount at a time
}

func (g *guestMount) mount() (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.path() != "" {
		return g.target, nil
	}
	if err := os.MkdirAll(g.target, 0o755); err != nil {
		return "", err
	}
	if err := unix.Mount(g.source, g.target, "", unix.MS_BIND, ""); err != nil {
		return "", fmt.Errorf("show the guest's files to the engine: %w", err)
	}
	return g.target, nil
}

// path returns where the mount is, or "" while there is none: then the target
// is an empty directory, or none.
func (g *guestMount) path() string {
	var at, from unix.Stat_t
	if unix.Stat(g.target, &at) != nil || unix.Stat(g.source, &from) != nil {
		return ""
	}
	if at.Dev != from.Dev || at.Ino != from.Ino {
		return ""
	}
	return g.target
}

func (g *guestMount) unmount() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		switch err := unix.Unmount(g.target, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH); {
		case err == nil:
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil
		default:
			return fmt.Errorf("unmount %s: %w", g.target, err)
		}
	}
}

// installGuest puts the running binary where the guests start it from, if
// another build is there. Guests that run keep the file that they have.
func installGuest(exe, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	src, err := os.Open(exe)
	if err != nil {
		return err
	}
	defer src.Close()
	path := filepath.Join(dir, "init")
	if same, err := sameContent(src, path); same || err != nil {
		return err
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	dst, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err == nil {
		err = dst.Chmod(0o755) // whatever the umask
	}
	if err == nil {
		err = dst.Sync()
	}
	if e := dst.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

func sameContent(a *os.File, path string) (bool, error) {
	b, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer b.Close()
	x, err := a.Stat()
	if err != nil {
		return false, err
	}
	y, err := b.Stat()
	if err != nil || x.Size() != y.Size() || y.Mode().Perm() != 0o755 {
		return false, err
	}
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(a, p)
		m, _ := io.ReadFull(b, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}
