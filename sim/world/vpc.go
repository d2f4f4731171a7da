package world

import (
	"net/netip"

	"labsim/sim"
)

// CreateVPC asks for a VPC (EC2 API, CreateVpc).
type CreateVPC struct {
	CIDR    netip.Prefix
	Tenancy string // "" or "default"
	Tags    sim.Tags
}

// CreateVPC makes a VPC with its main route table and its default security group.
func (tx *Tx) CreateVPC(in CreateVPC) (sim.VPC, error) {
	cidr := in.CIDR.Masked()
	if err := sim.CheckVPCCIDR(cidr); err != nil {
		return sim.VPC{}, err
	}
	if in.Tenancy != "" && in.Tenancy != "default" {
		return sim.VPC{}, sim.Errorf(sim.CodeUnsupportedOperation, "The tenancy '%s' is not simulated; use 'default'.", in.Tenancy)
	}
	v, err := add(tx, tx.VPCs, in.Tags, sim.VPC{CIDRs: []netip.Prefix{cidr}, Tenancy: "default", DNSSupport: true})
	if err != nil {
		return sim.VPC{}, err
	}
	if err := tx.newMainRouteTable(v); err != nil {
		return sim.VPC{}, err
	}
	return v, tx.newDefaultGroup(v)
}

// DeleteVPC removes a VPC in which nothing is left but what CreateVPC made.
func (tx *Tx) DeleteVPC(id sim.VPCID) error {
	if _, err := get(tx, tx.VPCs, id); err != nil {
		return err
	}
	_, hasGateway := tx.GatewayOf(id)
	if hasGateway || count(tx.SubnetsOf(id)) > 0 || count(tx.ENIsOfVPC(id)) > 0 ||
		count(tx.RouteTablesOf(id)) > 1 || count(tx.SecurityGroupsOf(id)) > 1 {
		return inUse("vpc", string(id))
	}
	remove(tx, tx.RouteTables, tx.MainRouteTable(id).ID)
	remove(tx, tx.SecurityGroups, tx.DefaultGroup(id).ID)
	remove(tx, tx.VPCs, id)
	return nil
}

// ModifyVPCAttribute changes what is not nil (EC2 API, ModifyVpcAttribute).
type ModifyVPCAttribute struct {
	VPC          sim.VPCID
	DNSSupport   *bool
	DNSHostnames *bool
}

// ModifyVPCAttribute changes a VPC's DNS settings; hostnames need support.
func (tx *Tx) ModifyVPCAttribute(in ModifyVPCAttribute) error {
	v, err := get(tx, tx.VPCs, in.VPC)
	if err != nil {
		return err
	}
	set(&v.DNSSupport, in.DNSSupport)
	set(&v.DNSHostnames, in.DNSHostnames)
	put(tx, tx.VPCs, v.ID, v)
	return nil
}

// set gives a field its new value where there is one.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}
