package world

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"labsim/sim"
)

// Tx is a transaction: the state as it will be, and the rules that change it.
// Each rule is a method that checks everything first and then writes.
//
// A row that a transaction has read is shared with older states: change a copy
// (slices.Clone and the like) and put that.
type Tx struct {
	*State
	Account sim.AccountID // on whose behalf; "": the region itself
	Now     time.Time
	opts    *Options
	touched map[rowKey]table
}

// AddrRange is a range of addresses, both ends included.
type AddrRange struct{ First, Last netip.Addr }

type rowKey struct{ table, id string }

// put writes a row and notes it for the commit; a row that is as it was is none.
func put[K ~string, V any](tx *Tx, t *Table[K, V], id K, row V) {
	if old, had := t.Get(id); had && reflect.DeepEqual(old, row) {
		return
	}
	t.put(id, row)
	tx.touched[rowKey{t.kind.table, string(id)}] = t
}

// remove deletes a row and notes it for the commit.
func remove[K ~string, V any](tx *Tx, t *Table[K, V], id K) {
	t.remove(id)
	tx.touched[rowKey{t.kind.table, string(id)}] = t
}

// newID makes an identifier; random never fails in a transaction, see Options.
func newID[T ~string](tx *Tx, prefix string) (T, error) {
	return sim.NewID[T](prefix, tx.opts.Random)
}

// Region returns the region that this world is.
func (tx *Tx) Region() sim.Region { return tx.opts.Region }

// Zones returns the region's zones.
func (tx *Tx) Zones() []sim.Zone { return tx.opts.Zones }

// owns reports whether a row of that owner exists for the caller.
func (tx *Tx) owns(owner sim.AccountID) bool { return tx.Account == "" || tx.Account == owner }

func (tx *Tx) changes() ([]Change, error) {
	out := make([]Change, 0, len(tx.touched))
	for k, t := range tx.touched {
		data, err := t.encode(k.id)
		if err != nil {
			return nil, err
		}
		out = append(out, Change{Table: k.table, ID: k.id, Data: data})
	}
	return out, nil
}

func (b *batch) add(changes []Change, s *State) {
	for _, c := range changes {
		b.rows[rowKey{c.Table, c.ID}] = c
	}
	b.state = s
}

// changes returns the batch's rows in the order of table and id.
func (b *batch) changes() []Change {
	return slices.SortedFunc(maps.Values(b.rows), func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.Table, y.Table), cmp.Compare(x.ID, y.ID))
	})
}
