package world

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labsim/sim"
)

// Whatever is asked and seen, in whatever order: the invariants hold, refused
// calls are refused in EC2's terms, snapshots stay, and what was committed gives
// the same state again.
func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := map[string]Change{}
		r := newRegionWith(t, Options{Commit: keep(rows), PublicPool: AddrRange{addr("198.51.100.20"), addr("198.51.100.25")}})
		r.ami()
		v := r.vpc("10.0.0.0/16")
		r.public(r.subnet(v, "10.0.1.0/28"))
		r.subnet(v, "10.0.2.0/28")
		r.online(v)
		var names []string
		for _, name := range slices.Sorted(maps.Keys(steps)) {
			names = append(names, slices.Repeat([]string{name}, max(1, often[name]))...)
		}
		var snapshots []snapshot
		for n := range rapid.IntRange(30, 250).Draw(rt, "steps") {
			if n%20 == 0 {
				snapshots = append(snapshots, snapshot{r.View(), dump(t, r.View())})
			}
			name := rapid.SampledFrom(names).Draw(rt, "step")
			who := rapid.SampledFrom([]sim.AccountID{alice, alice, alice, bob}).Draw(rt, "account")
			err := r.UpdateAs(who, func(tx *Tx) error { return steps[name](draw{tx, rt}) })
			var refused *sim.Error
			if err != nil && !errors.As(err, &refused) {
				rt.Fatalf("%s: %v", name, err)
			}
			if wrong := invariants(r.View()); len(wrong) > 0 {
				rt.Fatalf("after %s: %s", name, wrong)
			}
		}
		for _, x := range snapshots {
			if diff := cmp.Diff(x.rows, dump(t, x.state)); diff != "" {
				rt.Fatal("a snapshot changed after it was taken (-then +now):\n" + diff)
			}
		}
		again, err := New(r.opts, replay(rows))
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(dump(t, r.View()), dump(t, again.View())); diff != "" {
			rt.Fatal("the state out of the committed rows (-kept +replayed):\n" + diff)
		}
		if wrong := invariants(again.View()); len(wrong) > 0 {
			rt.Fatalf("after the replay: %s", wrong)
		}
	})
}

// snapshot is a state and what it was when it was taken.
type snapshot struct {
	state *State
	rows  map[string]string
}

// draw picks arguments out of what there is.
type draw struct {
	*Tx
	rt *rapid.T
}

// one picks an id of a table, or one that is not there.
func one[K ~string, V any](d draw, t *Table[K, V]) K {
	ids := []K{"none"}
	for id := range t.All() {
		ids = append(ids, slices.Repeat([]K{id}, 8)...)
	}
	return rapid.SampledFrom(ids).Draw(d.rt, t.kind.table)
}

func pick[T any](d draw, what string, from ...T) T { return rapid.SampledFrom(from).Draw(d.rt, what) }

func (d draw) block() netip.Prefix {
	return prefix(pick(d, "block", "10.0.0.0/16", "10.0.1.0/28", "10.0.3.0/28", "10.0.1.0/24", "0.0.0.0/0"))
}

func (d draw) bool(what string) *bool { return pick(d, what, nil, ptr(true), ptr(false)) }

func (d draw) to() RouteTo {
	return pick(d, "target", RouteTo{Gateway: string(one(d, d.InternetGateways))}, RouteTo{ENI: one(d, d.ENIs)}, RouteTo{Instance: one(d, d.Instances)}, RouteTo{Gateway: "local"})
}

func (d draw) association() sim.AssociationID {
	ids := []sim.AssociationID{"none"}
	for _, t := range d.RouteTables.All() {
		for _, a := range t.Associations {
			ids = append(ids, a.ID)
		}
	}
	return rapid.SampledFrom(ids).Draw(d.rt, "association")
}

func (d draw) rule() sim.SecurityGroupRule {
	port := pick(d, "port", 22, 80, -1)
	r := sim.SecurityGroupRule{Protocol: pick(d, "protocol", sim.ProtocolTCP, sim.ProtocolICMP, sim.ProtocolAll), FromPort: port, ToPort: port}
	if pick(d, "by group", true, false) {
		r.Group = one(d, d.SecurityGroups)
		return r
	}
	r.CIDR = d.block()
	return r
}

