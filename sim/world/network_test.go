package world

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"labsim/sim"
)

var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.IgnoreFields(sim.SecurityGroupRule{}, "ID"),
	cmpopts.IgnoreFields(sim.RouteTableAssociation{}, "ID"),
}

// A new VPC has what AWS gives it.
func TestCreateVPCMakesMainTableAndDefaultGroup(t *testing.T) {
	r := newRegion(t)
	v := do(r, func(tx *Tx) (sim.VPC, error) {
		return tx.CreateVPC(CreateVPC{CIDR: prefix("10.0.5.9/16"), Tags: sim.Tags{{Key: "b"}, {Key: "a", Value: "1"}}})
	})
	want := sim.VPC{ID: v.ID, Owner: alice, CIDRs: []netip.Prefix{prefix("10.0.0.0/16")}, Tenancy: "default", DNSSupport: true,
		Tags: sim.Tags{{Key: "a", Value: "1"}, {Key: "b"}}}
	if diff := cmp.Diff(want, v, byValue); diff != "" {
		t.Error("VPC (-want +got):\n" + diff)
	}
	main := r.View().MainRouteTable(v.ID)
	wantRoutes := []sim.Route{{Destination: v.CIDR(), Target: localTarget, Origin: sim.OriginCreateRouteTable}}
	if diff := cmp.Diff(wantRoutes, main.Routes, byValue); diff != "" {
		t.Error("routes of the main table (-want +got):\n" + diff)
	}
	g := r.View().DefaultGroup(v.ID)
	wantRules := []sim.SecurityGroupRule{
		{Egress: true, Protocol: sim.ProtocolAll, FromPort: -1, ToPort: -1, CIDR: sim.Everywhere},
		{Protocol: sim.ProtocolAll, FromPort: -1, ToPort: -1, Group: g.ID},
	}
	if diff := cmp.Diff(wantRules, g.Rules, byValue); diff != "" {
		t.Error("rules of the default group (-want +got):\n" + diff)
	}
	if g.Description != "default VPC security group" {
		t.Errorf("description of the default group: %q", g.Description)
	}
}

func TestVPCRules(t *testing.T) {
	r := newRegion(t)
	for _, c := range []struct{ cidr, tenancy, code, text string }{
		{"10.0.0.0/15", "", "InvalidVpc.Range", "The CIDR '10.0.0.0/15' is invalid."},
		{"10.0.0.0/29", "", "InvalidVpc.Range", "invalid"},
		{"169.254.0.0/24", "", "InvalidVpc.Range", "reserved"},
		{"10.0.0.0/16", "dedicated", "UnsupportedOperation", "dedicated"},
	} {
		r.refused(c.code, c.text, drop(func(tx *Tx) (sim.VPC, error) {
			return tx.CreateVPC(CreateVPC{CIDR: prefix(c.cidr), Tenancy: c.tenancy})
		}))
	}
	r.refused("InvalidVpcID.NotFound", "The vpc ID 'vpc-none' does not exist", func(tx *Tx) error { return tx.DeleteVPC("vpc-none") })
}

// Each dependent keeps a VPC; without them it goes, and takes its own along.
func TestDeleteVPC(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	del := func(tx *Tx) error { return tx.DeleteVPC(v.ID) }
	kept := func() {
		t.Helper()
		r.refused("DependencyViolation", "The vpc '"+string(v.ID)+"' has dependencies and cannot be deleted.", del)
	}
	n := r.subnet(v, "10.0.1.0/24")
	kept()
	r.run(func(tx *Tx) error { return tx.DeleteSubnet(n.ID) })
	g := r.online(v)
	kept()
	r.run(func(tx *Tx) error { return tx.DetachInternetGateway(DetachInternetGateway{g.ID, v.ID}) })
	table := do(r, func(tx *Tx) (sim.RouteTable, error) { return tx.CreateRouteTable(CreateRouteTable{VPC: v.ID}) })
	kept()
	r.run(func(tx *Tx) error { return tx.DeleteRouteTable(table.ID) })
	sg := r.group(v, "web")
	kept()
	r.run(func(tx *Tx) error { return tx.DeleteSecurityGroup(sg.ID) })
	r.run(del)
	s := r.View()
	if s.VPCs.Len()+s.RouteTables.Len()+s.SecurityGroups.Len() != 0 {
		t.Errorf("left: %d VPCs, %d tables, %d groups", s.VPCs.Len(), s.RouteTables.Len(), s.SecurityGroups.Len())
	}
}

