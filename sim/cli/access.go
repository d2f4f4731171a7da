package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/lab"
	"labsim/sim/path"
)

// The fifth step looks at packets: what the lab file promises is tried, in both
// directions, allowed and not. Every "not" has a control: the same listener
// answers an allowed peer.

// probeTimeout is how long the answer to a packet is waited for. On one machine
// an answer takes microseconds; a dropped packet costs the whole of it.
const probeTimeout = 700 * time.Millisecond

// listenGrace is how long a refusal may last after user data has ended: what it
// put into the background may not listen yet.
const listenGrace = 3 * time.Second

// expectation is one promise of the lab file.
type expectation struct {
	from  instance // zero: the internet side
	to    instance
	addr  netip.Addr
	proto sim.Protocol
	port  int
	open  bool
	// counted wants the drop counter of the receiver's groups to rise: the packet
	// reached the rules, and it was they that dropped it.
	counted bool
	// control answers on the same way, so that a "not" is known as soon as it has.
	control netip.AddrPort
}

// closedPort is one that no lab opens (tcpmux, RFC 1078): the control of the nots.
const closedPort = 1

func (x expectation) query() path.Query {
	q := path.Query{From: path.Endpoint{Internet: true}, To: path.Endpoint{Address: x.addr}, Protocol: x.proto, Port: x.port}
	if x.from.ID != "" {
		q.From = path.Endpoint{Instance: sim.InstanceID(x.from.ID)}
	}
	if x.to.ID != "" && x.from.ID == "" && x.to.PublicIP == "" {
		q.To = path.Endpoint{Instance: sim.InstanceID(x.to.ID)}
	}
	return q
}

// access is the fifth step under way.
type access struct {
	*bringUp
	byName map[string]instance
	// patience is how long a refusal is not taken for the answer.
	patience time.Duration
}

func (u *bringUp) access(ctx context.Context) ([]expectation, *access, error) {
	list, err := u.box.instances(ctx, ofLab(u.lab.Name))
	if err != nil {
		return nil, nil, err
	}
	ac := &access{bringUp: u, byName: map[string]instance{}, patience: listenGrace}
	for _, i := range list {
		ac.byName[i.Name] = i
	}
	return ac.expectations(), ac, nil
}

// expectations turns the lab's security groups into what must answer whom.
func (ac *access) expectations() []expectation {
	var out []expectation
	for _, x := range ac.lab.Instances {
		to, ok := ac.running(x.Name)
		if !ok {
			continue
		}
		private, _ := netip.ParseAddr(to.PrivateIP)
		public, _ := netip.ParseAddr(to.PublicIP)
		var dropped []expectation
		for _, r := range ac.rulesOf(x) {
			if r.Protocol != sim.ProtocolTCP || r.From != r.To {
				continue // a range has no listener that could be known
			}
			if r.Group == "" && r.CIDR == sim.Everywhere && ac.lab.Public(x) {
				out = append(out, expectation{to: to, addr: public, proto: r.Protocol, port: r.From, open: true})
			}
			for _, peer := range ac.membersOf(r.Group) {
				dropped = append(dropped, expectation{from: peer, to: to, addr: private, proto: r.Protocol, port: closedPort, counted: true,
					control: netip.AddrPortFrom(private, uint16(r.From))})
				out = append(out, expectation{from: peer, to: to, addr: private, proto: r.Protocol, port: r.From, open: true})
			}
		}
		if !ac.lab.Public(x) {
			out = append(out, ac.closed(x, to)...)
		}
		if len(dropped) > 0 && !ac.allows(x, closedPort) {
			out = append(out, dropped[0])
		}
	}
	return controlled(out)
}

// controlled gives what must stay out of the internet side something there that
// answers.
func controlled(list []expectation) []expectation {
	internet := func(open bool) func(expectation) bool {
		return func(x expectation) bool { return x.from.ID == "" && x.open == open && x.addr.IsValid() }
	}
	if answers := slices.IndexFunc(list, internet(true)); answers >= 0 {
		for i := range list {
			if internet(false)(list[i]) {
				list[i].control = netip.AddrPortFrom(list[answers].addr, uint16(list[answers].port))
			}
		}
	}
	return list
}

// allows reports whether some rule of the instance's groups lets a port in.
func (ac *access) allows(x lab.Instance, port int) bool {
	return slices.ContainsFunc(ac.rulesOf(x), func(r lab.Rule) bool {
		return r.Protocol == sim.ProtocolAll || r.Protocol == sim.ProtocolTCP && r.From <= port && port <= r.To
	})
}

