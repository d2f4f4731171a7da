package world

import (
	"fmt"
	"net/netip"
	"testing"

	"labsim/sim"
)

func allocate(tx *Tx) (sim.Address, error) { return tx.AllocateAddress(AllocateAddress{}) }

func TestPublicAddressesComeInTurn(t *testing.T) {
	r := newRegionWith(t, Options{PublicPool: AddrRange{addr("198.51.100.20"), addr("198.51.100.22")}})
	a, b := do(r, allocate), do(r, allocate)
	release := func(a sim.Address) {
		r.run(func(tx *Tx) error { return tx.ReleaseAddress(ReleaseAddress{Allocation: a.Allocation}) })
	}
	release(a)
	c := do(r, allocate)
	d := do(r, allocate)
	if got, want := fmt.Sprint(a.PublicIP, b.PublicIP, c.PublicIP, d.PublicIP), "198.51.100.20 198.51.100.21 198.51.100.22 198.51.100.20"; got != want {
		t.Errorf("addresses %s, want %s", got, want)
	}
	r.refused("InsufficientAddressCapacity", "the pool 198.51.100.20 to 198.51.100.22 is in use", drop(allocate))
	release(b)
	if e := do(r, allocate); e.PublicIP != b.PublicIP {
		t.Errorf("got %s, want the one that is free, %s", e.PublicIP, b.PublicIP)
	}
}

func TestStopAndStartChangeThePublicAddress(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	r.online(v)
	n := r.subnet(v, "10.0.1.0/24")
	r.public(n)
	i := r.running(n, nil)
	before := r.eni(i.ID)
	ids := []sim.InstanceID{i.ID}
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.StopInstances(StopInstances{IDs: ids}) })
	if !r.eni(i.ID).PublicIP.IsValid() {
		t.Error("the public address is gone before the instance is stopped")
	}
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 1})
	if got := r.eni(i.ID).PublicIP; got.IsValid() {
		t.Errorf("a stopped instance has the public address %s", got)
	}
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.StartInstances(ids) })
	after := r.eni(i.ID)
	if !after.PublicIP.IsValid() || after.PublicIP == before.PublicIP {
		t.Errorf("public address %s before, %s after; want another one", before.PublicIP, after.PublicIP)
	}
	if after.PrivateIP != before.PrivateIP || after.MAC != before.MAC {
		t.Errorf("private address and MAC changed from %s, %s to %s, %s", before.PrivateIP, before.MAC, after.PrivateIP, after.MAC)
	}
}

func TestElasticAddressStays(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	r.public(n)
	i := r.running(n, nil)
	auto := r.eni(i.ID).PublicIP
	a := do(r, allocate)
	associate := func(tx *Tx) (sim.Address, error) {
		return tx.AssociateAddress(AssociateAddress{Allocation: a.Allocation, Instance: i.ID, AllowReassociation: true})
	}
	r.refused("Gateway.NotAttached", "Network "+string(v.ID)+" is not attached to any internet gateway", drop(associate))
	r.online(v)
	first := do(r, associate)
	if again := do(r, associate); again.Association != first.Association {
		t.Errorf("associating again changed the association from %s to %s", first.Association, again.Association)
	}
	if r.View().publicUsed(auto) {
		t.Errorf("the automatic address %s is still in use", auto)
	}
	r.refused("InvalidIPAddress.InUse", "is in use", func(tx *Tx) error { return tx.ReleaseAddress(ReleaseAddress{Allocation: a.Allocation}) })

	ids := []sim.InstanceID{i.ID}
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.StopInstances(StopInstances{IDs: ids}) })
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 1})
	do(r, func(tx *Tx) ([]StateChange, error) { return tx.StartInstances(ids) })
	if got := r.eni(i.ID).PublicIP; got != a.PublicIP {
		t.Errorf("public address after stop and start: %s, want %s", got, a.PublicIP)
	}

	do(r, func(tx *Tx) ([]StateChange, error) { return tx.TerminateInstances(ids) })
	r.refused("InvalidInstanceID", "is not in a valid state", drop(associate))
	r.observe(i.ID, Observation{State: sim.StateTerminated})
	if got := r.View().Addresses.Row(a.Allocation); got.Association != "" || got.ENI != "" {
		t.Errorf("the address of a terminated instance is still associated: %+v", got)
	}
	r.run(func(tx *Tx) error { return tx.ReleaseAddress(ReleaseAddress{PublicIP: a.PublicIP}) })
}

