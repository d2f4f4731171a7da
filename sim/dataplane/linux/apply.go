//go:build linux

package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mnl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ruleState is what is known of our tables in one namespace. The kernel's
// generation number rises with every change of any rule there, so as long as it
// is the one that our own last change made, the tables are as we left them.
type ruleState struct {
	have       []table // nil: unknown
	text       string  // of have
	generation uint32
}

// untouched reports whether the tables are as our own last change left them.
func (s *ruleState) untouched(ns netns.NsHandle) (bool, error) {
	now, err := generation(ns)
	return s.have != nil && s.generation == now, err
}

// apply brings the kernel's tables to want in one transaction and reports
// whether there was anything to do. Chains that stay the same are not touched;
// of sets whose content is known, only the difference is written.
func (s *ruleState) apply(ns netns.NsHandle, want ...table) (changed bool, err error) {
	before, err := generation(ns)
	if err != nil {
		return false, err
	}
	text := textOf(want)
	known := s.have != nil && s.generation == before
	if known && s.text == text {
		return false, nil
	}
	c, err := nftables.New(nftables.WithNetNSFd(int(ns)), nftables.AsLasting(), nftables.WithSockOptions(bigBuffers))
	if err != nil {
		return false, err
	}
	defer c.CloseLasting()

	have := s.have
	s.have = nil // until the transaction is known to be in
	t := transaction{Conn: c}
	for _, w := range want {
		var h *table
		if known {
			h = tableIn(have, w)
		} else if h, err = list(c, w); err != nil {
			return false, fmt.Errorf("list rules: %w", err)
		}
		t.table = &nftables.Table{Family: w.family, Name: w.name}
		if err := t.change(h, w, known); err != nil {
			return false, err
		}
	}
	if err := c.Flush(); err != nil {
		return false, fmt.Errorf("change rules of table %s: %w", want[0].name, err)
	}
	after, err := generation(ns)
	if err != nil {
		return true, err
	}
	if after == before+1 { // otherwise somebody else wrote too: look again next time
		s.have, s.text, s.generation = want, text, after
	}
	return true, nil
}

func textOf(tables []table) string {
	var b strings.Builder
	for _, t := range tables {
		b.WriteString(t.String())
	}
	return b.String()
}

// tableIn returns the one of tables that has the family and name of want, or nil.
func tableIn(tables []table, want table) *table {
	for i := range tables {
		if tables[i].family == want.family && tables[i].name == want.name {
			return &tables[i]
		}
	}
	return nil
}

// bigBuffers: the kernel answers every message of a transaction before it is read.
func bigBuffers(c *mnl.Conn) error {
	return errors.Join(c.SetReadBuffer(16<<20), c.SetWriteBuffer(16<<20))
}

// A transaction collects changes, of one table after the other, in the order in
// which the kernel accepts them: what is referred to is made first and deleted last.
type transaction struct {
	*nftables.Conn
	table *nftables.Table // the one that is being changed
	setID uint32
}

func (t *transaction) change(have *table, want table, known bool) error {
	if have == nil || !known { // one that is there is woken, if it was made dormant
		t.AddTable(t.table)
	}
	if have == nil {
		have = &table{}
	}
	t.make(*have, want, known)
	if err := t.empty(*have, want, known); err != nil {
		return err
	}
	if err := t.fill(*have, want, known); err != nil {
		return err
	}
	t.remove(*have, want)
	return nil
}

func (t *transaction) make(have, want table, known bool) {
	for _, name := range want.counters {
		if !slices.Contains(have.counters, name) {
			t.AddObj(&nftables.CounterObj{Table: t.table, Name: name})
		}
	}
	for _, s := range want.sets {
		if have.set(s.name) == nil {
			t.AddSet(t.set(s), nil) // fails for anonymous sets only
		}
	}
	for _, c := range want.chains {
		// Adding a base chain that is there sets its policy again.
		if have.chain(c.name) == nil || !known && c.hook != nil {
			t.AddChain(t.chain(c))
		}
	}
}

