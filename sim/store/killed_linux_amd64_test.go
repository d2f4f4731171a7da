package store_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/killtest"
	"labsim/sim/store"
	"labsim/sim/world"
)

// What a world answered is there wherever the process was killed: before or after
// any write, sync, truncation or rename of its own.
func TestAnsweredIsThere(t *testing.T) {
	if dir, ok := killtest.Child(); ok {
		mutate(filepath.Join(dir, "world.db"))
		os.Exit(0)
	}
	killtest.Each(t, killtest.All, t.TempDir, func(dir string, answered []string) {
		s, w := openWorld(t, filepath.Join(dir, "world.db"))
		defer s.Close()
		for _, line := range answered {
			id, tag, _ := strings.Cut(line, " ")
			v, ok := w.View().Volumes.Get(sim.VolumeID(id))
			if v.Tags.Value(tag) != "yes" {
				t.Errorf("answered %q; the volume is there: %v, with the tags %v", line, ok, v.Tags)
			}
		}
	})
}

// mutate makes volumes and tags them, and says what it was answered.
func mutate(path string) {
	s, err := store.Open(path)
	check(err)
	w, err := world.New(world.Options{Region: "us-east-1", Zones: []sim.Zone{"us-east-1a"}, Now: time.Now, Random: rand.Reader, Commit: s.Commit}, s.Rows())
	check(err)
	var id sim.VolumeID
	do := func(f func(*world.Tx) error) { check(w.UpdateAs("000000000000", f)) }
	for n := range 2 {
		do(func(tx *world.Tx) error {
			v, err := tx.CreateVolume(world.CreateVolume{Zone: "us-east-1a", Size: 1, Tags: sim.Tags{{Key: "made", Value: "yes"}}})
			id = v.ID
			return err
		})
		fmt.Println(id, "made")
		tag := fmt.Sprint("tag", n)
		do(func(tx *world.Tx) error {
			return tx.CreateTags(world.CreateTags{Resources: []string{string(id)}, Tags: sim.Tags{{Key: tag, Value: "yes"}}})
		})
		fmt.Println(id, tag)
		do(func(tx *world.Tx) error { return tx.ObserveVolume(id, world.VolumeObservation{Ready: true}) })
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
