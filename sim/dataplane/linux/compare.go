//go:build linux

package linux

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mnl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A difference is one thing that the kernel's table has otherwise than wanted.
type difference struct {
	chain string // where it is: a chain,
	set   string // or a set, or neither: the table itself
	text  string // the rule or element that is missing; "" where there is one too many, or another order
}

// differences compares the kernel's tables with want and writes nothing. Tables
// that nobody has written to since our own last change are not read.
func (s *ruleState) differences(ns netns.NsHandle, want ...table) (found []difference, err error) {
	same, err := s.untouched(ns)
	if err != nil || same && s.text == textOf(want) {
		return nil, err
	}
	c, err := nftables.New(nftables.WithNetNSFd(int(ns)), nftables.AsLasting(), nftables.WithSockOptions(bigBuffers))
	if err != nil {
		return nil, err
	}
	defer c.CloseLasting()
	for _, w := range want {
		more, err := compare(c, w)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func compare(c *nftables.Conn, want table) ([]difference, error) {
	tables, err := c.ListTablesOfFamily(want.family)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == want.name })
	if i < 0 || tables[i].Flags != 0 { // gone, or dormant
		return []difference{{}}, nil
	}
	r := comparison{Conn: c, table: tables[i]}
	if err := r.chains(want); err != nil {
		return nil, err
	}
	for _, w := range want.sets {
		if err := r.set(w); err != nil {
			return nil, err
		}
	}
	return r.found, nil
}

// A comparison is one table being read.
type comparison struct {
	*nftables.Conn
	table *nftables.Table
	found []difference
}

func (r *comparison) chains(want table) error {
	all, err := r.ListChainsOfTableFamily(want.family)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	have := make(map[string]*nftables.Chain)
	for _, c := range all {
		if c.Table.Name != want.name {
			continue
		}
		have[c.Name] = c
		if want.chain(c.Name) == nil && c.Hooknum != nil { // others are reached from nowhere
			r.found = append(r.found, difference{chain: c.Name})
		}
	}
	for _, w := range want.chains {
		c := have[w.name]
		if c == nil || !w.hook.is(c) {
			r.found = append(r.found, difference{chain: w.name})
		}
		if c == nil {
			continue
		}
		rules, err := r.GetRules(r.table, c)
		if err != nil {
			return fmt.Errorf("list rules of %s: %w", w.name, err)
		}
		if err := r.rules(w, rules); err != nil {
			return err
		}
	}
	return nil
}

func (h *hook) is(c *nftables.Chain) bool {
	if h == nil || c.Hooknum == nil {
		return h == nil && c.Hooknum == nil
	}
	return c.Type == h.kind && *c.Hooknum == *h.at && c.Priority != nil && *c.Priority == h.priority && c.Policy != nil && *c.Policy == h.policy
}

// rules compares a chain's rules by what the kernel would be told of them.
func (r *comparison) rules(w chain, have []*nftables.Rule) error {
	family := byte(r.table.Family)
	var there, wanted []string
	for _, x := range have {
		k, err := encoded(family, x.Exprs)
		if err != nil {
			return err
		}
		there = append(there, k)
	}
	before := len(r.found)
	left := slices.Clone(there)
	for _, x := range w.rules {
		k, err := encoded(family, x.exprs)
		if err != nil {
			return err
		}
		wanted = append(wanted, k)
		if i := slices.Index(left, k); i >= 0 {
			left = slices.Delete(left, i, i+1)
		} else {
			r.found = append(r.found, difference{chain: w.name, text: x.text})
		}
	}
	if len(left) > 0 || len(r.found) == before && !slices.Equal(there, wanted) {
		r.found = append(r.found, difference{chain: w.name})
	}
	return nil
}

func encoded(family byte, exprs []expr.Any) (string, error) {
	var b strings.Builder
	for _, e := range exprs {
		switch x := e.(type) { // numbers of sets are the transaction's
		case *expr.Lookup:
			e = &expr.Lookup{SourceRegister: x.SourceRegister, DestRegister: x.DestRegister, IsDestRegSet: x.IsDestRegSet, SetName: x.SetName, Invert: x.Invert}
		case *expr.Ct: // the library doesn't read back from where a mark is set
			if x.SourceRegister {
				e = &expr.Ct{Key: x.Key}
			}
		case *expr.Dynset:
			d := *x
			d.SetID = 0
			e = &d
		}
		data, err := expr.Marshal(family, e)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%q", data)
	}
	return b.String(), nil
}

func (r *comparison) set(w set) error {
	if w.kind.dynamic {
		if _, err := r.GetSetByName(r.table, w.name); err != nil {
			r.found = append(r.found, difference{set: w.name})
		}
		return nil
	}
	have, err := r.GetSetElements(&nftables.Set{Table: r.table, Name: w.name})
	if err != nil {
		r.found = append(r.found, difference{set: w.name}) // it is gone
		return nil
	}
	left := make(map[string]bool)
	for _, e := range have {
		value := string(e.Val)
		if w.kind.data == &nftables.TypeVerdict {
			value = chainOf(e.Val)
		}
		left[string(e.Key)+"|"+value] = true
	}
	for _, e := range w.elements {
		value := string(e.value)
		if e.goTo != nil {
			value = e.goTo.Chain
		}
		if k := string(e.key) + "|" + value; left[k] {
			delete(left, k)
		} else {
			r.found = append(r.found, difference{set: w.name, text: e.text})
		}
	}
	if len(left) > 0 {
		r.found = append(r.found, difference{set: w.name})
	}
	return nil
}

// chainOf returns the chain that a verdict, as the kernel encodes it, leads to.
func chainOf(verdict []byte) (name string) {
	d, err := mnl.NewAttributeDecoder(verdict)
	if err != nil {
		return ""
	}
	d.ByteOrder = binary.BigEndian
	for d.Next() {
		if d.Type() == unix.NFTA_VERDICT_CHAIN {
			name = d.String()
		}
	}
	return name
}
