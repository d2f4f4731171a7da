package probe

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"labsim/sim"
	"labsim/sim/path"
	"labsim/sim/world"
)

// Ports on which every guest, the internet and the routers answer.
var (
	tcpPorts = []int{53, 80, 443, 5432}
	udpPorts = []int{53, 123, 6000}
)

// A packet is what is asked of the evaluator and sent: the first one of a flow.
type packet struct {
	query path.Query
	from  sim.InstanceID // "": the engine's machine
	to    netip.Addr     // as its sender writes it
	// as is the address that it claims to come from, where that is forged: the
	// evaluator knows of no such packets, and the router has to drop them.
	as      netip.Addr
	verdict path.Verdict
}

// judged returns p with what the evaluator says of it in s.
func (p packet) judged(s *world.State) packet {
	p.verdict = path.Verdict{}
	if !p.as.IsValid() {
		p.verdict = path.Trace(s, p.query)
	}
	return p
}

// fate says what kinds of stations a packet meets, and by what kind of rule.
func (p packet) fate(s *world.State) string {
	if p.as.IsValid() {
		return "forged"
	}
	var b strings.Builder
	for _, leg := range [][]path.Hop{p.verdict.Hops, p.verdict.Back} {
		for _, h := range leg {
			b.WriteString(string(h.Kind))
			for _, r := range s.SecurityGroups.Row(sim.SecurityGroupID(h.Resource)).Rules {
				if string(r.ID) == h.Rule && r.Group != "" {
					b.WriteString(" by group")
				}
			}
			if h.Kind == path.KindRoute {
				_, bits, _ := strings.Cut(h.Rule, "/")
				b.WriteString(" of " + bits + " bits")
			}
			if h.Stops && h.Kind != path.KindEgress && h.Kind != path.KindIngress {
				b.WriteString(" " + h.Counter)
			}
			if h.Stops {
				b.WriteString(" stops")
			}
			b.WriteString(", ")
		}
		b.WriteString("; ")
	}
	return b.String() + fmt.Sprint(p.query.Protocol)
}

// end is a fate in few words.
func (p packet) end() string {
	switch v := p.verdict; {
	case p.as.IsValid():
		return "forged"
	case v.Allowed:
		return "answered by " + string(v.Hops[len(v.Hops)-1].Kind)
	case len(v.Back) > 0:
		return "answer stopped at " + string(v.Decisive[0].Kind)
	default:
		return "stopped at " + string(v.Decisive[0].Kind)
	}
}

// String is the packet as its sender writes it.
func (p packet) String() string {
	from, traffic := string(p.from), "icmp"
	if p.from == "" {
		from = atMachine
	}
	if p.as.IsValid() {
		from += ", as from " + p.as.String() + ","
	}
	switch p.query.Protocol {
	case sim.ProtocolTCP:
		traffic = fmt.Sprintf("tcp/%d", p.query.Port)
	case sim.ProtocolUDP:
		traffic = fmt.Sprintf("udp/%d", p.query.Port)
	}
	return fmt.Sprintf("%s sends to %s, %s", from, p.to, traffic)
}

// A drawer chooses packets. Of some that it draws it takes the one whose fate was
// seen least, and every second time one that is answered, if there is any: else most
// would be refused by the first group that they meet. What was another in the world
// before is a fate of its own: there the driver has something to change.
type drawer struct {
	rand   *rand.Rand
	seen   map[string]int // by fate
	sent   int
	before *world.State
}

const drawn = 24

// packet returns a judged packet that can be sent in s.
func (d *drawer) packet(s *world.State) packet {
	var best packet
	least := -1
	d.sent++
	for n := 0; n < drawn || least < 0; n++ {
		p, ok := d.any(s)
		if !ok {
			continue
		}
		p = p.judged(s)
		times := d.seen[d.fate(s, p)]
		if d.sent%2 == 0 && !p.verdict.Allowed {
			times += 1000
		}
		if least < 0 || times < least {
			best, least = p, times
		}
	}
	d.seen[d.fate(s, best)]++
	return best
}