func TestSubnetRules(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	first := r.subnet(v, "10.0.1.0/24")
	if first.Zone != "us-east-1a" || first.Number != 1 {
		t.Errorf("zone %s, number %d; want us-east-1a, 1", first.Zone, first.Number)
	}
	for _, c := range []struct {
		in         CreateSubnet
		code, text string
	}{
		{CreateSubnet{VPC: v.ID, CIDR: prefix("10.1.0.0/24")}, "InvalidSubnet.Range", "The CIDR '10.1.0.0/24' is invalid."},
		{CreateSubnet{VPC: v.ID, CIDR: prefix("10.0.1.128/25")}, "InvalidSubnet.Conflict", "The CIDR '10.0.1.128/25' conflicts with another subnet"},
		{CreateSubnet{VPC: v.ID, CIDR: prefix("10.0.2.0/29")}, "InvalidSubnet.Range", ""},
		{CreateSubnet{VPC: v.ID, CIDR: prefix("10.0.2.0/24"), Zone: "us-east-1z"}, "InvalidParameterValue", "us-east-1a, us-east-1b, us-east-1c"},
		{CreateSubnet{VPC: "vpc-none", CIDR: prefix("10.0.2.0/24")}, "InvalidVpcID.NotFound", ""},
		{CreateSubnet{CIDR: prefix("10.0.2.0/24")}, "MissingParameter", ""},
	} {
		r.refused(c.code, c.text, drop(func(tx *Tx) (sim.Subnet, error) { return tx.CreateSubnet(c.in) }))
	}
	second := r.subnet(v, "10.0.2.0/24")
	r.run(func(tx *Tx) error { return tx.DeleteSubnet(first.ID) })
	third := r.subnet(v, "10.0.3.0/24")
	if second.Number != 2 || third.Number != 1 {
		t.Errorf("numbers %d and %d, want 2 and the free 1", second.Number, third.Number)
	}
}

// An instance that shuts down holds its address until it is terminated.
func TestDeleteSubnetWaitsForTermination(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	i := r.running(n, nil)
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.TerminateInstances([]sim.InstanceID{i.ID}) })
	r.refused("DependencyViolation", "The subnet '"+string(n.ID)+"' has dependencies", func(tx *Tx) error { return tx.DeleteSubnet(n.ID) })
	r.observe(i.ID, Observation{State: sim.StateTerminated})
	r.run(func(tx *Tx) error { return tx.DeleteSubnet(n.ID) })
}

func TestGatewayRules(t *testing.T) {
	r := newRegion(t)
	v, other := r.vpc("10.0.0.0/16"), r.vpc("10.0.0.0/16")
	g := r.online(v)
	second := do(r, func(tx *Tx) (sim.InternetGateway, error) { return tx.CreateInternetGateway(CreateInternetGateway{}) })
	attach := func(g sim.InternetGateway, v sim.VPC) func(*Tx) error {
		return func(tx *Tx) error { return tx.AttachInternetGateway(AttachInternetGateway{g.ID, v.ID}) }
	}
	detach := func(tx *Tx) error { return tx.DetachInternetGateway(DetachInternetGateway{g.ID, v.ID}) }
	r.refused("Resource.AlreadyAssociated", "is already attached to network", attach(g, other))
	r.refused("InvalidParameterValue", "already has an internet gateway attached", attach(second, v))
	r.refused("Gateway.NotAttached", "resource "+string(g.ID)+" is not attached to network "+string(other.ID),
		func(tx *Tx) error { return tx.DetachInternetGateway(DetachInternetGateway{g.ID, other.ID}) })
	r.refused("DependencyViolation", "has dependencies", func(tx *Tx) error { return tx.DeleteInternetGateway(g.ID) })

	n := r.subnet(v, "10.0.1.0/24")
	r.public(n)
	i := r.running(n, nil)
	r.refused("DependencyViolation", "Network "+string(v.ID)+" has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", detach)
	do(r, func(tx *Tx) ([]StateChange, error) {
		return tx.StopInstances(StopInstances{IDs: []sim.InstanceID{i.ID}})
	})
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 1})
	r.run(detach)
	r.run(func(tx *Tx) error { return tx.DeleteInternetGateway(g.ID) })
}

