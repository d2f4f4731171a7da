package world

import (
	"net/netip"

	"labsim/sim"
)

// AllocateAddress asks for an Elastic IP address (EC2 API, AllocateAddress).
type AllocateAddress struct {
	Address netip.Addr // zero: any
	Tags    sim.Tags
}

// AllocateAddress takes an address out of the pool until ReleaseAddress.
func (tx *Tx) AllocateAddress(in AllocateAddress) (sim.Address, error) {
	ip := in.Address
	var err error
	if !ip.IsValid() {
		ip, err = tx.publicIP()
	} else if ip.Less(tx.opts.PublicPool.First) || tx.opts.PublicPool.Last.Less(ip) || tx.publicUsed(ip) {
		err = sim.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", ip)
	}
	if err != nil {
		return sim.Address{}, err
	}
	return add(tx, tx.Addresses, in.Tags, sim.Address{PublicIP: ip})
}

// AssociateAddress maps an Elastic IP address to an interface, named itself or
// by its instance (EC2 API, AssociateAddress).
type AssociateAddress struct {
	Allocation sim.AllocationID
	PublicIP   netip.Addr // instead of Allocation
	ENI        sim.ENIID
	Instance   sim.InstanceID
	PrivateIP  netip.Addr // zero: the primary one
	// AllowReassociation takes the address from where it is. EC2's default, where
	// the request says nothing, is true.
	AllowReassociation bool
}

// AssociateAddress puts an Elastic IP address in the place of the public
// address that the interface has, if any.
func (tx *Tx) AssociateAddress(in AssociateAddress) (sim.Address, error) {
	a, err := tx.elastic(in.Allocation, in.PublicIP)
	if err != nil {
		return a, err
	}
	e, err := tx.addressTarget(in)
	if err != nil {
		return a, err
	}
	if a.ENI == e.ID {
		return a, nil
	}
	if !in.AllowReassociation {
		if err := notAssociated(a, tx.Addresses.Row(e.Allocation)); err != nil {
			return a, err
		}
	}
	if a.ENI != "" {
		a = tx.unmap(a)
	}
	if e.Allocation != "" {
		tx.unmap(tx.Addresses.Row(e.Allocation))
		e = tx.ENIs.Row(e.ID)
	}
	if a.Association, err = newID[sim.EIPAssociationID](tx, sim.PrefixEIPAssociation); err != nil {
		return a, err
	}
	a.ENI, a.PrivateIP = e.ID, e.PrivateIP
	e.PublicIP, e.Allocation = a.PublicIP, a.Allocation
	put(tx, tx.Addresses, a.Allocation, a)
	put(tx, tx.ENIs, e.ID, e)
	return a, nil
}

func notAssociated(a, ofENI sim.Address) error {
	for _, x := range []sim.Address{a, ofENI} {
		if x.Association != "" {
			return sim.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", x.Allocation, x.Association)
		}
	}
	return nil
}

// addressTarget finds the interface that an address shall be mapped to.
func (tx *Tx) addressTarget(in AssociateAddress) (sim.ENI, error) {
	var e sim.ENI
	var err error
	switch {
	case in.ENI != "" && in.Instance != "":
		err = sim.Errorf(sim.CodeInvalidParameterCombination, "You may specify either an instance or a network interface, not both.")
	case in.ENI != "":
		e, err = get(tx, tx.ENIs, in.ENI)
	case in.Instance != "":
		e, err = tx.soleENI(in.Instance)
	default:
		err = missing("InstanceId or NetworkInterfaceId")
	}
	if err != nil {
		return e, err
	}
	if in.PrivateIP.IsValid() && in.PrivateIP != e.PrivateIP {
		return e, sim.Errorf(sim.CodeInvalidParameterValue, "The private IP address %s is not assigned to interface %s", in.PrivateIP, e.ID)
	}
	if _, ok := tx.GatewayOf(e.VPC); !ok {
		return e, sim.Errorf("Gateway.NotAttached", "Network %s is not attached to any internet gateway", e.VPC)
	}
	return e, nil
}

// soleENI returns the one interface of an instance that is not gone.
func (tx *Tx) soleENI(id sim.InstanceID) (sim.ENI, error) {
	i, err := get(tx, tx.Instances, id)
	if err != nil {
		return sim.ENI{}, err
	}
	e, ok := tx.PrimaryENI(i.ID)
	switch {
	case !ok || i.Status.State == sim.StateShuttingDown || i.Status.State == sim.StateTerminated:
		return e, sim.Errorf("InvalidInstanceID", "The instance '%s' is not in a valid state for this operation.", id)
	case count(tx.ENIsOfInstance(i.ID)) > 1:
		return e, sim.Errorf("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.", id)
	}
	return e, nil
}

// DisassociateAddress unmaps an Elastic IP address (EC2 API, DisassociateAddress).
type DisassociateAddress struct {
	Association sim.EIPAssociationID
	PublicIP    netip.Addr // instead of Association
}

// DisassociateAddress leaves the interface without a public address. An
// automatic one comes back with the next start of its instance.
func (tx *Tx) DisassociateAddress(in DisassociateAddress) error {
	if in.Association == "" {
		a, err := tx.elastic("", in.PublicIP)
		if err == nil && a.Association != "" { // one that is not associated is no error
			tx.unmap(a)
		}
		return err
	}
	a, ok := tx.Addresses.first(addressesByAssociation, string(in.Association))
	if err := associationNoun.found(ok && tx.owns(a.Owner), string(in.Association)); err != nil {
		return err
	}
	tx.unmap(a)
	return nil
}

// ReleaseAddress gives an Elastic IP address back (EC2 API, ReleaseAddress).
type ReleaseAddress struct {
	Allocation sim.AllocationID
	PublicIP   netip.Addr // instead of Allocation
}

// ReleaseAddress is refused while the address is associated.
func (tx *Tx) ReleaseAddress(in ReleaseAddress) error {
	a, err := tx.elastic(in.Allocation, in.PublicIP)
	if err != nil {
		return err
	}
	if a.Association != "" {
		return sim.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", a.PublicIP)
	}
	remove(tx, tx.Addresses, a.Allocation)
	return nil
}

// elastic finds an Elastic IP address by its allocation or by itself.
func (tx *Tx) elastic(id sim.AllocationID, ip netip.Addr) (sim.Address, error) {
	switch {
	case id != "" && ip.IsValid():
		return sim.Address{}, sim.Errorf(sim.CodeInvalidParameterCombination, "You may specify public IP or allocation id, but not both in the same call")
	case id != "":
		return get(tx, tx.Addresses, id)
	case !ip.IsValid():
		return sim.Address{}, sim.Errorf(sim.CodeMissingParameter, "Either public IP or allocation id must be specified")
	}
	if a, ok := tx.Addresses.first(addressesByIP, ip.String()); ok && tx.owns(a.Owner) {
		return a, nil
	}
	return sim.Address{}, sim.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", ip)
}

// unmap takes an address from its interface and returns it, free.
func (tx *Tx) unmap(a sim.Address) sim.Address {
	if e, ok := tx.ENIs.Get(a.ENI); ok {
		e.PublicIP, e.Allocation = netip.Addr{}, ""
		put(tx, tx.ENIs, e.ID, e)
	}
	a.Association, a.ENI, a.PrivateIP = "", "", netip.Addr{}
	put(tx, tx.Addresses, a.Allocation, a)
	return a
}