func (d *drawer) fate(s *world.State, p packet) string {
	now, before := p.fate(s), p.judged(d.before).fate(d.before)
	if now == before {
		return now
	}
	return now + " was " + before
}

// any draws a packet; false: nobody to be sent to.
func (d *drawer) any(s *world.State) (packet, bool) {
	p := packet{query: path.Query{Public: public, Machine: []netip.Addr{machineAddr}}}
	running, standing := instances(s)
	var from sim.ENI
	if len(running) > 0 && d.rand.IntN(5) > 0 {
		p.from = running[d.rand.IntN(len(running))].ID
		p.query.From.Instance = p.from
		from, _ = s.PrimaryENI(p.from)
	} else {
		p.query.From.Internet = true
	}
	p.query.Protocol, p.query.Port = d.traffic()
	switch n := d.rand.IntN(10); {
	case n < 6 && len(standing) > 0:
		to := standing[d.rand.IntN(len(standing))]
		p.query.To.Instance = to.ID
		e, _ := s.PrimaryENI(to.ID)
		p.to = e.PublicIP
		if p.from != "" && e.VPC == from.VPC {
			p.to = e.PrivateIP
		}
	case n == 6 && p.from != "":
		p.query.To.Internet, p.to = true, stranger
	default:
		p.to = d.address(s, from)
		p.query.To.Address = p.to
	}
	if d.rand.IntN(12) == 0 && from.SourceDestCheck {
		p.query.Protocol, p.query.Port, p.as = sim.ProtocolUDP, udpPorts[0], d.claim(s, from)
	}
	return p, p.to.IsValid() && p.to != from.PrivateIP
}

// instances returns those that run, and all that aren't terminated.
func instances(s *world.State) (running, standing []sim.Instance) {
	for _, i := range s.Instances.All() {
		if i.Status.State == sim.StateRunning {
			running = append(running, i)
		}
		if i.Status.State != sim.StateTerminated {
			standing = append(standing, i)
		}
	}
	return running, standing
}

func (d *drawer) traffic() (sim.Protocol, int) {
	switch d.rand.IntN(5) {
	case 0:
		return sim.ProtocolICMP, 0
	case 1, 2:
		return sim.ProtocolUDP, udpPorts[d.rand.IntN(len(udpPorts))]
	}
	return sim.ProtocolTCP, tcpPorts[d.rand.IntN(len(tcpPorts))]
}

// address draws one that an instance, a router, the machine or nobody has.
func (d *drawer) address(s *world.State, from sim.ENI) netip.Addr {
	of := []netip.Addr{sim.AddrAt(public, firstEdge), sim.AddrAt(public, 15)} // an edge's, perhaps, and nobody's
	for _, e := range s.ENIs.All() {
		if e.PublicIP.IsValid() {
			of = append(of, e.PublicIP, e.PublicIP)
		}
	}
	if from.ID == "" {
		return of[d.rand.IntN(len(of))]
	}
	block := s.VPCs.Row(from.VPC).CIDR()
	of = append(of, sim.AddrAt(public, 1), machineAddr, netip.MustParseAddr("10.9.0.1"), sim.MetadataAddr, sim.DNSLinkLocal,
		sim.DNSAddr(block), sim.AddrAt(block, 1<<8+1), sim.AddrAt(block, 2<<8+1), sim.AddrAt(block, 2<<8+99), sim.AddrAt(block, 77<<8))
	for _, e := range s.ENIs.All() {
		of = append(of, e.PrivateIP)
	}
	return of[d.rand.IntN(len(of))]
}

// claim draws an address that from doesn't have: mostly one that groups may let pass.
func (d *drawer) claim(s *world.State, from sim.ENI) netip.Addr {
	of := []netip.Addr{stranger, sim.AddrAt(public, 1)}
	for _, e := range s.ENIsOfVPC(from.VPC) {
		if e.ID != from.ID {
			of = append(of, e.PrivateIP, e.PrivateIP)
		}
	}
	return of[d.rand.IntN(len(of))]
}