func TestRoutes(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	g := r.online(v)
	far := r.online(r.vpc("10.9.0.0/16"))
	i := r.running(n, nil)
	table := r.View().MainRouteTable(v.ID)
	create := func(dst string, to RouteTo) func(*Tx) error {
		return func(tx *Tx) error { return tx.CreateRoute(CreateRoute{table.ID, prefix(dst), to}) }
	}
	igw := RouteTo{Gateway: string(g.ID)}
	r.run(create("0.0.0.0/0", igw))
	r.run(create("192.168.7.7/24", RouteTo{Instance: i.ID})) // host bits are cleared
	r.run(create("10.0.1.0/24", RouteTo{Instance: i.ID}))    // a whole subnet, through an appliance

	for _, c := range []struct {
		dst        string
		to         RouteTo
		code, text string
	}{
		{"0.0.0.0/0", igw, "RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists."},
		{"10.0.0.0/16", igw, "RouteAlreadyExists", ""},
		{"10.0.2.0/24", igw, "InvalidParameterValue", "equal to or more specific than one of this VPC's CIDR blocks"},
		{"10.0.2.0/24", RouteTo{Instance: i.ID}, "InvalidParameterValue", "does not match a subnet"},
		{"169.254.169.254/32", igw, "InvalidParameterValue", "reserved"},
		{"8.0.0.0/8", RouteTo{Gateway: "igw-none"}, "InvalidGatewayID.NotFound", "The gateway ID 'igw-none' does not exist"},
		{"8.0.0.0/8", RouteTo{Gateway: string(far.ID)}, "InvalidParameterValue", "belong to different networks"},
		{"8.0.0.0/8", RouteTo{}, "MissingParameter", "exactly one"},
		{"8.0.0.0/8", RouteTo{Gateway: string(g.ID), Instance: i.ID}, "InvalidParameterCombination", "exactly one"},
	} {
		r.refused(c.code, c.text, create(c.dst, c.to))
	}

	want := []sim.Route{
		{Destination: prefix("0.0.0.0/0"), Target: sim.RouteTarget{Kind: sim.TargetInternetGateway, ID: string(g.ID)}, Origin: sim.OriginCreateRoute},
		{Destination: prefix("10.0.0.0/16"), Target: localTarget, Origin: sim.OriginCreateRouteTable},
		{Destination: prefix("10.0.1.0/24"), Target: sim.RouteTarget{Kind: sim.TargetENI, ID: string(r.eni(i.ID).ID)}, Origin: sim.OriginCreateRoute},
		{Destination: prefix("192.168.7.0/24"), Target: sim.RouteTarget{Kind: sim.TargetENI, ID: string(r.eni(i.ID).ID)}, Origin: sim.OriginCreateRoute},
	}
	if diff := cmp.Diff(want, r.View().RouteTables.Row(table.ID).Routes, byValue); diff != "" {
		t.Error("routes, sorted by destination (-want +got):\n" + diff)
	}
}

func TestReplaceAndDeleteRoute(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	i := r.running(r.subnet(v, "10.0.1.0/24"), nil)
	g := r.online(v)
	table := r.View().MainRouteTable(v.ID).ID
	replace := func(dst string, to RouteTo) func(*Tx) error {
		return func(tx *Tx) error { return tx.ReplaceRoute(ReplaceRoute{table, prefix(dst), to}) }
	}
	del := func(dst string) func(*Tx) error {
		return func(tx *Tx) error { return tx.DeleteRoute(DeleteRoute{table, prefix(dst)}) }
	}
	r.refused("InvalidParameterValue", "There is no route defined for '0.0.0.0/0' in the route table. Use CreateRoute instead.", replace("0.0.0.0/0", RouteTo{Instance: i.ID}))
	r.refused("InvalidRoute.NotFound", "no route with destination-cidr-block 0.0.0.0/0 in route table "+string(table), del("0.0.0.0/0"))
	r.refused("InvalidParameterValue", "cannot remove local route 10.0.0.0/16 in route table "+string(table), del("10.0.0.0/16"))

	r.run(func(tx *Tx) error {
		return tx.CreateRoute(CreateRoute{table, sim.Everywhere, RouteTo{Gateway: string(g.ID)}})
	})
	r.run(replace("0.0.0.0/0", RouteTo{Instance: i.ID}))
	if got := r.View().RouteTables.Row(table).Routes[0].Target.ID; got != string(r.eni(i.ID).ID) {
		t.Errorf("the route leads to %s after its replacement, want the instance's interface", got)
	}
	r.run(del("0.0.0.0/0"))
	if n := len(r.View().RouteTables.Row(table).Routes); n != 1 {
		t.Errorf("%d routes are left, want the local one", n)
	}
}

