package world

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
)

func vpcOf(tx *Tx) (sim.VPC, error) { return tx.CreateVPC(CreateVPC{CIDR: prefix("10.0.0.0/16")}) }

func TestFailedTransactionLeavesNothing(t *testing.T) {
	r := newRegion(t)
	before := r.View()
	boom := errors.New("boom")
	err := r.UpdateAs(alice, func(tx *Tx) error { return errors.Join(drop(vpcOf)(tx), boom) })
	if !errors.Is(err, boom) || r.View() != before {
		t.Errorf("got error %v and %d VPCs, want the error and none", err, r.View().VPCs.Len())
	}
}

func TestSnapshotNeverChanges(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	snapshot := r.View()
	want := dump(t, snapshot)
	n := r.subnet(v, "10.0.1.0/24")
	r.launch(n, nil)
	r.run(func(tx *Tx) error {
		return tx.CreateTags(CreateTags{Resources: []string{string(v.ID)}, Tags: sim.Tags{{Key: "a", Value: "b"}}})
	})
	if diff := cmp.Diff(want, dump(t, snapshot)); diff != "" {
		t.Error("a snapshot changed after it was taken:\n" + diff)
	}
}

// While one commit writes, the transactions that come share the next one.
func TestNeighboursShareACommit(t *testing.T) {
	var commits [][]Change
	entered, gate := make(chan struct{}, 10), make(chan struct{})
	r := newRegionWith(t, Options{Commit: func(c []Change) error {
		entered <- struct{}{}
		<-gate
		commits = append(commits, c)
		return nil
	}})
	var wg sync.WaitGroup
	update := func() {
		wg.Go(func() {
			if err := r.UpdateAs(alice, drop(vpcOf)); err != nil {
				t.Error(err)
			}
		})
	}
	update()
	<-entered
	for range 5 {
		update()
	}
	waitFor(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.head.VPCs.Len() == 6 })
	if n := r.View().VPCs.Len(); n != 0 {
		t.Errorf("%d VPCs are seen before any commit ended", n)
	}
	close(gate)
	wg.Wait()
	if len(commits) != 2 || r.View().VPCs.Len() != 6 || r.View().Version != 6 {
		t.Errorf("%d commits, %d VPCs, version %d; want 2, 6, 6", len(commits), r.View().VPCs.Len(), r.View().Version)
	}
}

// A commit that fails undoes its transactions and those that were built on it.
func TestFailedCommitUndoesWhatFollows(t *testing.T) {
	full := errors.New("disk full")
	entered, gate := make(chan struct{}, 10), make(chan error)
	r := newRegionWith(t, Options{Commit: func([]Change) error { entered <- struct{}{}; return <-gate }})
	errs := make(chan error, 2)
	go func() { errs <- r.UpdateAs(alice, drop(vpcOf)) }()
	<-entered
	go func() { errs <- r.UpdateAs(alice, drop(vpcOf)) }()
	waitFor(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.next != nil })
	gate <- full
	for range 2 {
		if err := <-errs; !errors.Is(err, full) {
			t.Errorf("got %v, want %v", err, full)
		}
	}
	if n := r.View().VPCs.Len(); n != 0 {
		t.Errorf("%d VPCs stand after the failed commit", n)
	}
	go func() { gate <- nil }()
	r.vpc("10.1.0.0/16")
	if n := r.View().VPCs.Len(); n != 1 {
		t.Errorf("%d VPCs after the next commit, want 1", n)
	}
}

// An answer out of what others have done waits until that is durable.
func TestReadOnlyTransactionWaitsForWhatItSaw(t *testing.T) {
	entered, gate := make(chan struct{}), make(chan struct{})
	r := newRegionWith(t, Options{Commit: func([]Change) error { entered <- struct{}{}; <-gate; return nil }})
	go r.UpdateAs(alice, drop(vpcOf))
	<-entered
	done := make(chan struct{})
	go func() { r.UpdateAs(alice, func(*Tx) error { return nil }); close(done) }()
	select {
	case <-done:
		t.Error("it was answered before the commit that it saw had ended")
	case <-time.After(20 * time.Millisecond):
	}
	close(gate)
	<-done
}

func TestUnchangedRowIsNoChange(t *testing.T) {
	commits := 0
	r := newRegionWith(t, Options{Commit: func([]Change) error { commits++; return nil }})
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	for range 3 {
		if err := r.Update(func(tx *Tx) error { return tx.ObserveSubnet(n.ID, true) }); err != nil {
			t.Fatal(err)
		}
	}
	if commits != 3 {
		t.Errorf("%d commits, want 3: VPC, subnet, first observation", commits)
	}
}

func TestWatchSeesTheLastState(t *testing.T) {
	r := newRegion(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for range 50 {
			if err := r.UpdateAs(alice, drop(vpcOf)); err != nil {
				t.Error(err)
			}
		}
	}()
	last := -1
	for s := range r.Watch(ctx) {
		if s.VPCs.Len() < last {
			t.Errorf("went back from %d to %d VPCs", last, s.VPCs.Len())
		}
		if last = s.VPCs.Len(); last == 50 {
			cancel()
		}
	}
	if last != 50 {
		t.Errorf("saw %d VPCs at last, want 50", last)
	}
}

func TestUnknownTableIsRefused(t *testing.T) {
	rows := func(yield func(Change, error) bool) { yield(Change{Table: "moon", ID: "m-1"}, nil) }
	if _, err := New(Options{}, rows); err == nil {
		t.Error("a state with a table that this build doesn't know was accepted")
	}
}

// What an older labsim let in is still read, and can be changed and removed.
func TestOlderNamesAreRead(t *testing.T) {
	const id = "vol-00000000000000001"
	rows := func(yield func(Change, error) bool) {
		yield(Change{Table: "volume", ID: id, Data: []byte(`{"ID":"` + id + `","Owner":"` + string(alice) + `","Zone":"us-east-1a","Size":1,"Type":"gp3",
			"Tags":[{"Key":"a\u001b","Value":"b\n"},{"Key":"labsim:mount","Value":"/proc"}]}`)}, nil)
	}
	r := newRegion(t)
	w, err := New(Options{Region: "us-east-1", Zones: []sim.Zone{"us-east-1a"}, Now: time.Now, Random: rand.Reader}, rows)
	if err != nil {
		t.Fatal(err)
	}
	r.World = w
	r.run(func(tx *Tx) error {
		return tx.CreateTags(CreateTags{[]string{id}, sim.Tags{{Key: sim.TagMount, Value: "/data"}}})
	})
	if got := r.View().Volumes.Row(id).Tags; got.Value(sim.TagMount) != "/data" || len(got) != 2 {
		t.Errorf("tags %q, want the older one and /data", got)
	}
}

// dump returns every row of a state in its durable form.
func dump(t testing.TB, s *State) map[string]string {
	t.Helper()
	out := map[string]string{}
	for tab := range s.tables() {
		for id := range tab.ids() {
			data, err := tab.encode(id)
			if err != nil {
				t.Fatal(err)
			}
			out[tab.tableName()+"/"+id] = string(data)
		}
	}
	return out
}

// replay gives the rows that commits left behind.
func replay(rows map[string]Change) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for c := range maps.Values(rows) {
			if c.Data != nil && !yield(c, nil) {
				return
			}
		}
	}
}

func keep(rows map[string]Change) func([]Change) error {
	return func(changes []Change) error {
		for _, c := range changes {
			rows[fmt.Sprint(c.Table, "/", c.ID)] = c
		}
		return nil
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for range 30000 {
		if what() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it did not happen within half a minute")
}
