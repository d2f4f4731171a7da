package ebs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"labsim/sim/dataplane"
	"labsim/sim/killtest"
)

// The tags of the last Set that ended are beside the volume, wherever the process
// was killed.
func TestAnsweredTagsAreThere(t *testing.T) {
	if dir, ok := killtest.Child(); ok {
		retag(dir)
		os.Exit(0)
	}
	dir := t.TempDir()
	set(t, open(t, dir), volumeOf(volA, 1)) // its making takes a while
	again := func() string { return dir }
	killtest.Each(t, killtest.Durable, again, func(dir string, answered []string) {
		s := open(t, dir)
		st := s.Status()
		if len(st) != 1 || st[0].Error != "" || !s.Has(volA) {
			t.Fatalf("after %v: %+v", answered, st)
		}
		last, _ := strconv.Atoi(st[0].Tags.Value("n"))
		if want := len(answered); last != want && last != want+1 && want > 0 {
			t.Errorf("%d tags were answered, beside the volume is %d", want, last)
		}
		if left, _ := filepath.Glob(filepath.Join(s.dir, "*"+newSuffix)); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// retag changes the volume's tags, and says what was done.
func retag(dir string) {
	s, err := Open(filepath.Join(dir, "ebs"), filepath.Join(dir, "mnt"), nil)
	for n := 1; n <= 4 && err == nil; n++ {
		v := volumeOf(volA, 1)
		v.Tags = v.Tags.With("n", strconv.Itoa(n))
		if p := s.Set([]dataplane.Volume{v}); p != nil {
			err = fmt.Errorf("%v", p)
			break
		}
		fmt.Println(n)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// A volume that is made and deleted again is, wherever the process was killed,
// there as a whole, or not there, and the next process can do what was asked for.
func TestMadeAndDeletedWhole(t *testing.T) {
	if dir, ok := killtest.Child(); ok {
		makeAndDelete(dir)
		os.Exit(0)
	}
	if os.Getenv("LABSIM_LONG") == "" {
		t.Skip("LABSIM_LONG=1 runs the slow cases")
	}
	killtest.Each(t, killtest.Durable, t.TempDir, func(dir string, answered []string) {
		said := strings.Join(answered, " ")
		s := open(t, dir)
		if here := s.Has(volA); said == "made" && !here && len(s.Status()) != 0 || said == "made deleted" && here {
			t.Errorf("after %q the volume is there: %v", said, here)
		}
		v := volumeOf(volA, 1)
		set(t, s, v)
		if st := s.Status(); len(st) != 1 || st[0].Error != "" {
			t.Errorf("after %q, asked for anew: %+v", said, st)
		}
		v.Delete = true
		set(t, s, v)
		if left, _ := os.ReadDir(s.dir); len(left) != 0 {
			t.Errorf("after %q, deleted anew: %v", said, left)
		}
	})
}

func makeAndDelete(dir string) {
	s, err := Open(filepath.Join(dir, "ebs"), filepath.Join(dir, "mnt"), nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	v := volumeOf(volA, 1)
	s.Set([]dataplane.Volume{v})
	made(s, volA)
	fmt.Println("made")
	v.Delete = true
	if p := s.Set([]dataplane.Volume{v}); p != nil {
		fmt.Println(p)
		os.Exit(1)
	}
	fmt.Println("deleted")
}