// A route is as alive as its target.
func TestRouteState(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	g := r.online(v)
	i := r.running(r.subnet(v, "10.0.1.0/24"), nil)
	table := r.View().MainRouteTable(v.ID).ID
	r.run(func(tx *Tx) error {
		return tx.CreateRoute(CreateRoute{table, sim.Everywhere, RouteTo{Gateway: string(g.ID)}})
	})
	r.run(func(tx *Tx) error {
		return tx.CreateRoute(CreateRoute{table, prefix("172.16.0.0/12"), RouteTo{Instance: i.ID}})
	})
	want := func(when string, states ...string) {
		t.Helper()
		s := r.View()
		row := s.RouteTables.Row(table)
		var got []string
		for _, x := range row.Routes {
			got = append(got, s.RouteState(row, x))
		}
		if diff := cmp.Diff(states, got); diff != "" {
			t.Errorf("states of 0.0.0.0/0, local, 172.16.0.0/12 %s (-want +got):\n%s", when, diff)
		}
	}
	want("at first", "active", "active", "active")
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.TerminateInstances([]sim.InstanceID{i.ID}) })
	r.observe(i.ID, Observation{State: sim.StateTerminated})
	want("with the instance gone", "active", "active", "blackhole")
	r.run(func(tx *Tx) error { return tx.DetachInternetGateway(DetachInternetGateway{g.ID, v.ID}) })
	want("with the gateway detached", "blackhole", "active", "blackhole")
}

func TestAssociations(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	main := r.View().MainRouteTable(v.ID)
	table := func() sim.RouteTable {
		return do(r, func(tx *Tx) (sim.RouteTable, error) { return tx.CreateRouteTable(CreateRouteTable{VPC: v.ID}) })
	}
	a, b := table(), table()
	associate := func(x sim.RouteTable, n sim.Subnet) func(*Tx) (sim.AssociationID, error) {
		return func(tx *Tx) (sim.AssociationID, error) {
			return tx.AssociateRouteTable(AssociateRouteTable{x.ID, n.ID})
		}
	}
	serves := func(when string, want sim.RouteTableID) {
		t.Helper()
		if got := r.View().RouteTableFor(n).ID; got != want {
			t.Errorf("%s %s serves the subnet, want %s", when, got, want)
		}
	}
	serves("at first", main.ID)
	id := do(r, associate(a, n))
	serves("after the association", a.ID)
	if again := do(r, associate(a, n)); again != id {
		t.Errorf("the same association again has id %s, want %s", again, id)
	}
	r.refused("Resource.AlreadyAssociated", "conflicts with an existing association", drop(associate(b, n)))
	r.refused("InvalidParameterValue", "belong to different networks", drop(associate(a, r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24"))))
	r.refused("DependencyViolation", "The routeTable '"+string(a.ID)+"' has dependencies", func(tx *Tx) error { return tx.DeleteRouteTable(a.ID) })

	id = do(r, func(tx *Tx) (sim.AssociationID, error) {
		return tx.ReplaceRouteTableAssociation(ReplaceRouteTableAssociation{id, b.ID})
	})
	serves("after the replacement", b.ID)
	r.run(func(tx *Tx) error { return tx.DisassociateRouteTable(id) })
	serves("after the disassociation", main.ID)
	r.refused("InvalidAssociationID.NotFound", "does not exist", func(tx *Tx) error { return tx.DisassociateRouteTable(id) })

	mainID := main.Associations[0].ID
	r.refused("InvalidParameterValue", "cannot disassociate the main route table association", func(tx *Tx) error { return tx.DisassociateRouteTable(mainID) })
	do(r, func(tx *Tx) (sim.AssociationID, error) {
		return tx.ReplaceRouteTableAssociation(ReplaceRouteTableAssociation{mainID, b.ID})
	})
	serves("after the main table was replaced", b.ID)
	r.run(func(tx *Tx) error { return tx.DeleteRouteTable(main.ID) })
}

// A subnet takes its association along.
func TestDeleteSubnetUnbindsItsTable(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	main := r.View().MainRouteTable(v.ID)
	do(r, func(tx *Tx) (sim.AssociationID, error) {
		return tx.AssociateRouteTable(AssociateRouteTable{main.ID, n.ID}) // explicit, with the main table
	})
	r.run(func(tx *Tx) error { return tx.DeleteSubnet(n.ID) })
	want := []sim.RouteTableAssociation{{Main: true}}
	if diff := cmp.Diff(want, r.View().RouteTables.Row(main.ID).Associations, byValue); diff != "" {
		t.Error("associations of the main table (-want +got):\n" + diff)
	}
}