func (t *transaction) empty(have, want table, known bool) error {
	for _, c := range have.chains {
		if w := want.chain(c.name); !known || w == nil || !w.sameRules(c) {
			t.FlushChain(t.chain(c))
		}
	}
	for _, s := range have.sets {
		w := want.set(s.name)
		if w != nil && w.kind.dynamic {
			continue // what the kernel counts there goes on
		}
		if !known || w == nil {
			t.FlushSet(t.set(s))
			continue
		}
		if err := t.elements(t.SetDeleteElements, s, without(s.elements, w.elements), false); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) fill(have, want table, known bool) error {
	for _, s := range want.sets {
		missing := s.elements
		if h := have.set(s.name); known && h != nil {
			missing = without(s.elements, h.elements)
		}
		if err := t.elements(t.SetAddElements, s, missing, true); err != nil {
			return err
		}
	}
	for _, c := range want.chains {
		if h := have.chain(c.name); known && h != nil && h.sameRules(c) {
			continue
		}
		for _, r := range c.rules {
			t.AddRule(&nftables.Rule{Table: t.table, Chain: t.chain(c), Exprs: r.exprs})
		}
	}
	return nil
}

func (t *transaction) remove(have, want table) {
	for _, c := range have.chains {
		if want.chain(c.name) == nil {
			t.DelChain(t.chain(c))
		}
	}
	for _, s := range have.sets {
		if want.set(s.name) == nil {
			t.DelSet(t.set(s))
		}
	}
	for _, name := range have.counters {
		if !slices.Contains(want.counters, name) {
			t.DeleteObject(&nftables.CounterObj{Table: t.table, Name: name})
		}
	}
}

func (t *transaction) set(s set) *nftables.Set {
	// The library would number new sets from a variable that all connections share.
	t.setID++
	n := &nftables.Set{Table: t.table, Name: s.name, ID: t.setID, KeyType: s.kind.key, Concatenation: s.kind.concat,
		Dynamic: s.kind.dynamic, HasTimeout: s.kind.timeout > 0, Timeout: s.kind.timeout, Size: s.kind.size}
	if s.kind.data != nil {
		n.IsMap, n.DataType = true, *s.kind.data
	}
	return n
}

func (t *transaction) chain(c chain) *nftables.Chain {
	n := &nftables.Chain{Table: t.table, Name: c.name}
	if c.hook != nil {
		n.Type, n.Hooknum, n.Priority, n.Policy = c.hook.kind, c.hook.at, &c.hook.priority, &c.hook.policy
	}
	return n
}

// elements hands es on in pieces: one attribute has 64 KiB, and what doesn't fit
// is cut off without an error.
func (t *transaction) elements(do func(*nftables.Set, []nftables.SetElement) error, s set, es []element, values bool) error {
	target := &nftables.Set{Table: t.table, Name: s.name, IsMap: s.kind.data != nil}
	for piece := range slices.Chunk(es, 256) {
		var out []nftables.SetElement
		for _, e := range piece {
			n := nftables.SetElement{Key: e.key}
			if values {
				n.Val, n.VerdictData = e.value, e.goTo
			}
			out = append(out, n)
		}
		if err := do(target, out); err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	return nil
}

func (t table) set(name string) *set {
	for i := range t.sets {
		if t.sets[i].name == name {
			return &t.sets[i]
		}
	}
	return nil
}

func (t table) chain(name string) *chain {
	for i := range t.chains {
		if t.chains[i].name == name {
			return &t.chains[i]
		}
	}
	return nil
}

// without returns the elements of a that b lacks.
func without(a, b []element) []element {
	in := make(map[string]bool, len(b))
	for _, e := range b {
		in[e.text] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(e element) bool { return in[e.text] })
}

// list returns the names in the kernel's table, their content left out, or nil
// where there is no such table.
func list(c *nftables.Conn, want table) (*table, error) {
	tables, err := c.ListTablesOfFamily(want.family)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == want.name }) {
		return nil, nil
	}
	have := &table{family: want.family, name: want.name}
	chains, err := c.ListChainsOfTableFamily(want.family)
	if err != nil {
		return nil, err
	}
	for _, ch := range chains {
		if ch.Table.Name == want.name {
			have.chains = append(have.chains, chain{name: ch.Name})
		}
	}
	nt := &nftables.Table{Family: want.family, Name: want.name}
	sets, err := c.GetSets(nt)
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		have.sets = append(have.sets, set{name: s.Name})
	}
	counters, err := c.GetObjects(nt)
	if err != nil {
		return nil, err
	}
	for _, o := range counters {
		if o, ok := o.(*nftables.CounterObj); ok {
			have.counters = append(have.counters, o.Name)
		}
	}
	return have, nil
}

// counters reads the named counters of a table.
func counters(ns netns.NsHandle, family nftables.TableFamily, name string) (map[string]expr.Counter, error) {
	c, err := nftables.New(nftables.WithNetNSFd(int(ns)))
	if err != nil {
		return nil, err
	}
	objects, err := c.GetObjects(&nftables.Table{Family: family, Name: name})
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	out := make(map[string]expr.Counter, len(objects))
	for _, o := range objects {
		if o, ok := o.(*nftables.CounterObj); ok {
			out[o.Name] = expr.Counter{Packets: o.Packets, Bytes: o.Bytes}
		}
	}
	return out, nil
}

// generation asks for the number of the namespace's last change of rules.
func generation(ns netns.NsHandle) (uint32, error) {
	c, err := mnl.Dial(unix.NETLINK_NETFILTER, &mnl.Config{NetNS: int(ns)})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	answer, err := c.Execute(mnl.Message{
		Header: mnl.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: mnl.Request},
		Data:   make([]byte, 4), // struct nfgenmsg
	})
	if err != nil {
		return 0, fmt.Errorf("read rule generation: %w", err)
	}
	if len(answer) != 1 || len(answer[0].Data) < 4 {
		return 0, errors.New("read rule generation: no answer")
	}
	attrs, err := mnl.UnmarshalAttributes(answer[0].Data[4:])
	if err != nil {
		return 0, err
	}
	for _, a := range attrs {
		if a.Type == unix.NFTA_GEN_ID && len(a.Data) == 4 {
			return binary.BigEndian.Uint32(a.Data), nil
		}
	}
	return 0, errors.New("read rule generation: no number in the answer")
}
