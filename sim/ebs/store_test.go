//go:build linux

package ebs

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

const volA sim.VolumeID = "vol-0123456789abcdef0"

func volumeOf(id sim.VolumeID, gib int) dataplane.Volume {
	return dataplane.Volume{ID: id, Account: "000000000000", Region: "us-east-1", SizeGiB: gib, Lab: "lab", Name: "data", Tags: sim.Tags{{Key: "Name", Value: "data"}}}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(filepath.Join(dir, "ebs"), filepath.Join(dir, "mnt"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// needLoop skips where there are no loop devices; CI has them.
func needLoop(t *testing.T) {
	t.Helper()
	ctl, err := openControl()
	if err == nil {
		unix.Close(ctl)
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have loop devices: %v", err)
	}
	t.Skipf("needs root and loop devices: %v", err)
}

// set returns once all is made, however long that takes: Set itself does not.
func set(t *testing.T, s *Store, v ...dataplane.Volume) {
	t.Helper()
	p := s.Set(v)
	for _, x := range v {
		made(s, x.ID)
	}
	if p != nil {
		t.Fatalf("Set: %v", p)
	}
}

// made waits until a volume is not in the making.
func made(s *Store, id sim.VolumeID) {
	s.mu.Lock()
	var done chan struct{}
	if v := s.volumes[id]; v != nil {
		done = v.done
	}
	s.mu.Unlock()
	if done != nil {
		<-done
	}
}

// ask is Set for one volume, without waiting for more than its beginning.
func ask(s *Store, v dataplane.Volume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for was := s.ask(v); was.wanted != nil && was.doing == nil; s.mu.Lock() {
		s.mu.Unlock()
		runtime.Gosched()
	}
}

func mount(t *testing.T, s *Store, id sim.VolumeID) string {
	t.Helper()
	p, err := s.Mount(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Unmount(id) })
	return p
}

func loops(t *testing.T, s *Store, id sim.VolumeID) int {
	t.Helper()
	img, err := os.Open(s.image(id))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	l, err := findLoop(img)
	if err != nil {
		t.Fatal(err)
	}
	if l == nil {
		return 0
	}
	l.close()
	return 1
}

func TestSetMakesSparseFileWithSidecar(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	set(t, s, volumeOf(volA, 8))
	fi, err := os.Stat(s.image(volA))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Size() != 8<<30 {
		t.Errorf("size %d, want 8 GiB", fi.Size())
	}
	if used := fi.Sys().(*syscall.Stat_t).Blocks * 512; used > 16<<20 {
		t.Errorf("a new volume of 8 GiB takes %d bytes", used)
	}
	v := volumeOf(volA, 8)
	want := []dataplane.VolumeStatus{{ID: volA, Account: v.Account, Region: v.Region, SizeGiB: 8, Lab: "lab", Name: "data", Tags: v.Tags}}
	if d := cmp.Diff(want, open(t, dir).Status()); d != "" { // a new process sees it too
		t.Error(d)
	}
	renamed := v
	renamed.Name = "other"
	set(t, s, renamed)
	if got := s.Status()[0].Name; got != "other" {
		t.Errorf("name %q after a change, want other", got)
	}
}

// A volume is deleted for good also where that was asked while it was made: it
// was said to be gone at once, and then came back with the tags it began with.
func TestDeleteInTheMaking(t *testing.T) {
	s := open(t, t.TempDir())
	s.lanes[0].Lock() // so that it stays in the making
	v := volumeOf(volA, 1)
	ask(s, v)
	v.Delete = true
	ask(s, v)
	if st := s.Status(); len(st) != 1 || st[0].ID != volA {
		t.Errorf("while it can't be deleted yet: %+v, want the volume", st)
	}
	s.lanes[0].Unlock()
	made(s, volA)
	if st := s.Status(); len(st) != 0 || s.Has(volA) {
		t.Errorf("deleted in the making: %+v, data there: %v", st, s.Has(volA))
	}
	if left, _ := os.ReadDir(s.dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is changed of a volume in the making is in the file beside it at the end.
func TestTagsInTheMaking(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.lanes[0].Lock()
	v := volumeOf(volA, 1)
	ask(s, v)
	v.Tags = v.Tags.With("answered", "yes")
	ask(s, v)
	s.lanes[0].Unlock()
	made(s, volA)
	if st := open(t, dir).Status(); len(st) != 1 || st[0].Tags.Value("answered") != "yes" {
		t.Errorf("after it was made: %+v, want the tag", st)
	}
}

func TestFileSystemPassesCheck(t *testing.T) {
	e2fsck, err := exec.LookPath("e2fsck")
	if err != nil {
		if e2fsck = "/sbin/e2fsck"; !exists(e2fsck) {
			t.Skip("no e2fsck here")
		}
	}
	for _, gib := range []int{1, 3, 8, 20} {
		s := open(t, t.TempDir())
		began := time.Now()
		set(t, s, volumeOf(volA, gib))
		t.Logf("%d GiB: made in %v", gib, time.Since(began).Round(time.Millisecond))
		if out, err := exec.Command(e2fsck, "-fn", s.image(volA)).CombinedOutput(); err != nil {
			t.Errorf("%d GiB: %v\n%s", gib, err, out)
		}
		os.Remove(s.image(volA))
	}
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

func TestSetRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	set(t, s, volumeOf(volA, 1))
	small := volumeOf("vol-0000000000000000f", 0)
	for name, c := range map[string]struct {
		v    dataplane.Volume
		want string
	}{
		"no id":      {volumeOf("../../etc/passwd", 1), "is no volume id"},
		"no size":    {small, "too small"},
		"other size": {volumeOf(volA, 2), "can't become 2 GiB"},
	} {
		p := s.Set([]dataplane.Volume{c.v})
		if len(p) != 1 || !strings.Contains(p[0].Message, c.want) {
			t.Errorf("%s: %v, want one problem with %q", name, p, c.want)
		}
	}
	if st := s.Status(); len(st) != 3 || st[0].ID != "../../etc/passwd" && st[0].Error == "" {
		t.Errorf("status %+v, want the volume and two errors", st)
	}
}

func TestMountKeepsData(t *testing.T) {
	needLoop(t)
	s := open(t, t.TempDir())
	set(t, s, volumeOf(volA, 1))
	began := time.Now()
	p := mount(t, s, volA)
	t.Logf("mounted in %v", time.Since(began))
	if again, err := s.Mount(volA); err != nil || again != p {
		t.Errorf("second Mount: %q %v, want the same place", again, err)
	}
	if err := os.WriteFile(filepath.Join(p, "count"), []byte("7"), 0o644); err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(p, &st); err != nil {
		t.Fatal(err)
	}
	if st.Type != unix.EXT4_SUPER_MAGIC || st.Flags&unix.ST_NODEV == 0 || st.Flags&unix.ST_NOSUID == 0 {
		t.Errorf("type %x flags %x, want ext4 with nodev and nosuid", st.Type, st.Flags)
	}
	if size := int64(st.Blocks) * st.Bsize; size < 900<<20 || size > 1<<30 {
		t.Errorf("the file system has %d bytes, want about 1 GiB", size)
	}
	if !s.Status()[0].InUse {
		t.Error("a mounted volume is not reported in use")
	}
	if err := s.Unmount(volA); err != nil {
		t.Fatal(err)
	}
	if n := loops(t, s, volA); n != 0 {
		t.Error("the loop device outlives the mount")
	}
	if b, err := os.ReadFile(filepath.Join(mount(t, s, volA), "count")); string(b) != "7" {
		t.Errorf("after a second mount: %q %v, want 7", b, err)
	}
}

// The process that attached a device, and died before it mounted it, leaves nothing.
func TestDeviceDiesWithTheAttacher(t *testing.T) {
	needLoop(t)
	s := open(t, t.TempDir())
	set(t, s, volumeOf(volA, 1))
	img, err := os.OpenFile(s.image(volA), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	l, err := attach(img, "test")
	if err != nil {
		t.Fatal(err)
	}
	if n := loops(t, s, volA); n != 1 {
		t.Fatalf("%d devices, want 1", n)
	}
	l.close() // what the kernel does for a process that is killed
	deadline := time.Now().Add(5 * time.Second)
	for loops(t, s, volA) != 0 {
		if time.Now().After(deadline) {
			t.Fatal("the loop device stays")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A new process finds the mount of the old one, and shares the device of a mount
// that it can't see: two devices on one image destroy it.
func TestAdoptAfterCrash(t *testing.T) {
	needLoop(t)
	dir := t.TempDir()
	s := open(t, dir)
	set(t, s, volumeOf(volA, 1))
	p := mount(t, s, volA)
	other := open(t, dir)
	if got := other.Mounted(); len(got) != 1 || got[0] != volA {
		t.Errorf("Mounted: %v, want %s", got, volA)
	}
	elsewhere, err := Open(filepath.Join(dir, "ebs"), filepath.Join(dir, "mnt2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	q := mount(t, elsewhere, volA)
	if err := os.WriteFile(filepath.Join(p, "x"), []byte("same"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(q, "x")); string(b) != "same" {
		t.Errorf("the second mount shows %q (%v): it has a device of its own", b, err)
	}
}

func TestDelete(t *testing.T) {
	needLoop(t)
	s := open(t, t.TempDir())
	gone := volumeOf(volA, 1)
	gone.Delete = true
	set(t, s, gone) // what isn't there is deleted
	set(t, s, volumeOf(volA, 1))
	mount(t, s, volA)
	if p := s.Set([]dataplane.Volume{gone}); len(p) != 1 || !strings.Contains(p[0].Message, "in use") {
		t.Errorf("deleting a mounted volume: %v, want a refusal", p)
	}
	if !s.Has(volA) {
		t.Fatal("the data of a mounted volume is gone")
	}
	if err := s.Unmount(volA); err != nil {
		t.Fatal(err)
	}
	set(t, s, gone)
	if left, _ := os.ReadDir(s.dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if st := s.Status(); len(st) != 0 {
		t.Errorf("status after delete: %v", st)
	}
}

func TestDamagedDisk(t *testing.T) {
	needLoop(t)
	for name, c := range map[string]struct {
		damage func(path string) error
		want   string
	}{
		"overwritten": {func(p string) error {
			f, err := os.OpenFile(p, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(make([]byte, 1<<20), 0)
			return err
		}, "damaged: its file system can't be read"},
		"cut":     {func(p string) error { return os.Truncate(p, 1<<20) }, "damaged: its file has 1048576 bytes of 1073741824"},
		"missing": {os.Remove, "has no data on this node"},
	} {
		s := open(t, t.TempDir())
		set(t, s, volumeOf(volA, 1))
		if err := c.damage(s.image(volA)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Mount(volA); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if left, _ := os.ReadDir(s.mounts); len(left) != 0 {
			t.Errorf("%s: the failed mount leaves %v", name, left)
		}
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("needs root: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s := open(t, dir)
	p := s.Set([]dataplane.Volume{volumeOf(volA, 8)})
	if len(p) != 1 || !strings.Contains(p[0].Message, "no space left on the engine's disk") {
		t.Errorf("Set on a full disk: %v", p)
	}
	if s.Has(volA) {
		t.Error("half a volume stands")
	}
	if st := s.Status(); len(st) != 1 || st[0].Error == "" {
		t.Errorf("status %v, want the error", st)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*"+newSuffix)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenForgetsHalfMadeFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	half := s.image(volA) + newSuffix
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if open(t, dir); exists(half) {
		t.Error("what a crash left half made is still there")
	}
}

func TestClearAndPurge(t *testing.T) {
	needLoop(t)
	s := open(t, t.TempDir())
	set(t, s, volumeOf(volA, 1))
	mount(t, s, volA)
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	if n := loops(t, s, volA); n != 0 || s.Path(volA) != "" {
		t.Errorf("after Clear: %d devices, mounted at %q", n, s.Path(volA))
	}
	if !s.Has(volA) {
		t.Fatal("Clear destroyed data")
	}
	if err := s.Purge(); err != nil || s.Has(volA) {
		t.Errorf("Purge: %v, data there: %v", err, s.Has(volA))
	}
}
