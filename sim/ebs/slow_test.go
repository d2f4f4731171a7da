//go:build linux

package ebs

import (
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

const (
	volB sim.VolumeID = "vol-0000000000000000b"
	volC sim.VolumeID = "vol-0000000000000000c"
)

// stuck makes volume A one whose disk does not answer: whoever opens its image
// waits, until free is called.
func stuck(t *testing.T, s *Store) (free func()) {
	t.Helper()
	set(t, s, volumeOf(volA, 1))
	if err := os.Remove(s.image(volA)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(s.image(volA), 0o600); err != nil {
		t.Fatal(err)
	}
	freed := false
	free = func() {
		if freed {
			return
		}
		freed = true
		f, err := os.OpenFile(s.image(volA), os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		f.Close()
		made(s, volA)
	}
	t.Cleanup(free)
	return free
}

// within fails if f takes longer than anything that waits for a volume may.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s waits for a volume that is slow", what)
	}
}

func idsOf(list []dataplane.VolumeStatus) (out []sim.VolumeID) {
	for _, st := range list {
		out = append(out, st.ID)
	}
	return out
}

// While something takes long with one volume, the others are made, mounted and
// reported, and the one is reported for as long as it is there.
func TestSlowVolumeStopsNoOther(t *testing.T) {
	needLoop(t)
	s := open(t, t.TempDir())
	free := stuck(t, s)
	s.patience = time.Millisecond
	gone := volumeOf(volA, 1)
	gone.Delete = true
	within(t, "Set", func() {
		if p := s.Set([]dataplane.Volume{gone, volumeOf(volB, 1)}); p != nil {
			t.Errorf("Set: %v", p)
		}
	})
	within(t, "another volume", func() {
		made(s, volB)
		mount(t, s, volB)
	})
	within(t, "a report", func() {
		if got := idsOf(s.Status()); !slices.Equal(got, []sim.VolumeID{volB, volA}) {
			t.Errorf("reported are %v", got)
		}
	})
	within(t, "another volume", func() {
		if err := s.Unmount(volB); err != nil {
			t.Error(err)
		}
	})
	free()
	if got := idsOf(s.Status()); !slices.Equal(got, []sim.VolumeID{volB}) {
		t.Errorf("after its end: %v", got)
	}
}

// Set waits once, however many volumes it waits for, and what comes after it is told.
func TestPatienceIsSpentOnce(t *testing.T) {
	told := make(chan struct{}, 3)
	s := open(t, t.TempDir())
	s.changed = func() { told <- struct{}{} }
	s.patience = time.Millisecond
	s.lanes[0].Lock()
	within(t, "Set", func() {
		if p := s.Set([]dataplane.Volume{volumeOf(volA, 1), volumeOf(volB, 1), volumeOf(volC, 1)}); p != nil {
			t.Errorf("Set: %v", p)
		}
	})
	if st := s.Status(); len(st) != 0 {
		t.Errorf("reported are %v, and none stands", idsOf(st))
	}
	s.lanes[0].Unlock()
	for range 3 {
		<-told
	}
	if st := s.Status(); len(st) != 3 {
		t.Errorf("reported are %v, want three", idsOf(st))
	}
}

// A volume of a TiB takes a minute.
func TestSmallVolumeWaitsForNoLarge(t *testing.T) {
	s := open(t, t.TempDir())
	large := s.lane(volumeOf(volA, largeGiB))
	large.Lock()
	defer large.Unlock()
	within(t, "a small one", func() { set(t, s, volumeOf(volB, 1)) })
}

// Where each is mounted is one table of the kernel's, which grows with them.
func TestReportReadsMountsOnce(t *testing.T) {
	needLoop(t)
	s := open(t, t.TempDir())
	for _, id := range []sim.VolumeID{volA, volB, volC} {
		set(t, s, volumeOf(id, 1))
		mount(t, s, id)
	}
	read := 0
	s.mounted = func(dir string) []string {
		read++
		return mountsBelow(dir)
	}
	for _, st := range s.Status() {
		if !st.InUse {
			t.Errorf("%s is mounted, and not reported so", st.ID)
		}
	}
	if read != 1 {
		t.Errorf("the mounts were read %d times", read)
	}
}
