//go:build linux

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Each connection that is tracked costs the machine some 700 bytes and a place in a
// table, so they are counted: EC2 does so, too, and drops what is over an instance's
// allowance (EC2 User Guide, "Security group connection tracking"; its counter there
// is conntrack_allowance_exceeded). EC2 publishes no figures; these are ours.
const (
	maxFlows    = 8192  // begun by one interface, or by one address of the internet
	maxVPCFlows = 65536 // of a VPC
	// What is closed counts no more, and is kept for some seconds: see flowSysctls.
	flowRate  = 5000  // begun each second by an interface,
	flowBurst = 20000 // after a first burst
	// The kernel counts by looking at all that is counted, once for each connection
	// that begins. So only one in flowSample is counted, of a VPC's one in vpcSample:
	// 512 and 1,024 at most.
	flowSample = 16
	vpcSample  = 64
	// overPause is how long a source that is over its limit begins nothing new. Then
	// it may go on until one is counted again.
	overPause = time.Second
)

// dropFlows counts packets that would have begun a connection too many.
const dropFlows = "drop:connection-tracking"

func dropExceeded(e sim.ENIID) string { return "drop:" + string(e) + ":connection-tracking" }

// Chains that what the groups allow has to pass.
const (
	allowedChain = "allowed" // by a packet's source
	outsideChain = "allowed-outside"
	inVPCChain   = "allowed-vpc"
)

// flowSets: by interface, by address of the internet, and of the VPC, what is
// counted, and who is over the limit at this moment. exceeded counts by interface
// what was dropped.
func flowSets() []set {
	return []set{
		dynamicSet("flows", "ifname", nftables.TypeIFName, maxSources, 0),
		dynamicSet("over", "ifname", nftables.TypeIFName, maxSources, overPause),
		dynamicSet("exceeded", "ifname", nftables.TypeIFName, maxSources, 0),
		dynamicSet("rate", "ifname", nftables.TypeIFName, maxSources, 0),
		dynamicSet("flows_outside", "ipv4_addr", nftables.TypeIPAddr, maxSources, 0),
		dynamicSet("over_outside", "ipv4_addr", nftables.TypeIPAddr, maxSources, overPause),
		dynamicSet("flows_vpc", "nf_proto", nftables.TypeNFProto, 1, 0),
		dynamicSet("over_vpc", "nf_proto", nftables.TypeNFProto, 1, overPause),
	}
}

// flowChains accept what goes on, and what begins while its source and the VPC may
// begin more.
func flowChains() []chain {
	tooMany := func(p ...part) rule { return newRule(append(p, count(dropFlows), drop)...) }
	blame := note(keyIif, "exceeded", counted)
	return []chain{
		{name: allowedChain, rules: []rule{
			newRule(confirmed, accept), // what has begun, and has no answer yet
			tooMany(protoIn("over_vpc")),
			newRule(iif(gatewayLink), goTo(outsideChain)),
			tooMany(iifIn("over"), blame),
			tooMany(note(keyIif, "rate", overRate(flowRate, flowBurst)), blame),
			newRule(notOneIn(flowSample), accept),
			tooMany(note(keyIif, "flows", overCount(maxFlows/flowSample)), note(keyIif, "over"), blame),
			newRule(goTo(inVPCChain)),
		}},
		{name: outsideChain, rules: []rule{
			tooMany(saddrIn("over_outside")),
			newRule(notOneIn(flowSample), accept),
			tooMany(note(keySaddr, "flows_outside", overCount(maxFlows/flowSample)), note(keySaddr, "over_outside")),
			newRule(goTo(inVPCChain)),
		}},
		{name: inVPCChain, rules: []rule{
			newRule(notOneIn(vpcSample/flowSample), accept),
			tooMany(note(keyProto, "flows_vpc", overCount(maxVPCFlows/vpcSample)), note(keyProto, "over_vpc")),
			newRule(accept),
		}},
	}
}

// exceeded reads what was dropped of each interface that began too many connections.
func (d *Driver) exceeded(ns netns.NsHandle) ([]dataplane.Counter, error) {
	c, err := nftables.New(nftables.WithNetNSFd(int(ns)))
	if err != nil {
		return nil, err
	}
	elements, err := c.GetSetElements(&nftables.Set{Table: &nftables.Table{Family: nftables.TableFamilyINet, Name: "vpc"}, Name: "exceeded"})
	if errors.Is(err, fs.ErrNotExist) || len(elements) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read who has too many connections: %w", err)
	}
	byLink := make(map[string]sim.ENIID)
	d.mu.Lock()
	for id := range d.places {
		byLink[string(ifname(d.o.Site.RouterLink(id)))] = id
	}
	d.mu.Unlock()
	var out []dataplane.Counter
	for _, e := range elements {
		if id, ok := byLink[string(e.Key)]; ok && e.Counter != nil {
			out = append(out, dataplane.Counter{ID: dropExceeded(id), Packets: e.Counter.Packets, Bytes: e.Counter.Bytes})
		}
	}
	return out, nil
}

// flowSysctls let go of connections that are closed: the kernel's own values are 120
// and 10 seconds. Those of what is open are EC2's, or shorter (EC2 User Guide, "Idle
// connection tracking timeout").
var flowSysctls = []sysctl{
	{"net/netfilter/nf_conntrack_tcp_timeout_time_wait", "5"},
	{"net/netfilter/nf_conntrack_tcp_timeout_close", "2"},
}

// confirmed: IPS_CONFIRMED, not the packet that begins a connection.
var confirmed = part{"ct status confirmed", ctBits(expr.CtKeySTATUS, 1<<3)}

var (
	keyIif   = part{"iifname", []expr.Any{meta(expr.MetaKeyIIFNAME)}}
	keyProto = part{"meta nfproto", []expr.Any{meta(expr.MetaKeyNFPROTO)}} // one for all

	// counted is the state of an element that counts what is noted.
	counted = part{"counter", []expr.Any{&expr.Counter{}}}
)

func protoIn(set string) part {
	return part{"meta nfproto @" + set, []expr.Any{meta(expr.MetaKeyNFPROTO), lookup(set, false)}}
}

// overCount matches where more connections than n are counted for the element.
func overCount(n uint32) part {
	return part{fmt.Sprintf("ct count over %d", n), []expr.Any{&expr.Connlimit{Count: n, Flags: expr.NFT_CONNLIMIT_F_INV}}}
}

// notOneIn matches all packets but one in n.
func notOneIn(n uint32) part {
	return part{fmt.Sprintf("numgen random mod %d != 0", n), []expr.Any{
		&expr.Numgen{Register: reg, Modulus: n, Type: unix.NFT_NG_RANDOM},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)}}}
}
