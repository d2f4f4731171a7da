package store_test

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/store"
	"labsim/sim/world"
)

func openWorld(t testing.TB, path string) (*store.Store, *world.World) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w, err := world.New(world.Options{Region: "us-east-1", Zones: []sim.Zone{"us-east-1a"}, Now: time.Now, Random: rand.Reader, Commit: s.Commit}, s.Rows())
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

func createVPC(w *world.World) error {
	return w.UpdateAs("000000000000", func(tx *world.Tx) error {
		_, err := tx.CreateVPC(world.CreateVPC{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
		return err
	})
}

// What a world answered is there after the process is gone.
func TestWorldComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s, w := openWorld(t, path)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := createVPC(w); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.Close()
	_, again := openWorld(t, path)
	want := fmt.Sprint(w.View().VPCs.Len(), w.View().RouteTables.Len(), w.View().SecurityGroups.Len())
	if got := fmt.Sprint(again.View().VPCs.Len(), again.View().RouteTables.Len(), again.View().SecurityGroups.Len()); got != want {
		t.Errorf("VPCs, tables, groups after reopening: %s, want %s", got, want)
	}
	for id, v := range again.View().VPCs.All() {
		if diff := w.View().VPCs.Row(id); diff.CIDR() != v.CIDR() || diff.Owner != v.Owner {
			t.Errorf("%s came back as %+v, was %+v", id, v, diff)
		}
	}
}

// How many durable requests a second, one after another and from many at once.
func BenchmarkUpdate(b *testing.B) {
	for _, clients := range []int{1, 20} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			_, w := openWorld(b, filepath.Join(b.TempDir(), "world.db"))
			var vpc sim.VPCID
			w.UpdateAs("000000000000", func(tx *world.Tx) error {
				v, err := tx.CreateVPC(world.CreateVPC{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
				vpc = v.ID
				return err
			})
			n := make(chan struct{}, clients)
			b.ResetTimer()
			var wg sync.WaitGroup
			for i := range b.N {
				n <- struct{}{}
				wg.Go(func() {
					tag := sim.Tags{{Key: "n", Value: fmt.Sprint(i)}}
					if err := w.UpdateAs("000000000000", func(tx *world.Tx) error {
						return tx.CreateTags(world.CreateTags{Resources: []string{string(vpc)}, Tags: tag})
					}); err != nil {
						b.Error(err)
					}
					<-n
				})
			}
			wg.Wait()
		})
	}
}
