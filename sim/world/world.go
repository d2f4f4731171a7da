package world

import (
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
	// Commit makes changes durable before anyone sees them; nil keeps nothing.
	// An error undoes the transaction.
	Commit func([]Change) error
}

// Change is a row that a transaction has changed, in its durable form.
type Change struct {
	Table string
	ID    string
	Data  []byte // nil: the row is gone
}

// World is the one writer of a region's state.
type World struct {
	opts    Options
	writing sync.Mutex // held by the one transaction that runs
	current atomic.Pointer[State]

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each commit
}

// New makes a world out of the rows that an earlier one committed.
func New(opts Options, rows iter.Seq2[Change, error]) (*World, error) {
	s := newState()
	byName := map[string]table{}
	for _, t := range s.tables() {
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
	w := &World{opts: opts, changed: make(chan struct{})}
	w.current.Store(s)
	return w, nil
}

// View returns the state as it is now, a snapshot.
func (w *World) View() *State { return w.current.Load() }

// Update runs f as one transaction: all of what it changed is committed, or,
// where it returns an error, nothing.
func (w *World) Update(f func(*Tx) error) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	tx := &Tx{State: w.View().copy(), opts: &w.opts, Now: w.opts.Now(), touched: map[rowKey]table{}}
	if err := f(tx); err != nil {
		return err
	}
	changes, err := tx.changes()
	if err != nil || len(changes) == 0 {
		return err
	}
	if w.opts.Commit != nil {
		if err := w.opts.Commit(changes); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	tx.State.Version++
	w.current.Store(tx.State)
	w.wake()
	return nil
}

// Changed returns a channel that is closed at the next commit. Take it before
// View, so that no change is missed.
func (w *World) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *World) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}
