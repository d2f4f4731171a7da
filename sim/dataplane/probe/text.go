package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/world"
)

// text writes a world as sim/world/worldtest reads it: so a failure can be read, and
// made a test. What nothing can depend on is left out.
func text(s *world.State) string {
	var b strings.Builder
	for _, v := range s.VPCs.All() {
		w := writer{&b, s, v}
		w.vpc()
		w.groups()
		w.instances()
	}
	return ids(s).Replace(b.String())
}

// ids writes names in the place of ids: sg-ax, sgr-ax-in1.
func ids(s *world.State) *strings.Replacer {
	var pairs []string
	add := func(prefix, id string, t sim.Tags) {
		if n := t.Value(sim.TagName); n != "" {
			pairs = append(pairs, id, prefix+"-"+n)
		}
	}
	for id, x := range s.VPCs.All() {
		add(sim.PrefixVPC, string(id), x.Tags)
	}
	for id, x := range s.InternetGateways.All() {
		add(sim.PrefixInternetGateway, string(id), x.Tags)
	}
	for id, x := range s.RouteTables.All() {
		add(sim.PrefixRouteTable, string(id), x.Tags)
	}
	for id, x := range s.Subnets.All() {
		add(sim.PrefixSubnet, string(id), x.Tags)
	}
	for id, x := range s.Instances.All() {
		add(sim.PrefixInstance, string(id), x.Tags)
	}
	for id, x := range s.ENIs.All() {
		add(sim.PrefixENI, string(id), x.Tags)
	}
	for id, x := range s.SecurityGroups.All() {
		add(sim.PrefixSecurityGroup, string(id), x.Tags)
		n := map[bool]int{}
		for _, r := range x.Rules {
			n[r.Egress]++
			dir := map[bool]string{true: "out", false: "in"}[r.Egress]
			pairs = append(pairs, string(r.ID), fmt.Sprintf("sgr-%s-%s%d", x.Name, dir, n[r.Egress]))
		}
	}
	return strings.NewReplacer(pairs...)
}

// writer writes a VPC.
type writer struct {
	*strings.Builder
	s *world.State
	v sim.VPC
}

// line joins words, without the empty ones.
func (w writer) line(words ...string) {
	w.WriteString(strings.Join(slices.DeleteFunc(words, func(x string) bool { return x == "" }), " ") + "\n")
}

func name(t sim.Tags) string { return t.Value(sim.TagName) }

func when(is bool, word string) string {
	if is {
		return word
	}
	return ""
}

func (w writer) vpc() {
	v := name(w.v.Tags)
	w.line("vpc", v, w.v.CIDR().String(), when(!w.v.DNSSupport, "nodns"))
	if g, ok := w.s.GatewayOf(w.v.ID); ok {
		w.line("igw", name(g.Tags), v, when(g.Tags.Value(sim.TagInternet) == sim.InternetReal, "internet"))
	}
	for _, t := range w.s.RouteTablesOf(w.v.ID) {
		w.line("table", name(t.Tags), v, when(t.Main(), "main"))
		for _, r := range t.Routes {
			if r.Target.Kind != sim.TargetLocal {
				w.line("route", name(t.Tags), r.Destination.String(), r.Target.ID)
			}
		}
	}
	for _, n := range w.s.SubnetsOf(w.v.ID) {
		table := ""
		if t := w.s.RouteTableFor(n); !t.Main() || slices.ContainsFunc(t.Associations, func(a sim.RouteTableAssociation) bool { return a.Subnet == n.ID }) {
			table = "table=" + name(t.Tags)
		}
		w.line("subnet", name(n.Tags), v, n.CIDR.String(), table)
	}
}

func (w writer) groups() {
	var rules []string
	for _, g := range w.s.SecurityGroupsOf(w.v.ID) {
		if g.Name == world.DefaultGroupName {
			continue
		}
		w.line("group", g.Name, name(w.v.Tags))
		for _, r := range g.Rules {
			rules = append(rules, fmt.Sprintf("%s %s %s", direction(r), g.Name, w.rule(r)))
		}
	}
	for _, r := range rules {
		w.line(r)
	}
}

func direction(r sim.SecurityGroupRule) string {
	if r.Egress {
		return "egress"
	}
	return "ingress"
}

func (w writer) rule(r sim.SecurityGroupRule) string {
	if r.Group != "" {
		return strings.Replace(ruleText(r), string(r.Group), w.s.SecurityGroups.Row(r.Group).Name, 1)
	}
	return ruleText(r)
}

// ruleText is a rule in worldtest's words, with the id of a group.
func ruleText(r sim.SecurityGroupRule) string {
	what, sep := fmt.Sprint(int(r.Protocol)), "-"
	switch r.Protocol {
	case sim.ProtocolAll:
		what = "all"
	case sim.ProtocolTCP:
		what = "tcp"
	case sim.ProtocolUDP:
		what = "udp"
	case sim.ProtocolICMP:
		what, sep = "icmp", "/"
	}
	if r.FromPort >= 0 {
		what += fmt.Sprintf("/%d%s%d", r.FromPort, sep, r.ToPort)
	}
	if r.Group != "" {
		return what + " " + string(r.Group)
	}
	return what + " " + r.CIDR.String()
}

func (w writer) instances() {
	for _, i := range w.s.InstancesOf(w.v.ID) {
		e, ok := w.s.PrimaryENI(i.ID)
		if !ok {
			continue // terminated
		}
		var groups []string
		for _, g := range e.SecurityGroups {
			groups = append(groups, cmp.Or(w.s.SecurityGroups.Row(g).Name, strings.TrimPrefix(string(g), sim.PrefixSecurityGroup+"-")))
		}
		address := ""
		if e.PublicIP.IsValid() {
			address = map[bool]string{true: "public=", false: "eip="}[e.Allocation == ""] + e.PublicIP.String()
		}
		w.line("instance", name(i.Tags), name(w.s.Subnets.Row(e.Subnet).Tags), e.PrivateIP.String(), "groups="+strings.Join(groups, ","),
			address, when(i.Status.State != sim.StateRunning, "state="+string(i.Status.State)), when(!e.SourceDestCheck, "nocheck"))
	}
}
