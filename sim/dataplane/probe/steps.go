package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"labsim/sim"
	"labsim/sim/world"
)

// A step is a call with arguments that are drawn. It says what it did.
type step struct {
	name  string
	often int
	do    func(draw) (string, error)
}

// errNothing: there is nothing that the step could be done to.
var errNothing = errors.New("nothing to do it to")

var steps = []step{
	{"authorize", 8, draw.authorize},
	{"revoke", 6, draw.revoke},
	{"change groups of", 3, draw.regroup},
	{"switch source/destination check of", 3, draw.switchCheck},
	{"route", 6, draw.route},
	{"delete route", 4, draw.unroute},
	{"use route table", 2, draw.useTable},
	{"associate address", 4, draw.associate},
	{"disassociate address", 2, draw.disassociate},
	{"stop", 3, draw.stop},
	{"start", 5, draw.start},
	{"start in vain", 1, draw.hang},
	{"terminate and launch", 2, draw.exchange},
	{"detach gateway", 1, draw.detach},
	{"attach gateway", 3, draw.attach},
	{"choose internet of", 2, draw.chooseInternet},
	{"switch DNS support of", 1, draw.switchDNS},
}

var oftenInAll = func() (n int) {
	for _, s := range steps {
		n += s.often
	}
	return n
}()

// draw returns the step that a number below oftenInAll stands for.
func (m *maker) draw(n int) step {
	for _, s := range steps {
		if n -= s.often; n < 0 {
			return s
		}
	}
	panic("a number that no step has")
}

// draw is a transaction with arguments at random.
type draw struct {
	*world.Tx
	m *maker
}

func (d draw) chance(n, of int) bool { return d.m.rand.IntN(of) < n }

func pick[T any](d draw, of ...T) T { return of[d.m.rand.IntN(len(of))] }

