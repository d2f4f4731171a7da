package world

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"labsim/sim"
)

// Tx is a transaction: the state as it will be, and the rules that change it.
// Each rule is a method that checks everything first and then writes.
type Tx struct {
	*State
	Now     time.Time
	opts    *Options
	touched map[rowKey]table
}

// AddrRange is a range of addresses, both ends included.
type AddrRange struct{ First, Last netip.Addr }

type rowKey struct{ table, id string }

// put writes a row and notes it for the commit.
func put[K ~string, V any](tx *Tx, t *Table[K, V], id K, row V) {
	t.put(id, row)
	tx.touched[rowKey{t.name, string(id)}] = t
}

// remove deletes a row and notes it for the commit.
func remove[K ~string, V any](tx *Tx, t *Table[K, V], id K) {
	t.remove(id)
	tx.touched[rowKey{t.name, string(id)}] = t
}

// newID makes an identifier; random never fails in a transaction, see Options.
func newID[T ~string](tx *Tx, prefix string) (T, error) {
	return sim.NewID[T](prefix, tx.opts.Random)
}

// Region returns the region that this world is.
func (tx *Tx) Region() sim.Region { return tx.opts.Region }

// Zones returns the region's zones.
func (tx *Tx) Zones() []sim.Zone { return tx.opts.Zones }

func (tx *Tx) changes() ([]Change, error) {
	out := make([]Change, 0, len(tx.touched))
	for k, t := range tx.touched {
		data, err := t.encode(k.id)
		if err != nil {
			return nil, err
		}
		out = append(out, Change{Table: k.table, ID: k.id, Data: data})
	}
	slices.SortFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}
