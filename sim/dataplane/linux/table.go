//go:build linux

package linux

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// A table is a whole nftables table as it should be. It is plain data: what is
// in the kernel is brought to it by ruleState.apply.
type table struct {
	family   nftables.TableFamily
	name     string
	counters []string
	sets     []set
	chains   []chain
}

// A set holds elements; with a data type it is a map. The type of a name never
// changes.
type set struct {
	name     string
	kind     setKind
	elements []element
}

type setKind struct {
	text   string
	key    nftables.SetDatatype
	data   *nftables.SetDatatype
	concat bool
	// dynamic: the kernel adds elements by rules, at most size of them, each for
	// timeout (0: for good). They are its own: nobody empties or compares them.
	dynamic bool
	timeout time.Duration
	size    uint32
}

// An element is compared by its text.
type element struct {
	text  string
	key   []byte
	value []byte
	goTo  *expr.Verdict
}

// A chain with a hook is a base chain. Hook, priority and policy of a name never
// change: a live base chain isn't deleted, so another one needs another name.
type chain struct {
	name  string
	hook  *hook
	rules []rule
}

type hook struct {
	text     string
	kind     nftables.ChainType
	at       *nftables.ChainHook
	priority nftables.ChainPriority
	policy   nftables.ChainPolicy
}

var (
	addrSet     = setKind{text: "type ipv4_addr", key: nftables.TypeIPAddr}
	nameSet     = setKind{text: "type ifname", key: nftables.TypeIFName}
	nameAddrSet = setKind{text: "type ifname . ipv4_addr", concat: true,
		key: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeIPAddr)}
	nameAddrMACSet = setKind{text: "type ifname . ipv4_addr . ether_addr", concat: true,
		key: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeIPAddr, nftables.TypeEtherAddr)}
	verdictMap = setKind{text: "type ifname : verdict", key: nftables.TypeIFName, data: &nftables.TypeVerdict}
	markMap    = setKind{text: "type devgroup : mark", key: nftables.TypeDevGroup, data: &nftables.TypeMark}
	addrMap    = setKind{text: "type ipv4_addr : ipv4_addr", key: nftables.TypeIPAddr, data: &nftables.TypeIPAddr}
)

func addrElement(a netip.Addr) element { return element{text: a.String(), key: a.AsSlice()} }
func nameElement(n string) element     { return element{text: n, key: ifname(n)} }

func nameAddrElement(n string, a netip.Addr) element {
	return element{text: n + " . " + a.String(), key: append(ifname(n), a.AsSlice()...)}
}

func nameAddrMACElement(n string, a netip.Addr, mac net.HardwareAddr) element {
	padded := append(slices.Clip(slices.Clone(mac)), 0, 0) // to whole words
	return element{text: n + " . " + a.String() + " . " + mac.String(), key: slices.Concat(ifname(n), a.AsSlice(), padded)}
}

// maxSources is how many interfaces or addresses are told apart. The kernel takes
// memory for that many at once, 16 bytes each.
const maxSources = 1024

// dynamicSet is a set that rules fill.
func dynamicSet(name, kind string, key nftables.SetDatatype, size uint32, timeout time.Duration) set {
	text := fmt.Sprintf("type %s; size %d; flags dynamic", kind, size)
	if timeout > 0 {
		text += ",timeout; timeout " + timeout.String()
	}
	return set{name: name, kind: setKind{text: text, key: key, dynamic: true, size: size, timeout: timeout}}
}

func jumpElement(n, chain string) element {
	return element{text: n + " : jump " + chain, key: ifname(n), goTo: &expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}
}

func markElement(group, mark uint32) element {
	return element{text: fmt.Sprintf("%d : %d", group, mark),
		key: binaryutil.NativeEndian.PutUint32(group), value: binaryutil.NativeEndian.PutUint32(mark)}
}

func addrPairElement(from, to netip.Addr) element {
	return element{text: from.String() + " : " + to.String(), key: from.AsSlice(), value: to.AsSlice()}
}

// add appends elements, each text once and in order.
func (s *set) add(elements ...element) {
	for _, e := range elements {
		i, found := slices.BinarySearchFunc(s.elements, e.text, func(x element, text string) int { return strings.Compare(x.text, text) })
		if !found {
			s.elements = slices.Insert(s.elements, i, e)
		}
	}
}

func base(kind nftables.ChainType, hookName string, at *nftables.ChainHook, priority int, policy nftables.ChainPolicy) *hook {
	word := "accept"
	if policy == nftables.ChainPolicyDrop {
		word = "drop"
	}
	return &hook{fmt.Sprintf("type %s hook %s priority %d; policy %s;", kind, hookName, priority, word),
		kind, at, nftables.ChainPriority(priority), policy}
}

func (c chain) sameRules(o chain) bool {
	return slices.EqualFunc(c.rules, o.rules, func(a, b rule) bool { return a.text == b.text })
}

// String writes the table much as nft does.
func (t table) String() string {
	var b strings.Builder
	family := map[nftables.TableFamily]string{nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyARP: "arp"}[t.family]
	fmt.Fprintf(&b, "table %s %s {\n", family, t.name)
	for _, c := range t.counters {
		fmt.Fprintf(&b, " counter %q\n", c)
	}
	for _, s := range t.sets {
		word := "set"
		if s.kind.data != nil {
			word = "map"
		}
		if s.kind.dynamic {
			fmt.Fprintf(&b, " set %s { %s; }\n", s.name, s.kind.text)
			continue
		}
		var texts []string
		for _, e := range s.elements {
			texts = append(texts, e.text)
		}
		fmt.Fprintf(&b, " %s %s { %s; elements = { %s } }\n", word, s.name, s.kind.text, strings.Join(texts, ", "))
	}
	for _, c := range t.chains {
		fmt.Fprintf(&b, " chain %s {\n", c.name)
		if c.hook != nil {
			fmt.Fprintf(&b, "  %s\n", c.hook.text)
		}
		for _, r := range c.rules {
			fmt.Fprintf(&b, "  %s\n", r.text)
		}
		fmt.Fprintf(&b, " }\n")
	}
	b.WriteString("}\n")
	return b.String()
}