// closed are the nots of an instance that is to have no public address, on ports on which
// it answers somebody: neither the internet side nor the host gets there.
func (ac *access) closed(x lab.Instance, to instance) []expectation {
	var out []expectation
	addr, _ := netip.ParseAddr(cmp.Or(to.PublicIP, to.PrivateIP)) // somebody may have given it one
	for _, r := range ac.rulesOf(x) {
		if r.Protocol == sim.ProtocolTCP && r.From == r.To {
			out = append(out, expectation{to: to, addr: addr, proto: r.Protocol, port: r.From})
		}
	}
	return out
}

func (ac *access) rulesOf(x lab.Instance) []lab.Rule {
	var rules []lab.Rule
	for _, name := range x.Groups {
		for _, g := range ac.lab.Groups {
			if g.Name == name {
				rules = append(rules, g.Ingress...)
			}
		}
	}
	return rules
}

func (ac *access) membersOf(group string) []instance {
	var out []instance
	for _, x := range ac.lab.Instances {
		if i, ok := ac.running(x.Name); ok && group != "" && slices.Contains(x.Groups, group) {
			out = append(out, i)
		}
	}
	return out
}

// fault is a promise that is not kept, and the thing to blame.
type fault struct {
	Expectation string // "" for what no packet has met
	Cause       sim.Text
	Fix         []sim.Text
	machine     bool // the world does not explain it
}

// check tries all promises at once, and the disks beside them.
func (ac *access) check(ctx context.Context, list []expectation) ([]fault, error) {
	out := ac.absent()
	var wg sync.WaitGroup
	faults := make([]*fault, len(list))
	errs := make([]error, len(list)+1)
	for i, x := range list {
		wg.Go(func() { faults[i], errs[i] = ac.try(ctx, x) })
	}
	disks, err := ac.checkDisks(ctx)
	errs[len(list)] = err
	wg.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errs[i]
	}
	for _, f := range faults {
		if f != nil {
			out = append(out, *f)
		}
	}
	return ac.blameMachine(ctx, append(out, disks...))
}

// running finds an instance that can send and answer.
func (ac *access) running(name string) (instance, bool) {
	i, ok := ac.byName[name]
	return i, ok && i.State == string(sim.StateRunning)
}

// absent are the instances that answer nobody, whatever the rules say.
func (ac *access) absent() []fault {
	var out []fault
	for _, x := range ac.lab.Instances {
		i, ok := ac.byName[x.Name]
		switch {
		case !ok:
			out = append(out, fault{Cause: sim.T("there is no instance %q", x.Name), Fix: []sim.Text{ac.again}})
		case i.State == string(sim.StateStopped):
			out = append(out, fault{Cause: sim.T("instance %s is %s", x.Name, i.State), Fix: []sim.Text{sim.Cmd("labsim start %s", x.Name)}})
		case i.State != string(sim.StateRunning):
			out = append(out, fault{Cause: sim.T("instance %s is %s", x.Name, i.State), Fix: []sim.Text{sim.Cmd("labsim status")}})
		}
	}
	return out
}

// try sends one packet.
func (ac *access) try(ctx context.Context, x expectation) (*fault, error) {
	if !x.addr.IsValid() { // the address is what is missing
		return ac.blame(ctx, x, dataplane.ProbeResult{})
	}
	p := dataplane.Probe{From: sim.InstanceID(x.from.ID), To: x.addr, Protocol: x.proto, Port: x.port, Timeout: probeTimeout, Control: x.control}
	before := ac.drops(ctx, x)
	if x.open {
		p.Patience = ac.patience
	}
	r, err := ac.box.probe(ctx, p)
	if err != nil {
		return nil, err
	}
	if r.Open == x.open && x.counted && !ac.simulated {
		return ac.counted(ctx, x, before), nil
	}
	if r.Open == x.open {
		return nil, nil
	}
	return ac.blame(ctx, x, r)
}

// drops reads how many packets the receiver's groups have dropped so far. Where
// that can't be read, none is seen to be dropped.
func (ac *access) drops(ctx context.Context, x expectation) uint64 {
	if !x.counted || ac.simulated {
		return 0
	}
	return ac.dropsOf(ctx, x.to, "ingress")
}

// dropsOf reads how many packets an instance's interface has lost, for a reason or in
// a direction that dataplane.Counter has.
func (ac *access) dropsOf(ctx context.Context, i instance, why string) uint64 {
	all, err := ac.box.counters(ctx, i.VPC)
	if err != nil {
		return 0
	}
	return all["drop:"+i.ENI+":"+why].Packets
}

// overAllowance sends a packet once more to see whether it is dropped because its
// sender has too many connections.
func (ac *access) overAllowance(ctx context.Context, x expectation) bool {
	if ac.simulated || x.from.ID == "" || !x.addr.IsValid() {
		return false
	}
	const why = "connection-tracking"
	before := ac.dropsOf(ctx, x.from, why)
	p := dataplane.Probe{From: sim.InstanceID(x.from.ID), To: x.addr, Protocol: x.proto, Port: x.port, Timeout: probeTimeout}
	if _, err := ac.box.probe(ctx, p); err != nil {
		return false
	}
	return ac.dropsOf(ctx, x.from, why) > before
}

// counted holds a drop to its cause: an unanswered packet alone could have got
// lost anywhere.
func (ac *access) counted(ctx context.Context, x expectation, before uint64) *fault {
	if ac.drops(ctx, x) > before {
		return nil
	}
	return &fault{Expectation: x.String(), machine: true,
		Cause: sim.T("the packet was lost before the security groups of %s could drop it", x.to.Name)}
}

// blame finds out why a packet did not do what the lab promises: the world
// first, then the machine.
func (ac *access) blame(ctx context.Context, x expectation, r dataplane.ProbeResult) (*fault, error) {
	f := &fault{Expectation: x.String()}
	v, err := ac.box.trace(ctx, x.query())
	if err != nil {
		return nil, err
	}
	switch {
	case !x.open && v.Allowed && len(v.Decisive) > 0:
		f.Cause = sim.T("%s answers, and must not: %s", x.String(), v.Decisive[0].Text)
		f.Fix = []sim.Text{ac.again}
	case !x.open:
		f.Cause, f.machine = sim.T("%s answers, and must not", x.String()), true
	case !v.Allowed && len(v.Decisive) > 0:
		f.Cause = v.Decisive[0].Text
		for _, fix := range v.Fix {
			f.Fix = append(f.Fix, fix.Text)
			for _, c := range fix.Commands {
				f.Fix = append(f.Fix, command(c))
			}
		}
	case r.Refused:
		f.Cause = sim.T("nobody listens on port %d in %s", x.port, x.to.Name)
		f.Fix = []sim.Text{sim.Cmd("labsim reboot %s", x.to.alias())}
	case ac.overAllowance(ctx, x):
		f.Cause = sim.T("%s has begun more connections than a network interface may have at a time, and what it begins now is dropped (connection tracking allowance exceeded)", x.from.Name)
	default:
		f.Cause, f.machine = sim.T("every rule allows it, yet the packet is lost on the way to %s (%s)", x.to.Name, r.Error), true
	}
	return f, nil
}

func (x expectation) String() string {
	from := "internet"
	if x.from.ID != "" {
		from = x.from.Name
	}
	return fmt.Sprintf("%s -> %s tcp/%d", from, x.to.Name, x.port)
}

// sentence says what was found, per instance: "web answers on 22 and 80".
func (ac *access) sentence(list []expectation) string {
	var parts []string
	for _, x := range ac.lab.Instances {
		var public []string
		from := map[string][]string{}
		closed := false
		for _, e := range list {
			if e.to.Name != x.Name {
				continue
			}
			switch {
			case e.counted:
			case !e.open:
				closed = true
			case e.from.ID == "":
				public = append(public, fmt.Sprint(e.port))
			default:
				from[e.from.Name] = append(from[e.from.Name], fmt.Sprint(e.port))
			}
		}
		if len(public) > 0 {
			parts = append(parts, ac.app.say(sim.T("%s answers on %s", x.Name, ac.and(public))))
		}
		for _, peer := range sorted(from) {
			parts = append(parts, ac.app.say(sim.T("%s answers %s on %s", x.Name, peer, ac.and(from[peer]))))
		}
		if closed {
			parts = append(parts, ac.app.say(sim.T("not the internet, not the host")))
		}
	}
	return strings.Join(parts, " · ")
}

// and joins words as a list in a sentence.
func (ac *access) and(words []string) string {
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return ac.app.say(sim.T("%s and %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1]))
}
