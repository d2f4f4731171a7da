package path_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/path"
	"labsim/sim/world"
	"labsim/sim/world/worldtest"
)

// The verdict is the packet's fate: in any world, what Trace says of a packet
// is what happens to it in the compiled config.
func TestTraceAgreesWithDataplane(t *testing.T) {
	allowed, asked := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := randomWorld(t)
		s, err := worldtest.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		k := kernel{c: dataplane.Compile(s, dataplane.CompileOptions{Site: "labsim", Region: "us-east-1", Public: sim.DefaultPublic}), live: map[sim.InstanceID]bool{}, machine: machine}
		for id, i := range s.Instances.All() {
			k.live[id] = i.Status.State == sim.StateRunning
		}
		for range 50 {
			q := randomQuery(t)
			v := path.Trace(s, q)
			asked++
			if v.Allowed {
				allowed++
			}
			if want := k.ask(s, q); v.Allowed != want {
				t.Fatalf("Trace says %v, the dataplane %v, of %s in\n%s\n%s", v.Allowed, want, show(q), text, describe(v))
			}
			check(t, v)
		}
	})
	if allowed*50 < asked || allowed == asked {
		t.Errorf("%d of %d packets were allowed: the worlds prove nothing", allowed, asked)
	}
}

// check holds what every verdict must have.
func check(t *rapid.T, v path.Verdict) {
	if len(v.Decisive) == 0 {
		t.Fatalf("no reason is given:\n%s", describe(v))
	}
	stops := 0
	for _, h := range append(append([]path.Hop{}, v.Hops...), v.Back...) {
		if h.Stops {
			stops++
		}
		if h.Text.Format == "" || strings.Contains(h.Text.String(), "%!") {
			t.Fatalf("hop %s says %q", station(h), h.Text)
		}
	}
	if v.Allowed && (stops != 0 || len(v.Fix) != 0) || !v.Allowed && stops != 1 {
		t.Fatalf("allowed %v with %d stops, %d fixes:\n%s", v.Allowed, stops, len(v.Fix), describe(v))
	}
}

// ask resolves a query's ends by the config and lets the packet go.
func (k kernel) ask(s *world.State, q path.Query) bool {
	v, e := k.of(q.From.Instance)
	tv, te := k.of(q.To.Instance)
	if q.From.Instance != "" && e == nil || q.To.Instance != "" && te == nil {
		return false
	}
	p := packet{proto: q.Protocol, port: q.Port, dst: q.To.Address}
	switch {
	case q.To.Internet:
		p.dst = netip.MustParseAddr("203.0.113.1")
	case te != nil && v == tv:
		p.dst = te.Addr
	case te != nil:
		p.dst = te.Public
	}
	if e != nil {
		p.src = e.Addr
		return p.dst.IsValid() && k.fromGuest(v, e, p)
	}
	p.src = q.From.Address
	if q.From.Internet {
		p.src = sim.AddrAt(sim.DefaultPublic, 1)
	}
	return p.dst.IsValid() && k.fromEdge(p)
}

func (k kernel) of(id sim.InstanceID) (*dataplane.VPC, *dataplane.ENI) {
	for i := range k.c.VPCs {
		v := &k.c.VPCs[i]
		if e := eniOf(v, func(e dataplane.ENI) bool { return id != "" && e.Instance == id }); e != nil {
			return v, e
		}
	}
	return nil, nil
}

