//go:build linux

package linux

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"labsim/sim"
)

// A part is one statement of a rule, in nft's words and in the kernel's. The
// words are what a rule is compared by, so whatever changes the meaning must
// show in them.
//
// Parts that look at the IPv4 header don't ask for the family first: c_spoof
// lets nothing but IPv4 in.
type part struct {
	text  string
	exprs []expr.Any
}

// A rule is its parts in order.
type rule struct {
	text  string
	exprs []expr.Any
}

func newRule(parts ...part) rule {
	var r rule
	var words []string
	for _, p := range parts {
		if p.text != "" {
			words = append(words, p.text)
		}
		r.exprs = append(r.exprs, p.exprs...)
	}
	r.text = strings.Join(words, " ")
	return r
}

// Offsets into the IPv4 and the transport header.
const (
	offSaddr = 12
	offDaddr = 16
	offDport = 2
	offType  = 0
	offCode  = 1
)

// Registers: reg holds anything; a concatenation of an interface name (16
// bytes) and an address lies in regName and regAddr, one after the other.
const (
	reg     = unix.NFT_REG_1
	regName = unix.NFT_REG_1
	regAddr = unix.NFT_REG_2
)

func meta(k expr.MetaKey) expr.Any { return &expr.Meta{Key: k, Register: reg} }

func header(off uint32, into uint32) expr.Any {
	return &expr.Payload{DestRegister: into, Base: expr.PayloadBaseNetworkHeader, Offset: off, Len: 4}
}

func transport(off, length uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: off, Len: length}
}

func equal(b []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: b} }

func ifname(n string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, n)
	return b
}

func iif(name string) part {
	return part{fmt.Sprintf("iifname %q", name), []expr.Any{meta(expr.MetaKeyIIFNAME), equal(ifname(name))}}
}

func iifNot(name string) part {
	return part{fmt.Sprintf("iifname != %q", name), []expr.Any{meta(expr.MetaKeyIIFNAME),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: ifname(name)}}}
}

func oif(name string) part {
	return part{fmt.Sprintf("oifname %q", name), []expr.Any{meta(expr.MetaKeyOIFNAME), equal(ifname(name))}}
}

func lookup(set string, not bool) expr.Any {
	return &expr.Lookup{SourceRegister: reg, SetName: set, Invert: not}
}

func iifIn(set string) part {
	return part{"iifname @" + set, []expr.Any{meta(expr.MetaKeyIIFNAME), lookup(set, false)}}
}

func oifIn(set string) part {
	return part{"oifname @" + set, []expr.Any{meta(expr.MetaKeyOIFNAME), lookup(set, false)}}
}

// iifSaddrIn looks the pair of incoming interface and source up.
func iifSaddrIn(set string) part {
	return part{"iifname . ip saddr @" + set, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: regName}, header(offSaddr, regAddr), lookup(set, false)}}
}

// oifDaddrIn looks the pair of outgoing interface and destination up.
func oifDaddrIn(set string) part {
	return part{"oifname . ip daddr @" + set, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: regName}, header(offDaddr, regAddr), lookup(set, false)}}
}

// iifSaddrNotIn and oifDaddrNotIn match where the set lacks that pair.
func iifSaddrNotIn(set string) part { return notIn(iifSaddrIn(set)) }
func oifDaddrNotIn(set string) part { return notIn(oifDaddrIn(set)) }

func notIn(x part) part {
	x.text = strings.Replace(x.text, "@", "!= @", 1)
	x.exprs[len(x.exprs)-1].(*expr.Lookup).Invert = true
	return x
}

func saddrIn(set string) part {
	return part{"ip saddr @" + set, []expr.Any{header(offSaddr, reg), lookup(set, false)}}
}

func saddrNotIn(set string) part {
	return part{"ip saddr != @" + set, []expr.Any{header(offSaddr, reg), lookup(set, true)}}
}

func daddrIn(set string) part {
	return part{"ip daddr @" + set, []expr.Any{header(offDaddr, reg), lookup(set, false)}}
}

func saddr(p netip.Prefix) part { return inPrefix("saddr", offSaddr, p) }
func daddr(p netip.Prefix) part { return inPrefix("daddr", offDaddr, p) }

func daddrNot(p netip.Prefix) part {
	x := daddr(p)
	x.text = strings.Replace(x.text, "daddr ", "daddr != ", 1)
	x.exprs[len(x.exprs)-1].(*expr.Cmp).Op = expr.CmpOpNeq
	return x
}

func inPrefix(which string, off uint32, p netip.Prefix) part {
	if p.Bits() == 0 {
		return part{}
	}
	p = p.Masked()
	addr := p.Addr().As4()
	exprs := []expr.Any{header(off, reg)}
	text := p.Addr().String()
	if p.Bits() < 32 {
		text = p.String()
		exprs = append(exprs, &expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: mask(p.Bits()), Xor: make([]byte, 4)})
	}
	return part{"ip " + which + " " + text, append(exprs, equal(addr[:]))}
}

func mask(bits int) []byte { return binaryutil.BigEndian.PutUint32(^uint32(0) << (32 - bits)) }

func protocol(p sim.Protocol) part {
	names := map[sim.Protocol]string{sim.ProtocolICMP: "icmp", sim.ProtocolTCP: "tcp", sim.ProtocolUDP: "udp"}
	name := names[p]
	if name == "" {
		name = fmt.Sprint(int(p))
	}
	return part{"meta l4proto " + name, []expr.Any{meta(expr.MetaKeyL4PROTO), equal([]byte{byte(p)})}}
}

