package store

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim/world"
)

// A limit on the size of files makes every write fail that would need more
// room, as a full disk does.
// It is one of the whole process, so this is one of its own: the testing package
// writes too.
func TestFullDiskLeavesTheOldState(t *testing.T) {
	const child = "LABSIM_LIMITED"
	if os.Getenv(child) == "" {
		c := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), child+"=1")
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "world.db")
	s := open(t, path)
	commit(t, s, row("vpc", "vpc-1", "a"))
	want := rows(t, s)

	restore := limitFiles(t, path)
	var many []world.Change
	for n := range 2000 {
		many = append(many, row("subnet", "subnet-"+strconv.Itoa(n), strings.Repeat("x", 500)))
	}
	err := s.Commit(many)
	restore()
	if err == nil {
		t.Fatal("the commit succeeded on a full disk")
	}
	if diff := cmp.Diff(want, rows(t, s)); diff != "" {
		t.Error("rows after the failed commit (-want +got):\n" + diff)
	}

	commit(t, s, row("vpc", "vpc-2", "b")) // there is room again
	s.Close()
	want["vpc/vpc-2"] = "b"
	if diff := cmp.Diff(want, rows(t, open(t, path))); diff != "" {
		t.Error("rows after reopening (-want +got):\n" + diff)
	}
}

func limitFiles(t *testing.T, path string) (restore func()) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(info.Size()), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)
		signal.Reset(syscall.SIGXFSZ)
	}
}
