package world

import (
	"crypto/sha256"
	"fmt"
	"net/netip"

	"labsim/sim"
)

// CreateNetworkInterface asks for an interface (EC2 API, CreateNetworkInterface).
type CreateNetworkInterface struct {
	Subnet         sim.SubnetID
	PrivateIP      netip.Addr            // zero: the first free one
	SecurityGroups []sim.SecurityGroupID // none: the VPC's default group
	Description    string
	Tags           sim.Tags
	ClientToken    string
}

// CreateNetworkInterface makes an interface that is attached to nothing.
func (tx *Tx) CreateNetworkInterface(in CreateNetworkInterface) (sim.ENI, error) {
	return addOnce(tx, tx.ENIs, in.ClientToken, in, func() (sim.ENI, error) { return tx.newENI(in) })
}

func (tx *Tx) newENI(in CreateNetworkInterface) (sim.ENI, error) {
	n, err := get(tx, tx.Subnets, in.Subnet)
	if err != nil {
		return sim.ENI{}, err
	}
	if err := checkDescriptionOfENI(in.Description); err != nil {
		return sim.ENI{}, err
	}
	groups, err := tx.groupsFor(n, in.SecurityGroups)
	if err != nil {
		return sim.ENI{}, err
	}
	addr, err := tx.privateIP(n, in.PrivateIP)
	if err != nil {
		return sim.ENI{}, err
	}
	e, err := add(tx, tx.ENIs, in.Tags, sim.ENI{Owner: n.Owner, VPC: n.VPC, Subnet: n.ID, Zone: n.Zone, Description: in.Description,
		PrivateIP: addr, SecurityGroups: groups, SourceDestCheck: true})
	if err != nil {
		return sim.ENI{}, err
	}
	e.MAC = tx.newMAC(n.VPC, e.ID)
	put(tx, tx.ENIs, e.ID, e)
	return e, nil
}

// privateIP checks that an interface may have the address, or, where none is
// wanted, finds the subnet's first free one.
func (tx *Tx) privateIP(n sim.Subnet, want netip.Addr) (netip.Addr, error) {
	if want.IsValid() {
		err := sim.CheckSubnetAddr(want, n.CIDR)
		if err == nil && tx.ENIs.has(enisByPrivateIP, privateKey(n.ID, want)) {
			err = sim.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", want)
		}
		return want, err
	}
	free := sim.AddrAt(n.CIDR, 4)
	for used := range tx.ENIs.keys(enisByPrivateIP, string(n.ID)+"/") {
		if used != privateKey(n.ID, free) {
			break
		}
		free = free.Next()
	}
	if sim.CheckSubnetAddr(free, n.CIDR) != nil {
		return free, tx.noAddressLeft(n)
	}
	return free, nil
}

// What no two interfaces of a subnet, or of a VPC, have alike. Keys of addresses are
// in the order of the addresses.
func privateKey(n sim.SubnetID, a netip.Addr) string {
	b := a.As16()
	return string(n) + "/" + string(b[:])
}
func macKey(v sim.VPCID, mac string) string { return string(v) + "/" + mac }

func (tx *Tx) noAddressLeft(n sim.Subnet) error {
	return sim.Errorf("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request: subnet %s.", n.ID)
}

// newMAC derives a locally administered address from the interface's id, which
// no other interface of the VPC has.
func (tx *Tx) newMAC(v sim.VPCID, id sim.ENIID) string {
	for try := 0; ; try++ {
		h := sha256.Sum256(fmt.Appendf(nil, "%s/%d", id, try))
		mac := fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
		if !tx.ENIs.has(enisByMAC, macKey(v, mac)) {
			return mac
		}
	}
}

// attachENI binds an interface to an instance as its primary one.
func (tx *Tx) attachENI(e sim.ENI, i sim.Instance, deleteOnTermination bool) error {
	id, err := newID[sim.AttachmentID](tx, sim.PrefixAttachment)
	if err != nil {
		return err
	}
	e.Attachment = sim.ENIAttachment{ID: id, Instance: i.ID, DeleteOnTermination: deleteOnTermination, At: tx.Now}
	if e, err = tx.givePublicIP(e); err != nil {
		return err
	}
	put(tx, tx.ENIs, e.ID, e)
	return nil
}

// DeleteNetworkInterface removes an interface that is attached to nothing.
func (tx *Tx) DeleteNetworkInterface(id sim.ENIID) error {
	e, err := get(tx, tx.ENIs, id)
	if err != nil {
		return err
	}
	if e.Attachment.ID != "" {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Network interface '%s' is currently in use.", id)
	}
	tx.dropENI(e)
	return nil
}

// dropENI removes an interface; an Elastic IP address that it has is free then.
func (tx *Tx) dropENI(e sim.ENI) {
	if e.Allocation != "" {
		tx.unmap(tx.Addresses.Row(e.Allocation))
	}
	remove(tx, tx.ENIs, e.ID)
}

func checkDescriptionOfENI(s string) error {
	if len(s) > maxDescriptionOfENI {
		return sim.Errorf(sim.CodeInvalidParameterValue, "The description of a network interface has at most %d characters.", maxDescriptionOfENI)
	}
	return sim.CheckText("Description", s)
}

// ModifyNetworkInterfaceAttribute changes what is not nil (EC2 API,
// ModifyNetworkInterfaceAttribute).
type ModifyNetworkInterfaceAttribute struct {
	ENI                 sim.ENIID
	Description         *string
	SecurityGroups      []sim.SecurityGroupID
	SourceDestCheck     *bool
	DeleteOnTermination *bool // of its attachment
}

// ModifyNetworkInterfaceAttribute changes an interface's settings.
func (tx *Tx) ModifyNetworkInterfaceAttribute(in ModifyNetworkInterfaceAttribute) error {
	e, err := get(tx, tx.ENIs, in.ENI)
	if err != nil {
		return err
	}
	if in.SecurityGroups != nil {
		if e.SecurityGroups, err = tx.groupsFor(tx.Subnets.Row(e.Subnet), in.SecurityGroups); err != nil {
			return err
		}
	}
	if in.DeleteOnTermination != nil && e.Attachment.ID == "" {
		return sim.Errorf("InvalidAttachmentID.NotFound", "The network interface '%s' is not attached", e.ID)
	}
	if in.Description != nil {
		if err := checkDescriptionOfENI(*in.Description); err != nil {
			return err
		}
	}
	set(&e.Description, in.Description)
	set(&e.SourceDestCheck, in.SourceDestCheck)
	set(&e.Attachment.DeleteOnTermination, in.DeleteOnTermination)
	put(tx, tx.ENIs, e.ID, e)
	return nil
}