func (d draw) launch() RunInstances {
	in := RunInstances{Image: one(d, d.Images), MinCount: 1, MaxCount: pick(d, "count", 1, 1, 1, 3), Subnet: one(d, d.Subnets),
		AssociatePublicIP: d.bool("public"), ClientToken: pick(d, "token", "", "", "a"),
		ShutdownAction: pick(d, "action", sim.ShutdownStop, sim.ShutdownTerminate)}
	switch pick(d, "more", "", "disk", "old disk", "interface", "group") {
	case "disk":
		in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf", Size: 1, DeleteOnTermination: d.bool("delete")}}
	case "old disk":
		in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf", Volume: one(d, d.Volumes)}}
	case "interface":
		in.Subnet, in.ENI, in.AssociatePublicIP = "", one(d, d.ENIs), nil
	case "group":
		in.SecurityGroups = []sim.SecurityGroupID{one(d, d.SecurityGroups)}
	}
	return in
}

// often are steps that make the others meet something: a launch, what is seen.
var often = map[string]int{"RunInstances": 10, "Converge": 8, "Stop": 6, "Start": 3, "ObserveInstance": 3, "ObserveVolume": 6,
	"AttachVolume": 3, "AssociateAddress": 5, "CreateRoute": 4, "Authorize": 3}

