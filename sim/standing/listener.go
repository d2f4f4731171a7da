package standing

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// ErrLost is why Accept ends by itself: the directory has gone, most likely. To who
// only asks whether the listener is closed it is net.ErrClosed too.
var ErrLost = errors.New("the socket was removed and can't be made again")

// Listener is a Unix socket that is made again when its name is removed. One that
// another has put in its place is left alone.
type Listener struct {
	path string
	mode fs.FileMode
	stop func() // ends the watch

	mu     sync.Mutex
	now    *net.UnixListener
	file   fs.FileInfo // of now
	failed error       // why there is none any more
}

// Listen makes the socket with that mode; what an earlier process has left there goes.
func Listen(path string, mode fs.FileMode) (*Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l := &Listener{path: path, mode: mode}
	removed, stop, err := watch(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", filepath.Dir(path), err)
	}
	l.stop = stop
	if l.now, l.file, err = l.make(); err != nil {
		stop()
		return nil, err
	}
	go l.keep(removed)
	return l, nil
}

func (l *Listener) make() (*net.UnixListener, fs.FileInfo, error) {
	made, err := net.ListenUnix("unix", &net.UnixAddr{Name: l.path})
	if err != nil {
		return nil, nil, err
	}
	made.SetUnlinkOnClose(false) // by then another may have its own there
	err = os.Chmod(l.path, l.mode)
	file, serr := os.Lstat(l.path)
	if err = errors.Join(err, serr); err != nil {
		made.Close()
	}
	return made, file, err
}

// keep makes the socket again each time that it is missing, until the watch ends.
func (l *Listener) keep(removed <-chan struct{}) {
	for range removed {
		if _, err := os.Lstat(l.path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if !l.again() {
			l.stop()
		}
	}
}

// again reports whether the listener goes on.
func (l *Listener) again() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return false
	}
	made, file, err := l.make()
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Lstat(filepath.Dir(l.path)); serr == nil {
			return true // it was removed in this moment once more, which is told too
		}
	}
	old := l.now
	defer old.Close() // wakes Accept
	if err != nil {
		l.failed = fmt.Errorf("%w: %w (%w)", ErrLost, err, net.ErrClosed)
		return false
	}
	l.now, l.file = made, file
	return true
}

// Accept waits for the next connection. It ends with net.ErrClosed after Close, and
// with ErrLost where the socket could not be made again.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		now, failed := l.now, l.failed
		l.mu.Unlock()
		if failed != nil {
			return nil, failed
		}
		c, err := now.Accept()
		if err == nil || !errors.Is(err, net.ErrClosed) {
			return c, err
		}
	}
}

// Close removes the socket, if it is still this one.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.failed != nil {
		l.mu.Unlock()
		return nil
	}
	l.failed = net.ErrClosed
	if file, err := os.Lstat(l.path); err == nil && os.SameFile(file, l.file) {
		os.Remove(l.path)
	}
	err := l.now.Close()
	l.mu.Unlock()
	l.stop()
	return err
}

// Addr is the socket's path.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }
