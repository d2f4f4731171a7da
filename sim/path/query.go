package path

import (
	"net/netip"
	"strconv"
	"strings"

	"labsim/sim"
)

// Query asks for the fate of the first packet of a flow and of its answer.
type Query struct {
	From     Endpoint
	To       Endpoint
	Protocol sim.Protocol
	// Port is the destination port of TCP and UDP; ICMP asks for an echo.
	Port int
	// Public is the site's public range; zero: that of the default site.
	Public netip.Prefix
	// Machine lists further addresses of the engine's machine, as
	// dataplane.Report.Machine does.
	Machine []netip.Addr `json:",omitempty"`
}

// Endpoint is one end; exactly one field is set.
type Endpoint struct {
	// Internet is the internet side: as a sender the engine's machine, which is
	// .1 of the site's public range; as a receiver some address of the internet
	// outside of that range.
	Internet bool           `json:",omitempty"`
	Instance sim.InstanceID `json:",omitempty"`
	// Address is a private address, seen from the other end's VPC, or a public one.
	Address netip.Addr `json:",omitzero"`
}

// Verdict is the answer. It survives JSON.
type Verdict struct {
	Allowed bool
	Hops    []Hop // the way there, as far as the packet gets
	Back    []Hop // the answer's way; empty unless the packet arrives
	// Decisive says why. Allowed: the rules and routes that let the packet pass.
	// Else the first one is what stops it, and the others would stop it next.
	Decisive []Hop
	Fix      []Fix // one for each of Decisive that can be mended
}

// Kind is what a hop is.
type Kind string

const (
	KindEndpoint Kind = "endpoint" // an end that the query names and nothing stands behind
	KindInstance Kind = "instance" // the instance itself, running or not
	KindENI      Kind = "eni"      // a network interface
	KindEgress   Kind = "egress"   // a security group on the way out
	KindIngress  Kind = "ingress"  // a security group on the way in
	KindRoute    Kind = "route"    // a route of a table
	KindGateway  Kind = "gateway"  // an internet gateway
	KindPublic   Kind = "public"   // the translation of a public address
	KindRouter   Kind = "router"   // the VPC's router itself: metadata, DNS
	KindInternet Kind = "internet" // what is beyond the gateway
	KindTarget   Kind = "target"   // arrived
)

// Hop is a station of the packet, or what stops it there.
type Hop struct {
	Kind     Kind
	Resource string // id: i-, eni-, sg-, rtb-, igw-; "" for the internet
	// Rule is what decided within the resource: a security group rule's id or a
	// route's destination; "" where no rule matched, or none is needed.
	Rule  string `json:",omitempty"`
	Stops bool   `json:",omitempty"`
	// Counter is the ID of the dataplane.Counter that this packet raises; "" where
	// nothing counts.
	Counter string `json:",omitempty"`
	Text    sim.Text
}

// Fix is a way to let the packet pass.
type Fix struct {
	Text sim.Text
	// Commands are AWS CLI commands with real ids, in the order in which to run
	// them. All begin with "aws ", also within $( ).
	Commands []string
}

// ParseTraffic reads tcp/5432, udp/53, icmp or a protocol's number.
func ParseTraffic(s string) (sim.Protocol, int, error) {
	name, port, some := strings.Cut(strings.ToLower(s), "/")
	proto, known := map[string]sim.Protocol{"tcp": sim.ProtocolTCP, "udp": sim.ProtocolUDP, "icmp": sim.ProtocolICMP, "ping": sim.ProtocolICMP}[name]
	wantsPort := proto == sim.ProtocolTCP || proto == sim.ProtocolUDP
	if n, err := strconv.ParseUint(name, 10, 8); err == nil && !known {
		proto, known = sim.Protocol(n), true
		wantsPort = proto == sim.ProtocolTCP || proto == sim.ProtocolUDP
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if !known || some != wantsPort || wantsPort && (err != nil || n == 0) {
		return 0, 0, &sim.Failure{What: sim.T("%q is no traffic", s), Next: []sim.Text{sim.T("Write tcp/PORT, udp/PORT or icmp, for example tcp/5432")}}
	}
	return proto, int(n), nil
}
