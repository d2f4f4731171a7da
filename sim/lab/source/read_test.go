//go:build unix

package source

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Of a stranger's directory only its own files are read, without waiting, and no
// more of them than there may be.
func TestRead(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	write := func(file string, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(outside, []byte("secret"))
	write(filepath.Join(dir, "good"), []byte("good"))
	write(filepath.Join(dir, "most"), bytes.Repeat([]byte{'x'}, MaxFile))
	write(filepath.Join(dir, "large"), bytes.Repeat([]byte{'x'}, MaxFile+1))
	if err := os.Truncate(filepath.Join(dir, "large"), 1<<40); err != nil {
		t.Logf("no file of 1 TiB here: %v", err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	link("good", "beside")
	link(outside, "absolute")
	link("../../../../../../../../.."+outside, "relative")
	link("/dev/zero", "zeros")
	link("/", "everything")
	link("pipe", "to-pipe")
	link("loop", "loop")
	folder, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ok   bool // in the directory
		user bool // named by the user, who may mean what a link leads to
	}{
		{"good", true, true}, {"most", true, true}, {"beside", true, true},
		{"large", false, false}, {"pipe", false, false}, {"to-pipe", false, false}, {"zeros", false, false}, {"loop", false, false}, {"everything", false, false},
		{"nothing", false, false}, {"absolute", false, true}, {"relative", false, true}, {"everything" + outside, false, true},
		{"../" + filepath.Base(dir) + "/good", false, true}, {outside, false, false},
	} {
		began := time.Now()
		data, err := ReadFile(folder, c.name)
		if (err == nil) != c.ok {
			t.Errorf("%s: %d bytes, %v", c.name, len(data), err)
		}
		if strings.Contains(string(data), "secret") {
			t.Errorf("%s: read %q", c.name, data)
		}
		if data, err = ReadNamed(filepath.Join(dir, c.name)); (err == nil) != c.user {
			t.Errorf("%s, named: %d bytes, %v", c.name, len(data), err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: it took %v", c.name, took)
		}
	}
}

// A file of /proc says that it is empty.
func TestReadCounts(t *testing.T) {
	const endless = "/proc/kallsyms"
	if st, err := os.Stat(endless); err != nil || st.Size() != 0 {
		t.Skipf("no %s here", endless)
	}
	if data, err := ReadNamed(endless); err == nil {
		t.Errorf("%d bytes of %s are taken", len(data), endless)
	}
}
