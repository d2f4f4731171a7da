package world

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"labsim/sim"
)

// Table is a set of rows by id, with indexes, in the order of the ids. Reading
// is for everyone, writing is the transaction's.
type Table[K ~string, V any] struct {
	kind  *kind[K, V]
	rows  btree.Map[K, V]
	sets  []*btree.Set[string]   // of kind.indexes: key + "\x00" + id
	owned btree.Map[string, int] // how many rows count for an account's quota
}

func newTable[K ~string, V any](k *kind[K, V]) *Table[K, V] {
	t := &Table[K, V]{kind: k}
	for range k.indexes {
		t.sets = append(t.sets, &btree.Set[string]{})
	}
	return t
}

// Get returns the row of that id, and whether it exists.
func (t *Table[K, V]) Get(id K) (V, bool) { return t.rows.Get(id) }

// Row returns the row of that id, or the zero value.
func (t *Table[K, V]) Row(id K) V {
	v, _ := t.rows.Get(id)
	return v
}

// Len returns how many rows there are.
func (t *Table[K, V]) Len() int { return t.rows.Len() }

// All yields the rows in the order of their ids.
func (t *Table[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.rows.Scan(yield) }
}

// See returns the row of that id as an account sees it, or EC2's error: what belongs to
// others and is not public does not exist.
func (t *Table[K, V]) See(account sim.AccountID, id K) (V, error) {
	row, ok := t.Get(id)
	return row, t.kind.found(ok && t.kind.seen(account, &row), string(id))
}

// Seen yields the rows that an account sees.
func (t *Table[K, V]) Seen(account sim.AccountID) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var at V // one for all rows, as its address gets around
		for id, row := range t.All() {
			at = row
			if t.kind.seen(account, &at) && !yield(id, row) {
				return
			}
		}
	}
}

// TagsOf returns the tags of a row.
func (t *Table[K, V]) TagsOf(row *V) sim.Tags { return *t.kind.head(row).tags }

// by yields the rows that have a key in an index of their kind.
func (t *Table[K, V]) by(ix *index[V], key string) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for id := range t.idsBy(ix, key) {
			if !yield(id, t.Row(id)) {
				return
			}
		}
	}
}

// idsBy is by without the rows.
func (t *Table[K, V]) idsBy(ix *index[V], key string) iter.Seq[K] {
	set := t.sets[slices.Index(t.kind.indexes, ix)]
	prefix := key + "\x00"
	return func(yield func(K) bool) {
		set.Ascend(prefix, func(s string) bool {
			return strings.HasPrefix(s, prefix) && yield(K(s[len(prefix):]))
		})
	}
}

// keys yields the keys of an index that begin with a prefix, in their order.
func (t *Table[K, V]) keys(ix *index[V], prefix string) iter.Seq[string] {
	set := t.sets[slices.Index(t.kind.indexes, ix)]
	return func(yield func(string) bool) {
		set.Ascend(prefix, func(s string) bool {
			return strings.HasPrefix(s, prefix) && yield(s[:strings.LastIndexByte(s, 0)])
		})
	}
}

// first returns the one row that has a key which no two rows have.
func (t *Table[K, V]) first(ix *index[V], key string) (V, bool) {
	for _, row := range t.by(ix, key) {
		return row, true
	}
	var none V
	return none, false
}

// has reports whether a row has a key.
func (t *Table[K, V]) has(ix *index[V], key string) bool {
	for range t.idsBy(ix, key) {
		return true
	}
	return false
}

// countBy returns how many rows have a key.
func (t *Table[K, V]) countBy(ix *index[V], key string) (n int) {
	for range t.idsBy(ix, key) {
		n++
	}
	return n
}

// counted returns how many of an account's rows count for its quota.
func (t *Table[K, V]) counted(owner sim.AccountID) int {
	n, _ := t.owned.Get(string(owner))
	return n
}

func (t *Table[K, V]) put(id K, row V) {
	if old, had := t.rows.Set(id, row); had {
		t.unindex(id, old)
	}
	for n, ix := range t.kind.indexes {
		for _, k := range ix.keys(row) {
			t.sets[n].Insert(k + "\x00" + string(id))
		}
	}
	t.count(row, 1)
}

func (t *Table[K, V]) remove(id K) {
	if old, had := t.rows.Delete(id); had {
		t.unindex(id, old)
	}
}

func (t *Table[K, V]) unindex(id K, row V) {
	for n, ix := range t.kind.indexes {
		for _, k := range ix.keys(row) {
			t.sets[n].Delete(k + "\x00" + string(id))
		}
	}
	t.count(row, -1)
}

func (t *Table[K, V]) count(row V, by int) {
	if q := t.kind.quota; q.limit == 0 || q.counts != nil && !q.counts(row) {
		return
	}
	owner := t.kind.owner(row)
	t.owned.Set(string(owner), t.counted(owner)+by)
}

func (t *Table[K, V]) copy() *Table[K, V] {
	c := &Table[K, V]{kind: t.kind, rows: *t.rows.Copy(), owned: *t.owned.Copy()}
	for _, s := range t.sets {
		c.sets = append(c.sets, s.Copy())
	}
	return c
}

func (t *Table[K, V]) tableName() string { return t.kind.table }

func (t *Table[K, V]) ids() iter.Seq[string] {
	return func(yield func(string) bool) {
		t.rows.Scan(func(id K, _ V) bool { return yield(string(id)) })
	}
}

func (t *Table[K, V]) hasRow(id string) bool {
	_, ok := t.Get(K(id))
	return ok
}

// encode returns the row's durable form, or nil where there is no such row.
func (t *Table[K, V]) encode(id string) ([]byte, error) {
	row, ok := t.Get(K(id))
	if !ok {
		return nil, nil
	}
	return json.Marshal(row)
}

func (t *Table[K, V]) decode(id string, data []byte) error {
	var row V
	if err := json.Unmarshal(data, &row); err != nil {
		return fmt.Errorf("table %s, row %s: %w", t.kind.table, id, err)
	}
	t.put(K(id), row)
	return nil
}
