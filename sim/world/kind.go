package world

import (
	"iter"

	"labsim/sim"
)

// noun is how EC2 speaks of a kind: the prefix of its ids, its ResourceType, and what
// it says of an id that names nothing (EC2 API Reference, "Error codes"). Not all
// kinds have a code of their own for a malformed id.
type noun struct{ prefix, name, malformed, missing, format string }

// found returns nil, or why id names nothing. What belongs to another account
// does not exist.
func (n noun) found(ok bool, id string) error {
	switch {
	case ok:
		return nil
	case id == "":
		return sim.Errorf(sim.CodeMissingParameter, "The request must contain the id of the resource (%s-...)", n.prefix)
	case n.malformed != "" && !sim.ValidID(n.prefix, id):
		return sim.Errorf(n.malformed, "Invalid id: %q (expecting \"%s-...\")", id, n.prefix)
	}
	return sim.Errorf(n.missing, n.format, id)
}

// kind is what is the same for all rows of a table. Whatever is done to every kind of
// resource alike is done by way of it, see kinds.
type kind[K ~string, V any] struct {
	noun
	table string // its name in the store
	in    func(*State) **Table[K, V]
	// head points at what each resource has; nil: the rows are no resources.
	head func(*V) head[K]
	// public rows may be used by every account; nil: none.
	public  func(V) bool
	quota   quota[V]
	indexes []*index[V]
}

// head points at what each resource has.
type head[K ~string] struct {
	id    *K
	owner *sim.AccountID
	tags  *sim.Tags
}

// quota is how many rows an account may have; zero: any number.
type quota[V any] struct {
	limit  int
	counts func(V) bool // nil: every row does
	code   string
	text   string
}

// index finds the ids of the rows that have a key. A row may have several keys
// (an interface is in several security groups), or none.
type index[V any] struct{ keys func(V) []string }

// stored is a kind whose rows are a table of their own.
type stored interface {
	create(*State)
	share(from, to *State)
	rowsIn(*State) table
	tagged
}

// tagged is a kind of things that may have tags.
type tagged interface {
	speak() noun
	tags(*State) iter.Seq[Tagged]
	retag(tx *Tx, id string, change changeTags) error
}

// Tagged is a resource with its tags.
type Tagged struct {
	Type  string // EC2's ResourceType: "vpc"
	ID    string
	Owner sim.AccountID
	Tags  sim.Tags
}

func (k *kind[K, V]) create(s *State)       { *k.in(s) = newTable(k) }
func (k *kind[K, V]) share(from, to *State) { *k.in(to) = (*k.in(from)).copy() }
func (k *kind[K, V]) rowsIn(s *State) table { return *k.in(s) }
func (k *kind[K, V]) speak() noun           { return k.noun }

func (k *kind[K, V]) owner(row V) sim.AccountID {
	if k.head == nil {
		return ""
	}
	return *k.head(&row).owner
}

// seen reports whether an account sees a row: its own, and public ones.
func (k *kind[K, V]) seen(account sim.AccountID, row *V) bool {
	return k.head != nil && *k.head(row).owner == account || k.public != nil && k.public(*row)
}

func (k *kind[K, V]) tags(s *State) iter.Seq[Tagged] {
	return func(yield func(Tagged) bool) {
		if k.head == nil {
			return
		}
		for id, row := range (*k.in(s)).All() {
			h := k.head(&row)
			if !yield(Tagged{k.name, string(id), *h.owner, *h.tags}) {
				return
			}
		}
	}
}

func (k *kind[K, V]) retag(tx *Tx, id string, change changeTags) error {
	t := *k.in(tx.State)
	row, err := get(tx, t, K(id))
	if err != nil {
		return err
	}
	tags := k.head(&row).tags
	if *tags, err = change(*tags); err != nil {
		return err
	}
	put(tx, t, K(id), row)
	return nil
}

// get returns a row of the caller's, or EC2's error for an id that names none.
func get[K ~string, V any](tx *Tx, t *Table[K, V], id K) (V, error) {
	row, ok := t.Get(id)
	return row, t.kind.found(ok && tx.owns(t.kind.owner(row)), string(id))
}

// use is get, for rows that belong to others and are public as well.
func use[K ~string, V any](tx *Tx, t *Table[K, V], id K) (V, error) {
	row, ok := t.Get(id)
	return row, t.kind.found(ok && (tx.Account == "" || t.kind.seen(tx.Account, &row)), string(id))
}

// add makes a row: it gives it an id, its tags and, where it has none, its owner, as
// far as the account's quota goes.
func add[K ~string, V any](tx *Tx, t *Table[K, V], tags sim.Tags, row V) (V, error) {
	var none V
	if err := room(tx, t, 1); err != nil {
		return none, err
	}
	h := t.kind.head(&row)
	var err error
	if *h.tags, err = newTags(tags); err != nil {
		return none, err
	}
	if *h.id, err = newID[K](tx, t.kind.prefix); err != nil {
		return none, err
	}
	if *h.owner == "" {
		*h.owner = tx.Account
	}
	put(tx, t, *h.id, row)
	return row, nil
}

// room checks that the account may have n more rows.
func room[K ~string, V any](tx *Tx, t *Table[K, V], n int) error {
	q := t.kind.quota
	if q.limit == 0 || t.counted(tx.Account)+n <= q.limit {
		return nil
	}
	return sim.Errorf(q.code, "%s", q.text)
}

// addOnce is add for requests with a client token, see once. do makes the row.
func addOnce[K ~string, V any](tx *Tx, t *Table[K, V], token string, request any, do func() (V, error)) (V, error) {
	return once(tx, token, request,
		func(id K) (V, error) { return get(tx, t, id) },
		func() (V, K, error) {
			row, err := do()
			return row, *t.kind.head(&row).id, err
		})
}