// randomWorld is two VPCs of one CIDR, with whatever can be wrong in them.
func randomWorld(t *rapid.T) string {
	var b strings.Builder
	one := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	public := 20
	for _, v := range []string{"a", "b"} {
		fmt.Fprintf(&b, "vpc %s 10.0.0.0/16 %s\n", v, one("dns", "", "", "nodns"))
		fmt.Fprintf(&b, "igw %s %s\n", v, one("attached", v, v, v+" internet", v+" internet", ""))
		for n, tab := range []string{v + "1", v + "2"} {
			fmt.Fprintf(&b, "table %s %s %s\n", tab, v, one("main", "main", []string{"main", ""}[n]))
			for _, dst := range []string{"0.0.0.0/0", "198.51.100.20/30", "10.0.2.0/24", "10.9.0.0/16"} {
				if target := one("target", "", "igw-"+v, "igw-"+v, "eni-"+v+"1", "igw-gone"); target != "" && (dst == "0.0.0.0/0" || one("odd", "", "", "yes") != "") {
					fmt.Fprintf(&b, "route %s %s %s\n", tab, dst, target)
				}
			}
			fmt.Fprintf(&b, "subnet %s %s 10.0.%d.0/24 table=%s\n", tab, v, n+1, tab)
		}
		groups := []string{v + "x", v + "y", v + "z"}
		for _, g := range groups {
			fmt.Fprintf(&b, "group %s %s\n", g, v)
		}
		for _, g := range groups {
			if one("open", "", "", "yes") != "" {
				fmt.Fprintf(&b, "ingress %[1]s all 0.0.0.0/0\negress %[1]s all 0.0.0.0/0\n", g)
			}
			for range rapid.IntRange(0, 3).Draw(t, "rules") {
				fmt.Fprintf(&b, "%s %s %s %s\n", one("dir", "ingress", "egress"), g,
					one("what", "all", "all", "tcp/80", "tcp/20-90", "udp/53", "icmp", "icmp/8/0", "icmp/3/-1", "50"),
					one("peer", append(groups, "0.0.0.0/0", "0.0.0.0/0", "10.0.1.0/24", "198.51.100.0/24", "other")...))
			}
		}
		for i := range 3 {
			fmt.Fprintf(&b, "instance %s%d %s%d 10.0.%d.1%d groups=%s,%s state=%s %s", v, i, v, 1+i%2, 1+i%2, i,
				one("group", groups...), one("group", groups...), one("state", "running", "running", "running", "running", "running", "running", "running", "stopped", "terminated"), one("check", "", "nocheck"))
			if one("public", "", "yes", "yes") != "" {
				fmt.Fprintf(&b, " public=198.51.100.%d", public)
			}
			public++
			b.WriteString("\n")
		}
	}
	return b.String()
}

// machine has an address of the internet besides .1 of the public range.
var machine = []netip.Addr{netip.MustParseAddr("192.0.2.1")}

func randomQuery(t *rapid.T) path.Query {
	instance := rapid.Custom(func(t *rapid.T) path.Endpoint {
		return path.Endpoint{Instance: sim.InstanceID(rapid.SampledFrom([]string{"i-a0", "i-a1", "i-a2", "i-b0", "i-b1", "i-b2"}).Draw(t, "instance"))}
	})
	address := func(of ...string) *rapid.Generator[path.Endpoint] {
		return rapid.Map(rapid.SampledFrom(of), func(s string) path.Endpoint { return path.Endpoint{Address: netip.MustParseAddr(s)} })
	}
	internet := rapid.Just(path.Endpoint{Internet: true})
	q := path.Query{
		From: rapid.OneOf(instance, instance, instance, internet, address("198.51.100.1", "198.51.100.99", "192.0.2.1")).Draw(t, "from"),
		To: rapid.OneOf(instance, instance, instance, internet, address("198.51.100.1", "198.51.100.20", "198.51.100.21", "198.51.100.24", "198.51.100.99", "192.0.2.1", "203.0.113.10", "198.18.0.20", "224.0.0.1",
			"10.0.1.10", "10.0.2.11", "10.0.1.99", "10.0.1.1", "10.0.0.2", "10.9.0.1", "169.254.169.254", "169.254.169.253")).Draw(t, "to"),
		Machine: machine,
	}
	q.Protocol, q.Port, _ = path.ParseTraffic(rapid.SampledFrom([]string{"tcp/80", "tcp/80", "udp/53", "icmp", "tcp/22", "50"}).Draw(t, "traffic"))
	return q
}

func show(q path.Query) string {
	return fmt.Sprintf("%+v -> %+v, protocol %d, port %d", q.From, q.To, q.Protocol, q.Port)
}
