package world

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/tidwall/btree"
)

// Table is a set of rows by id, with indexes, in the order of the ids. Reading
// is for everyone, writing is the transaction's.
type Table[K ~string, V any] struct {
	name    string
	rows    btree.Map[K, V]
	indexes []*index[K, V]
}

// index finds the ids of the rows that have a key. A row may have several keys
// (an interface is in several security groups), or none.
type index[K ~string, V any] struct {
	keys func(V) []string
	set  btree.Set[string] // key + "\x00" + id
}

func newTable[K ~string, V any](name string, keys ...func(V) []string) *Table[K, V] {
	t := &Table[K, V]{name: name}
	for _, k := range keys {
		t.indexes = append(t.indexes, &index[K, V]{keys: k})
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

// by yields the rows that have key in the index of that number.
func (t *Table[K, V]) by(number int, key string) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		prefix := key + "\x00"
		t.indexes[number].set.Ascend(prefix, func(s string) bool {
			if len(s) < len(prefix) || s[:len(prefix)] != prefix {
				return false
			}
			id := K(s[len(prefix):])
			return yield(id, t.Row(id))
		})
	}
}

func (t *Table[K, V]) put(id K, row V) {
	if old, had := t.rows.Set(id, row); had {
		t.unindex(id, old)
	}
	for _, ix := range t.indexes {
		for _, k := range ix.keys(row) {
			ix.set.Insert(k + "\x00" + string(id))
		}
	}
}

func (t *Table[K, V]) remove(id K) {
	if old, had := t.rows.Delete(id); had {
		t.unindex(id, old)
	}
}

func (t *Table[K, V]) unindex(id K, row V) {
	for _, ix := range t.indexes {
		for _, k := range ix.keys(row) {
			ix.set.Delete(k + "\x00" + string(id))
		}
	}
}

func (t *Table[K, V]) copy() *Table[K, V] {
	c := &Table[K, V]{name: t.name, rows: *t.rows.Copy()}
	for _, ix := range t.indexes {
		c.indexes = append(c.indexes, &index[K, V]{keys: ix.keys, set: *ix.set.Copy()})
	}
	return c
}

func (t *Table[K, V]) tableName() string { return t.name }

func (t *Table[K, V]) ids() iter.Seq[string] {
	return func(yield func(string) bool) {
		t.rows.Scan(func(id K, _ V) bool { return yield(string(id)) })
	}
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
		return fmt.Errorf("table %s, row %s: %w", t.name, id, err)
	}
	t.put(K(id), row)
	return nil
}