// steps are the operations and observations, with arguments that are drawn.
var steps = map[string]func(d draw) error{
	"CreateVPC": func(d draw) error { _, err := d.CreateVPC(CreateVPC{CIDR: d.block()}); return err },
	"DeleteVPC": func(d draw) error { return d.DeleteVPC(one(d, d.VPCs)) },
	"CreateSubnet": func(d draw) error {
		_, err := d.CreateSubnet(CreateSubnet{VPC: one(d, d.VPCs), CIDR: d.block(), Zone: pick(d, "zone", d.Zones()...)})
		return err
	},
	"DeleteSubnet": func(d draw) error { return d.DeleteSubnet(one(d, d.Subnets)) },
	"ModifySubnet": func(d draw) error {
		return d.ModifySubnetAttribute(ModifySubnetAttribute{one(d, d.Subnets), d.bool("map")})
	},
	"CreateInternetGateway": func(d draw) error { _, err := d.CreateInternetGateway(CreateInternetGateway{}); return err },
	"DeleteInternetGateway": func(d draw) error { return d.DeleteInternetGateway(one(d, d.InternetGateways)) },
	"AttachInternetGateway": func(d draw) error {
		return d.AttachInternetGateway(AttachInternetGateway{one(d, d.InternetGateways), one(d, d.VPCs)})
	},
	"DetachInternetGateway": func(d draw) error {
		return d.DetachInternetGateway(DetachInternetGateway{one(d, d.InternetGateways), one(d, d.VPCs)})
	},
	"CreateRouteTable": func(d draw) error {
		_, err := d.CreateRouteTable(CreateRouteTable{VPC: one(d, d.VPCs), ClientToken: pick(d, "token", "", "a")})
		return err
	},
	"DeleteRouteTable": func(d draw) error { return d.DeleteRouteTable(one(d, d.RouteTables)) },
	"CreateRoute":      func(d draw) error { return d.CreateRoute(CreateRoute{one(d, d.RouteTables), d.block(), d.to()}) },
	"ReplaceRoute":     func(d draw) error { return d.ReplaceRoute(ReplaceRoute{one(d, d.RouteTables), d.block(), d.to()}) },
	"DeleteRoute":      func(d draw) error { return d.DeleteRoute(DeleteRoute{one(d, d.RouteTables), d.block()}) },
	"Associate": func(d draw) error {
		_, err := d.AssociateRouteTable(AssociateRouteTable{one(d, d.RouteTables), one(d, d.Subnets)})
		return err
	},
	"Disassociate": func(d draw) error { return d.DisassociateRouteTable(d.association()) },
	"ReplaceAssociation": func(d draw) error {
		_, err := d.ReplaceRouteTableAssociation(ReplaceRouteTableAssociation{d.association(), one(d, d.RouteTables)})
		return err
	},
	"CreateSecurityGroup": func(d draw) error {
		_, err := d.CreateSecurityGroup(CreateSecurityGroup{VPC: one(d, d.VPCs), Name: pick(d, "name", "web", "db"), Description: "x"})
		return err
	},
	"DeleteSecurityGroup": func(d draw) error { return d.DeleteSecurityGroup(one(d, d.SecurityGroups)) },
	"Authorize": func(d draw) error {
		_, err := d.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: one(d, d.SecurityGroups), Egress: pick(d, "egress", true, false), Rules: []sim.SecurityGroupRule{d.rule(), d.rule()}})
		return err
	},
	"Revoke": func(d draw) error {
		_, err := d.RevokeSecurityGroup(RevokeSecurityGroup{Group: one(d, d.SecurityGroups), Egress: pick(d, "egress", true, false), Rules: []sim.SecurityGroupRule{d.rule()}})
		return err
	},
	"CreateKeyPair": func(d draw) error {
		_, err := d.CreateKeyPair(CreateKeyPair{Name: pick(d, "name", "a", "b"), Type: "rsa", PublicKey: "x"})
		return err
	},
	"DeleteKeyPair":   func(d draw) error { _, err := d.DeleteKeyPair(DeleteKeyPair{ID: one(d, d.KeyPairs)}); return err },
	"AllocateAddress": func(d draw) error { _, err := d.AllocateAddress(AllocateAddress{}); return err },
	"AssociateAddress": func(d draw) error {
		_, err := d.AssociateAddress(AssociateAddress{Allocation: one(d, d.Addresses), Instance: one(d, d.Instances), AllowReassociation: pick(d, "again", true, false)})
		return err
	},
	"DisassociateAddress": func(d draw) error {
		return d.DisassociateAddress(DisassociateAddress{PublicIP: d.Addresses.Row(one(d, d.Addresses)).PublicIP})
	},
	"ReleaseAddress": func(d draw) error { return d.ReleaseAddress(ReleaseAddress{Allocation: one(d, d.Addresses)}) },
	"CreateENI": func(d draw) error {
		_, err := d.CreateNetworkInterface(CreateNetworkInterface{Subnet: one(d, d.Subnets)})
		return err
	},
	"DeleteENI": func(d draw) error { return d.DeleteNetworkInterface(one(d, d.ENIs)) },
	"ModifyENI": func(d draw) error {
		return d.ModifyNetworkInterfaceAttribute(ModifyNetworkInterfaceAttribute{ENI: one(d, d.ENIs), SecurityGroups: []sim.SecurityGroupID{one(d, d.SecurityGroups)}, DeleteOnTermination: d.bool("delete")})
	},
	"RunInstances": func(d draw) error { _, err := d.RunInstances(d.launch()); return err },
	"Start":        func(d draw) error { return ops["start"](d.Tx, one(d, d.Instances)) },
	"Stop":         func(d draw) error { return ops["stop"](d.Tx, one(d, d.Instances)) },
	"Reboot":       func(d draw) error { return ops["reboot"](d.Tx, one(d, d.Instances)) },
	"Terminate":    func(d draw) error { return ops["terminate"](d.Tx, one(d, d.Instances)) },
	"ModifyInstance": func(d draw) error {
		return d.ModifyInstanceAttribute(ModifyInstanceAttribute{Instance: one(d, d.Instances), SourceDestCheck: d.bool("check"), DeleteOnTermination: map[string]bool{"/dev/sdf": true}})
	},
	"CreateVolume": func(d draw) error {
		_, err := d.CreateVolume(CreateVolume{Zone: pick(d, "zone", d.Zones()...), Size: 1})
		return err
	},
	"DeleteVolume": func(d draw) error { return d.DeleteVolume(one(d, d.Volumes)) },
	"AttachVolume": func(d draw) error {
		_, err := d.AttachVolume(AttachVolume{one(d, d.Volumes), one(d, d.Instances), pick(d, "device", "/dev/sdf", "/dev/sdg")})
		return err
	},
	"DetachVolume": func(d draw) error { _, err := d.DetachVolume(DetachVolume{Volume: one(d, d.Volumes)}); return err },
	"CreateTags": func(d draw) error {
		return d.CreateTags(CreateTags{[]string{string(one(d, d.Instances)), string(one(d, d.VPCs))}, sim.Tags{{Key: pick(d, "key", "a", "b")}}})
	},
	"ObserveInstance": func(d draw) error {
		id := one(d, d.Instances)
		boot := d.Instances.Row(id).Boot - pick(d, "old", 0, 0, 0, 1)
		return d.ObserveInstance(id, Observation{State: pick(d, "state", append(states, "")...), Boot: boot})
	},
	"Converge": func(d draw) error { // every instance gets where it is wanted
		for _, id := range slices.Collect(maps.Keys(maps.Collect(d.Instances.All()))) {
			i := d.Instances.Row(id)
			if err := d.ObserveInstance(id, Observation{State: sim.InstanceState(i.Desired), Boot: i.Boot}); err != nil {
				return err
			}
		}
		return nil
	},
	"ObserveVolume": func(d draw) error {
		return d.ObserveVolume(one(d, d.Volumes), VolumeObservation{Ready: pick(d, "ready", true, true, false)})
	},
	"VolumeGone": func(d draw) error { return d.VolumeGone(one(d, d.Volumes)) },
	"Purge":      func(d draw) error { return d.PurgeTerminated(d.Now) },
}
