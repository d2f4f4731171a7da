//go:build linux

package standing

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// greets listens and sends a letter to whoever connects.
func greets(t *testing.T) (l *Listener, path string, ended chan error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "st") // short enough for a socket's address
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	if l, err = Listen(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ended = make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			c.Write([]byte("x"))
		}
	}()
	return l, path, ended
}

// answered connects as soon as there is a socket, and reads the letter.
func answered(t *testing.T, path string) net.Conn {
	t.Helper()
	var last error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.SetDeadline(end)
			if _, err = c.Read(make([]byte, 1)); err == nil {
				return c
			}
			c.Close()
		}
		last = err
	}
	t.Fatalf("no answer: %v", last)
	return nil
}

func TestMadeAgain(t *testing.T) {
	_, path, ended := greets(t)
	first := answered(t, path)
	for range 20 {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		answered(t, path).Close()
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v; want mode 0600", st, err)
	}
	first.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := first.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the first connection: %v, want it to last", err)
	}
	select {
	case err := <-ended:
		t.Errorf("Accept ended: %v", err)
	default:
	}
}

func TestRenamed(t *testing.T) {
	_, path, _ := greets(t)
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	answered(t, path).Close()
}

func TestDirectoryGone(t *testing.T) {
	_, path, ended := greets(t)
	for { // until it was faster than the listener
		if err := os.RemoveAll(filepath.Dir(path)); err == nil {
			break
		}
	}
	select {
	case err := <-ended:
		if !errors.Is(err, ErrLost) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v, want %v", err, ErrLost)
		}
	case <-time.After(30 * time.Second):
		t.Error("Accept waits, though nobody can connect any more")
	}
}

func TestClose(t *testing.T) {
	l, path, ended := greets(t)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want %v", err, net.ErrClosed)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left")
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := l.Close(); err != nil { // again, and another's socket stays
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