func dports(from, to int) part {
	if from <= 0 && to >= 65535 {
		return part{}
	}
	load := transport(offDport, 2)
	if from == to {
		return part{fmt.Sprintf("th dport %d", from), []expr.Any{load, equal(binaryutil.BigEndian.PutUint16(uint16(from)))}}
	}
	return part{fmt.Sprintf("th dport %d-%d", from, to), []expr.Any{load, &expr.Range{Op: expr.CmpOpEq, Register: reg,
		FromData: binaryutil.BigEndian.PutUint16(uint16(from)), ToData: binaryutil.BigEndian.PutUint16(uint16(to))}}}
}

func icmpType(t int) part {
	return part{fmt.Sprintf("icmp type %d", t), []expr.Any{transport(offType, 1), equal([]byte{byte(t)})}}
}

func icmpCode(c int) part {
	return part{fmt.Sprintf("icmp code %d", c), []expr.Any{transport(offCode, 1), equal([]byte{byte(c)})}}
}

func notIPv4() part {
	return part{"meta nfproto != ipv4", []expr.Any{meta(expr.MetaKeyNFPROTO),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: []byte{unix.NFPROTO_IPV4}}}}
}

func ctState(text string, bits uint32) part {
	return part{"ct state " + text, ctBits(expr.CtKeySTATE, bits)}
}

var (
	established = ctState("established,related", expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED)
	invalid     = ctState("invalid", expr.CtStateBitINVALID)
	// original is the direction of a connection's first packet.
	original = part{"ct direction original", []expr.Any{&expr.Ct{Register: reg, Key: expr.CtKeyDIRECTION}, equal([]byte{0})}}
	// reply is the other one. What isn't tracked has none.
	reply = part{"ct direction reply", []expr.Any{&expr.Ct{Register: reg, Key: expr.CtKeyDIRECTION}, equal([]byte{1})}}
	// notUnicast: for an address of this machine, a broadcast, or nowhere.
	notUnicast = part{"fib daddr type != unicast", []expr.Any{&expr.Fib{Register: reg, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_UNICAST)}}}
	// unicast: for somebody else.
	unicast = part{"fib daddr type unicast", []expr.Any{&expr.Fib{Register: reg, FlagDADDR: true, ResultADDRTYPE: true},
		equal(binaryutil.NativeEndian.PutUint32(unix.RTN_UNICAST))}}
	// noTrack: the packet belongs to no connection, for the kernel.
	noTrack = part{"notrack", []expr.Any{&expr.Notrack{}}}
	// translated: IPS_SRC_NAT or IPS_DST_NAT.
	translated = part{"ct status snat,dnat", ctBits(expr.CtKeySTATUS, 1<<4|1<<5)}
)

func ctBits(k expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Register: reg, Key: k},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)},
	}
}

// count adds to a counter of the table. Named counters outlive a refill of
// their rules, and one dump reads them all.
func count(name string) part {
	return part{fmt.Sprintf("counter name %q", name), []expr.Any{&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: name}}}
}

// note adds the key to a dynamic set; where the set is full the rule ends here. Each
// element has a state of its own, by which the rule may end here, too: see overRate.
func note(key part, set string, state ...part) part {
	d := &expr.Dynset{SrcRegKey: reg, SetName: set, Operation: unix.NFT_DYNSET_OP_ADD}
	text := "add @" + set + " { " + key.text
	for _, s := range state {
		text += " " + s.text
		d.Exprs = append(d.Exprs, s.exprs...)
	}
	return part{text + " }", append(slices.Clone(key.exprs), d)}
}

// Keys of dynamic sets.
var (
	keySaddr = part{"ip saddr", []expr.Any{header(offSaddr, reg)}}
	keyDaddr = part{"ip daddr", []expr.Any{header(offDaddr, reg)}}
)

// overRate matches what comes faster, after a first burst.
func overRate(perSecond uint64, burst uint32) part {
	return part{fmt.Sprintf("limit rate over %d/second burst %d packets", perSecond, burst),
		[]expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: perSecond, Over: true, Unit: expr.LimitTimeSecond, Burst: burst}}}
}

var (
	accept = part{"accept", []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}}
	drop   = part{"drop", []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}}
)

func jump(chain string) part {
	return part{"jump " + chain, []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}}
}

func goTo(chain string) part {
	return part{"goto " + chain, []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}}}
}

func iifVmap(m string) part {
	return part{"iifname vmap @" + m, []expr.Any{meta(expr.MetaKeyIIFNAME), verdictOf(m)}}
}

func oifVmap(m string) part {
	return part{"oifname vmap @" + m, []expr.Any{meta(expr.MetaKeyOIFNAME), verdictOf(m)}}
}

func verdictOf(m string) expr.Any {
	return &expr.Lookup{SourceRegister: reg, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: m}
}

// markByGroup marks the packet with what the map has for the incoming device
// group; no entry, no mark.
func markByGroup(m string) part {
	return part{"meta mark set iifgroup map @" + m, []expr.Any{meta(expr.MetaKeyIIFGROUP), valueOf(m),
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg, SourceRegister: true}}}
}

func valueOf(m string) expr.Any {
	return &expr.Lookup{SourceRegister: reg, DestRegister: reg, IsDestRegSet: true, SetName: m}
}

func dnatBy(m string) part {
	return part{"dnat to ip daddr map @" + m, []expr.Any{header(offDaddr, reg), valueOf(m),
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg}}}
}

func snatBy(m string) part {
	return part{"snat to ip saddr map @" + m, []expr.Any{header(offSaddr, reg), valueOf(m),
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg}}}
}