// one picks a row that suits.
func one[K ~string, V any](d draw, t *world.Table[K, V], suits func(V) bool) (V, error) {
	var rows []V
	for _, row := range t.All() {
		if suits(row) {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		var none V
		return none, errNothing
	}
	return pick(d, rows...), nil
}

func whatever[V any](V) bool { return true }

func (d draw) authorize() (string, error) {
	g, err := one(d, d.SecurityGroups, func(g sim.SecurityGroup) bool { return g.Name != world.DefaultGroupName })
	if err != nil {
		return "", err
	}
	return d.authorizeIn(g)
}

func (d draw) authorizeIn(g sim.SecurityGroup) (string, error) {
	rules, err := d.AuthorizeSecurityGroup(world.AuthorizeSecurityGroup{Group: g.ID, Egress: d.chance(1, 2), Rules: []sim.SecurityGroupRule{d.rule(g.VPC)}})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s", g.ID, rules[0].ID), nil
}

// rule is about what is sent, mostly.
func (d draw) rule(v sim.VPCID) sim.SecurityGroupRule {
	r := pick(d,
		sim.SecurityGroupRule{Protocol: sim.ProtocolAll},
		sim.SecurityGroupRule{Protocol: sim.ProtocolAll},
		sim.SecurityGroupRule{Protocol: sim.ProtocolTCP, FromPort: 80, ToPort: 80},
		sim.SecurityGroupRule{Protocol: sim.ProtocolTCP, FromPort: 80, ToPort: 443},
		sim.SecurityGroupRule{Protocol: sim.ProtocolTCP, FromPort: 0, ToPort: 65535},
		sim.SecurityGroupRule{Protocol: sim.ProtocolUDP, FromPort: 53, ToPort: 53},
		sim.SecurityGroupRule{Protocol: sim.ProtocolUDP, FromPort: 100, ToPort: 6000},
		sim.SecurityGroupRule{Protocol: sim.ProtocolICMP, FromPort: -1, ToPort: -1},
		sim.SecurityGroupRule{Protocol: sim.ProtocolICMP, FromPort: 8, ToPort: pick(d, -1, 0, 1)},
		sim.SecurityGroupRule{Protocol: sim.ProtocolICMP, FromPort: 3, ToPort: -1},
		sim.SecurityGroupRule{Protocol: 50})
	if d.chance(2, 5) {
		r.Group = pick(d, d.groupsOf(v)...).ID
	} else {
		r.CIDR = d.peer(v)
	}
	return r
}

// peer is a block that some packets come from or go to.
func (d draw) peer(v sim.VPCID) netip.Prefix {
	block := d.VPCs.Row(v).CIDR()
	some := sim.Everywhere
	if e, err := one(d, d.ENIs, whatever); err == nil {
		some = netip.PrefixFrom(pick(d, e.PrivateIP, e.PrivateIP, orElse(e.PublicIP, e.PrivateIP)), 32)
	}
	return pick(d, sim.Everywhere, sim.Everywhere, sim.Everywhere, block, netip.PrefixFrom(sim.AddrAt(block, 1<<8), 24),
		netip.PrefixFrom(sim.AddrAt(block, 2<<8), 24), public, netip.PrefixFrom(sim.AddrAt(public, 1), 32), some)
}

func orElse(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

// groupsOf are the groups of a VPC but its default one.
func (d draw) groupsOf(v sim.VPCID) (out []sim.SecurityGroup) {
	for _, g := range d.SecurityGroupsOf(v) {
		if g.Name != world.DefaultGroupName {
			out = append(out, g)
		}
	}
	return out
}

func (d draw) revoke() (string, error) {
	g, err := one(d, d.SecurityGroups, func(g sim.SecurityGroup) bool { return g.Name != world.DefaultGroupName && len(g.Rules) > 0 })
	if err != nil {
		return "", err
	}
	r := pick(d, g.Rules...)
	_, err = d.RevokeSecurityGroup(world.RevokeSecurityGroup{Group: g.ID, Egress: r.Egress, RuleIDs: []sim.SecurityGroupRuleID{r.ID}})
	return fmt.Sprintf("%s %s %s", g.ID, direction(r), ruleText(r)), err
}

// someGroups draws one or two.
func (d draw) someGroups(v sim.VPCID) []sim.SecurityGroupID {
	groups := d.groupsOf(v)
	ids := []sim.SecurityGroupID{pick(d, groups...).ID}
	if d.chance(1, 2) {
		ids = append(ids, pick(d, groups...).ID)
	}
	return slices.Compact(ids)
}

func (d draw) regroup() (string, error) {
	e, err := one(d, d.ENIs, whatever)
	if err != nil {
		return "", err
	}
	groups := d.someGroups(e.VPC)
	return fmt.Sprintf("%s: %v", e.ID, groups), d.ModifyNetworkInterfaceAttribute(world.ModifyNetworkInterfaceAttribute{ENI: e.ID, SecurityGroups: groups})
}

func (d draw) switchCheck() (string, error) {
	e, err := one(d, d.ENIs, whatever)
	if err != nil {
		return "", err
	}
	on := !e.SourceDestCheck
	return fmt.Sprintf("%s: %v", e.ID, on), d.ModifyNetworkInterfaceAttribute(world.ModifyNetworkInterfaceAttribute{ENI: e.ID, SourceDestCheck: &on})
}

// route makes a route, or gives one that is there another target.
func (d draw) route() (string, error) {
	t, err := one(d, d.RouteTables, whatever)
	if err != nil {
		return "", err
	}
	block := d.VPCs.Row(t.VPC).CIDR()
	dst := pick(d, sim.Everywhere, sim.Everywhere, public, netip.PrefixFrom(sim.AddrAt(public, 20), 30), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("10.9.0.0/16"),
		netip.PrefixFrom(sim.AddrAt(block, 1<<8), 24), netip.PrefixFrom(sim.AddrAt(block, 2<<8), 24))
	var to world.RouteTo
	if g, ok := d.GatewayOf(t.VPC); ok && d.chance(1, 2) {
		to.Gateway = string(g.ID)
	} else if e, err := one(d, d.ENIs, func(e sim.ENI) bool { return e.VPC == t.VPC }); err == nil {
		to.ENI = e.ID
	} else {
		return "", err
	}
	text := fmt.Sprintf("%s %s %s%s", t.ID, dst, to.Gateway, to.ENI)
	if slices.ContainsFunc(t.Routes, func(r sim.Route) bool { return r.Destination == dst }) {
		return text, d.ReplaceRoute(world.ReplaceRoute{RouteTable: t.ID, Destination: dst, To: to})
	}
	return text, d.CreateRoute(world.CreateRoute{RouteTable: t.ID, Destination: dst, To: to})
}

func (d draw) unroute() (string, error) {
	t, err := one(d, d.RouteTables, func(t sim.RouteTable) bool { return len(t.Routes) > 1 })
	if err != nil {
		return "", err
	}
	dst := pick(d, t.Routes...).Destination
	return fmt.Sprintf("%s %s", t.ID, dst), d.DeleteRoute(world.DeleteRoute{RouteTable: t.ID, Destination: dst})
}

// useTable lets another table serve a subnet.
func (d draw) useTable() (string, error) {
	n, err := one(d, d.Subnets, whatever)
	if err != nil {
		return "", err
	}
	t, err := one(d, d.RouteTables, func(t sim.RouteTable) bool { return t.VPC == n.VPC })
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s for %s", t.ID, n.ID)
	for _, a := range d.RouteTableFor(n).Associations {
		if a.Subnet != n.ID {
			continue
		}
		if t.Main() {
			return text, d.DisassociateRouteTable(a.ID)
		}
		_, err := d.ReplaceRouteTableAssociation(world.ReplaceRouteTableAssociation{Association: a.ID, RouteTable: t.ID})
		return text, err
	}
	_, err = d.AssociateRouteTable(world.AssociateRouteTable{RouteTable: t.ID, Subnet: n.ID})
	return text, err
}

func (d draw) associate() (string, error) {
	a, err := one(d, d.Addresses, whatever)
	if err != nil {
		return "", err
	}
	e, err := one(d, d.ENIs, whatever)
	if err != nil {
		return "", err
	}
	_, err = d.AssociateAddress(world.AssociateAddress{Allocation: a.Allocation, ENI: e.ID, AllowReassociation: true})
	return fmt.Sprintf("%s with %s", a.PublicIP, e.ID), err
}

func (d draw) disassociate() (string, error) {
	a, err := one(d, d.Addresses, func(a sim.Address) bool { return a.Association != "" })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s from %s", a.PublicIP, a.ENI), d.DisassociateAddress(world.DisassociateAddress{Association: a.Association})
}

func (d draw) inState(s sim.InstanceState) (sim.Instance, error) {
	return one(d, d.Instances, func(i sim.Instance) bool { return i.Status.State == s })
}

func (d draw) stop() (string, error) {
	i, err := d.inState(sim.StateRunning)
	if err != nil {
		return "", err
	}
	_, err = d.StopInstances(world.StopInstances{IDs: []sim.InstanceID{i.ID}})
	return string(i.ID), err
}

func (d draw) start() (string, error) {
	i, err := d.inState(pick(d, sim.StateStopped, sim.StateStopped, sim.StatePending))
	if err != nil {
		return "", err
	}
	delete(d.m.hangs, i.ID)
	_, err = d.StartInstances([]sim.InstanceID{i.ID})
	return string(i.ID), err
}

// hang starts an instance that stays pending until it is started once more.
func (d draw) hang() (string, error) {
	i, err := d.inState(sim.StateStopped)
	if err != nil {
		return "", err
	}
	d.m.hangs[i.ID] = true
	_, err = d.StartInstances([]sim.InstanceID{i.ID})
	return string(i.ID), err
}

// exchange ends an instance and launches another in its VPC, often at its address.
func (d draw) exchange() (string, error) {
	i, err := d.inState(pick(d, sim.StateRunning, sim.StateStopped))
	if err != nil {
		return "", err
	}
	if _, err := d.TerminateInstances([]sim.InstanceID{i.ID}); err != nil {
		return "", err
	}
	if err := d.m.converge(d.Tx); err != nil {
		return "", err
	}
	next, err := d.launch(d.VPCs.Row(i.VPC))
	return fmt.Sprintf("%s, %s", i.ID, next.ID), err
}

func (d draw) launch(v sim.VPC) (sim.Instance, error) {
	n, err := one(d, d.Subnets, func(n sim.Subnet) bool { return n.VPC == v.ID })
	if err != nil {
		return sim.Instance{}, err
	}
	name := named(fmt.Sprint(v.Tags.Value(sim.TagName), "i", d.m.launched[v.ID]))
	d.m.launched[v.ID]++
	toPublic := d.chance(1, 2)
	r, err := d.RunInstances(world.RunInstances{Image: d.m.image, MinCount: 1, MaxCount: 1, Subnet: n.ID, SecurityGroups: d.someGroups(v.ID),
		AssociatePublicIP: &toPublic, Tags: name, ENITags: name})
	if err != nil {
		return sim.Instance{}, err
	}
	check := d.chance(2, 3)
	return r.Instances[0], d.ModifyInstanceAttribute(world.ModifyInstanceAttribute{Instance: r.Instances[0].ID, SourceDestCheck: &check})
}

func (d draw) detach() (string, error) {
	g, err := one(d, d.InternetGateways, func(g sim.InternetGateway) bool { return g.VPC != "" })
	if err != nil {
		return "", err
	}
	return string(g.ID), d.DetachInternetGateway(world.DetachInternetGateway{InternetGateway: g.ID, VPC: g.VPC})
}

// attach attaches a gateway to the VPC of its name.
func (d draw) attach() (string, error) {
	g, err := one(d, d.InternetGateways, func(g sim.InternetGateway) bool { return g.VPC == "" })
	if err != nil {
		return "", err
	}
	v, err := one(d, d.VPCs, func(v sim.VPC) bool { return v.Tags.Value(sim.TagName) == g.Tags.Value(sim.TagName) })
	if err != nil {
		return "", err
	}
	return string(g.ID), d.AttachInternetGateway(world.AttachInternetGateway{InternetGateway: g.ID, VPC: v.ID})
}

func (d draw) chooseInternet() (string, error) {
	g, err := one(d, d.InternetGateways, whatever)
	if err != nil {
		return "", err
	}
	which := pick(d, sim.InternetReal, "")
	return fmt.Sprintf("%s %q", g.ID, which), d.CreateTags(world.CreateTags{Resources: []string{string(g.ID)}, Tags: sim.Tags{{Key: sim.TagInternet, Value: which}}})
}

func (d draw) switchDNS() (string, error) {
	v, err := one(d, d.VPCs, whatever)
	if err != nil {
		return "", err
	}
	on := !v.DNSSupport
	return fmt.Sprintf("%s: %v", v.ID, on), d.ModifyVPCAttribute(world.ModifyVPCAttribute{VPC: v.ID, DNSSupport: &on})
}