func TestReassociation(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	r.online(v)
	n := r.subnet(v, "10.0.1.0/24")
	one, two := r.running(n, nil), r.running(n, nil)
	a, b := do(r, allocate), do(r, allocate)
	associate := func(a sim.Address, i sim.Instance, again bool) func(*Tx) (sim.Address, error) {
		return func(tx *Tx) (sim.Address, error) {
			return tx.AssociateAddress(AssociateAddress{Allocation: a.Allocation, Instance: i.ID, AllowReassociation: again})
		}
	}
	do(r, associate(a, one, false))
	r.refused("Resource.AlreadyAssociated", "resource "+string(a.Allocation)+" is already associated", drop(associate(a, two, false)))
	r.refused("Resource.AlreadyAssociated", "resource "+string(a.Allocation)+" is already associated", drop(associate(b, one, false)))
	do(r, associate(b, two, false))
	moved := do(r, associate(a, two, true))
	if got := r.eni(one.ID).PublicIP; got.IsValid() {
		t.Errorf("the first instance still has %s", got)
	}
	if got := r.eni(two.ID); got.PublicIP != a.PublicIP || got.Allocation != a.Allocation {
		t.Errorf("the second instance has %s, want %s", got.PublicIP, a.PublicIP)
	}
	if got := r.View().Addresses.Row(b.Allocation); got.Association != "" {
		t.Error("the address that was replaced is still associated")
	}
	r.run(func(tx *Tx) error { return tx.DisassociateAddress(DisassociateAddress{Association: moved.Association}) })
	if got := r.eni(two.ID).PublicIP; got.IsValid() {
		t.Errorf("the second instance has %s after the disassociation", got)
	}
	r.refused("InvalidAssociationID.NotFound", "", func(tx *Tx) error {
		return tx.DisassociateAddress(DisassociateAddress{Association: moved.Association})
	})
	r.run(func(tx *Tx) error { return tx.DisassociateAddress(DisassociateAddress{PublicIP: a.PublicIP}) })
}

func TestAddressArguments(t *testing.T) {
	r := newRegion(t)
	a := do(r, allocate)
	for _, c := range []struct {
		in         AssociateAddress
		code, text string
	}{
		{AssociateAddress{Instance: "i-1"}, "MissingParameter", "Either public IP or allocation id must be specified"},
		{AssociateAddress{Allocation: a.Allocation, PublicIP: a.PublicIP}, "InvalidParameterCombination", "not both"},
		{AssociateAddress{Allocation: "eipalloc-none", Instance: "i-1"}, "InvalidAllocationID.NotFound", "The allocation ID 'eipalloc-none' does not exist"},
		{AssociateAddress{PublicIP: addr("198.51.100.99"), Instance: "i-1"}, "InvalidAddress.NotFound", "Address '198.51.100.99' not found."},
		{AssociateAddress{Allocation: a.Allocation}, "MissingParameter", "InstanceId"},
		{AssociateAddress{Allocation: a.Allocation, Instance: "i-0123456789abcdef0"}, "InvalidInstanceID.NotFound", ""},
	} {
		r.refused(c.code, c.text, drop(func(tx *Tx) (sim.Address, error) { return tx.AssociateAddress(c.in) }))
	}
	for _, ip := range []string{"203.0.113.1", a.PublicIP.String()} {
		r.refused("InvalidAddress.NotFound", ip, drop(func(tx *Tx) (sim.Address, error) {
			return tx.AllocateAddress(AllocateAddress{Address: netip.MustParseAddr(ip)})
		}))
	}
}

func TestNetworkInterfaces(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/28") // 11 usable addresses
	create := func(ip string) func(*Tx) (sim.ENI, error) {
		return func(tx *Tx) (sim.ENI, error) {
			in := CreateNetworkInterface{Subnet: n.ID}
			if ip != "" {
				in.PrivateIP = addr(ip)
			}
			return tx.CreateNetworkInterface(in)
		}
	}
	first := do(r, create(""))
	if first.PrivateIP != addr("10.0.1.4") || !first.SourceDestCheck || first.MAC[:3] != "02:" {
		t.Errorf("first interface: %s, %s, check %t", first.PrivateIP, first.MAC, first.SourceDestCheck)
	}
	for ip, want := range map[string][2]string{
		"10.0.1.4": {"InvalidIPAddress.InUse", "Address 10.0.1.4 is in use."},
		"10.0.1.3": {"InvalidParameterValue", "reserved address range"},
		"10.0.2.9": {"InvalidParameterValue", "does not fall within the subnet's address range"},
	} {
		r.refused(want[0], want[1], drop(create(ip)))
	}
	for range 10 {
		do(r, create(""))
	}
	r.refused("InsufficientFreeAddressesInSubnet", "", drop(create("")))
	if free := r.View().FreeAddresses(n); free != 0 {
		t.Errorf("%d addresses are free, want 0", free)
	}
	r.run(func(tx *Tx) error { return tx.DeleteNetworkInterface(first.ID) })

	i := r.running(n, func(in *RunInstances) { in.PrivateIP = first.PrivateIP })
	r.refused("InvalidParameterValue", "is currently in use", func(tx *Tx) error { return tx.DeleteNetworkInterface(r.eni(i.ID).ID) })
}
