package world

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"labsim/sim"
)

// Options are what a world needs from outside.
type Options struct {
	Region sim.Region
	Zones  []sim.Zone
	// PublicPool are the public addresses that are given out in turn, first and last.
	PublicPool AddrRange
	Now        func() time.Time
	Random     io.Reader
	// FirstVersion is where State.Version begins. Versions last no longer than the
	// process: it is for who compares them with those of an earlier one.
	FirstVersion Version
	// Room is what there is for root disks; nil: always enough. It is asked under the
	// writer's lock.
	Room func() sim.Room
	// Commit makes changes durable before anyone sees them; nil keeps nothing.
	// An error undoes the transactions that the changes come from.
	Commit func([]Change) error
}

// Change is a row that a transaction has changed, in its durable form.
type Change struct {
	Table string
	ID    string
	Data  []byte // nil: the row is gone
}

// World is the one writer of a region's state.
//
// Transactions run one after another on head, the state with everything that is
// under way. While one commit writes, the transactions that follow gather in
// next and become one commit together, so no lock is held across I/O and a disk
// that syncs slowly costs each of them one or two syncs, not one per neighbour.
type World struct {
	opts    Options
	current atomic.Pointer[State] // what is committed

	mu       sync.Mutex
	head     *State
	next     *batch // waits for the commit that is under way
	inFlight *batch // nil: no commit is under way
	changed  chan struct{}
}

// batch is what one commit makes durable.
type batch struct {
	rows  map[rowKey]Change
	state *State // after the last transaction of the batch
	done  chan struct{}
	err   error // set before done is closed
}

// New makes a world out of the rows that an earlier one committed.
func New(opts Options, rows iter.Seq2[Change, error]) (*World, error) {
	s := newState()
	s.Version = opts.FirstVersion
	byName := map[string]table{}
	for t := range s.tables() {
		byName[t.tableName()] = t
	}
	for c, err := range rows {
		if err != nil {
			return nil, err
		}
		t := byName[c.Table]
		if t == nil {
			return nil, fmt.Errorf("the stored state has a table %q that this build doesn't know", c.Table)
		}
		if err := t.decode(c.ID, c.Data); err != nil {
			return nil, err
		}
	}
	w := &World{opts: opts, head: s, changed: make(chan struct{})}
	w.current.Store(s)
	return w, nil
}

// Nothing has no rows, for a world that begins empty.
func Nothing(func(Change, error) bool) {}

// View returns the state as it is now, a snapshot.
func (w *World) View() *State { return w.current.Load() }

// UpdateAs runs f as one transaction of an account: all of what it changed is
// committed when UpdateAs returns, or, where there is an error, nothing is. In
// it the rows of other accounts do not exist.
func (w *World) UpdateAs(account sim.AccountID, f func(*Tx) error) error {
	b, err := w.run(account, f)
	if err != nil || b == nil {
		return err
	}
	<-b.done
	return b.err
}

// Update runs f as a transaction of the region itself, which sees the rows of
// all accounts: for observations.
func (w *World) Update(f func(*Tx) error) error { return w.UpdateAs("", f) }

// run executes f on head and returns the batch that will commit it. What
// changed nothing waits too, for what it has seen; nil: that is durable already.
func (w *World) run(account sim.AccountID, f func(*Tx) error) (*batch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tx := &Tx{State: w.head.copy(), Account: account, Now: w.opts.Now(), opts: &w.opts, touched: map[rowKey]table{}}
	if err := f(tx); err != nil {
		return nil, err
	}
	changes, err := tx.changes()
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		if w.next != nil {
			return w.next, nil
		}
		return w.inFlight, nil
	}
	tx.State.Version++
	w.head = tx.State
	if w.next == nil {
		w.next = &batch{rows: map[rowKey]Change{}, done: make(chan struct{})}
	}
	b := w.next
	b.add(changes, tx.State)
	if w.inFlight == nil {
		w.inFlight, w.next = b, nil
		go w.commit(b)
	}
	return b, nil
}

// commit writes batches until none waits.
func (w *World) commit(b *batch) {
	for b != nil {
		var err error
		if w.opts.Commit != nil {
			err = w.opts.Commit(b.changes())
		}
		b = w.finish(b, err)
	}
}

// finish publishes a batch, or undoes it with all that was built on it, and
// returns the next one.
func (w *World) finish(b *batch, err error) *batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("commit: %w", err)
		w.head = w.current.Load()
		if w.next != nil {
			w.next.err = err
			close(w.next.done)
			w.next = nil
		}
	} else {
		w.current.Store(b.state)
		close(w.changed)
		w.changed = make(chan struct{})
	}
	b.err = err
	close(b.done)
	w.inFlight, w.next = w.next, nil
	return w.inFlight
}

// Changed returns a channel that is closed at the next commit. Take it before
// View, so that no change is missed.
func (w *World) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// Watch yields the state as it is, then each time that it has changed, until
// ctx ends. A slow reader skips states, but never misses the last one.
func (w *World) Watch(ctx context.Context) iter.Seq[*State] {
	return func(yield func(*State) bool) {
		for ctx.Err() == nil {
			changed := w.Changed()
			if !yield(w.View()) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}
