package world

import (
	"labsim/sim"
)

// kind is what EC2 says of an id that names nothing (EC2 API Reference, "Error
// codes"). Not all kinds have a code of their own for a malformed id.
type kind struct{ prefix, malformed, missing, format string }

var (
	kindVPC             = kind{sim.PrefixVPC, "", "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist"}
	kindSubnet          = kind{sim.PrefixSubnet, "", "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist"}
	kindRouteTable      = kind{sim.PrefixRouteTable, "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound", "The routeTable ID '%s' does not exist"}
	kindAssociation     = kind{sim.PrefixAssociation, "", "InvalidAssociationID.NotFound", "The association ID '%s' does not exist"}
	kindInternetGateway = kind{sim.PrefixInternetGateway, "", "InvalidInternetGatewayID.NotFound", "The internetGateway ID '%s' does not exist"}
	kindTargetGateway   = kind{sim.PrefixInternetGateway, "", "InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist"}
	kindSecurityGroup   = kind{sim.PrefixSecurityGroup, "InvalidGroupId.Malformed", "InvalidGroup.NotFound", "The security group '%s' does not exist"}
	kindRule            = kind{sim.PrefixSecurityGroupRule, "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist"}
	kindENI             = kind{sim.PrefixENI, "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist"}
	kindAddress         = kind{sim.PrefixAllocation, "", "InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist"}
	kindKeyPair         = kind{"", "", "InvalidKeyPair.NotFound", "The key pair '%s' does not exist"}
	kindImage           = kind{sim.PrefixImage, "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", "The image id '[%s]' does not exist"}
	kindInstance        = kind{sim.PrefixInstance, "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist"}
	kindVolume          = kind{sim.PrefixVolume, "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", "The volume '%s' does not exist."}
)

// found returns nil, or why id names nothing. What belongs to another account
// does not exist.
func (k kind) found(ok bool, id string) error {
	switch {
	case ok:
		return nil
	case id == "":
		return sim.Errorf(sim.CodeMissingParameter, "The request must contain the id of the resource (%s-...)", k.prefix)
	case k.malformed != "" && !sim.ValidID(k.prefix, id):
		return sim.Errorf(k.malformed, "Invalid id: %q (expecting \"%s-...\")", id, k.prefix)
	}
	return sim.Errorf(k.missing, k.format, id)
}

func (tx *Tx) vpc(id sim.VPCID) (sim.VPC, error) {
	v, ok := tx.VPCs.Get(id)
	return v, kindVPC.found(ok && tx.owns(v.Owner), string(id))
}

func (tx *Tx) subnet(id sim.SubnetID) (sim.Subnet, error) {
	n, ok := tx.Subnets.Get(id)
	return n, kindSubnet.found(ok && tx.owns(n.Owner), string(id))
}

func (tx *Tx) routeTable(id sim.RouteTableID) (sim.RouteTable, error) {
	t, ok := tx.RouteTables.Get(id)
	return t, kindRouteTable.found(ok && tx.owns(t.Owner), string(id))
}

func (tx *Tx) gateway(id sim.InternetGatewayID) (sim.InternetGateway, error) {
	g, ok := tx.InternetGateways.Get(id)
	return g, kindInternetGateway.found(ok && tx.owns(g.Owner), string(id))
}

func (tx *Tx) group(id sim.SecurityGroupID) (sim.SecurityGroup, error) {
	g, ok := tx.SecurityGroups.Get(id)
	return g, kindSecurityGroup.found(ok && tx.owns(g.Owner), string(id))
}

func (tx *Tx) eni(id sim.ENIID) (sim.ENI, error) {
	e, ok := tx.ENIs.Get(id)
	return e, kindENI.found(ok && tx.owns(e.Owner), string(id))
}

func (tx *Tx) address(id sim.AllocationID) (sim.Address, error) {
	a, ok := tx.Addresses.Get(id)
	return a, kindAddress.found(ok && tx.owns(a.Owner), string(id))
}

func (tx *Tx) keyPair(id sim.KeyPairID) (sim.KeyPair, error) {
	k, ok := tx.KeyPairs.Get(id)
	return k, kindKeyPair.found(ok && tx.owns(k.Owner), string(id))
}

// image finds an image that the account owns or may use.
func (tx *Tx) image(id sim.ImageID) (sim.Image, error) {
	i, ok := tx.Images.Get(id)
	return i, kindImage.found(ok && (tx.owns(i.Owner) || i.Public), string(id))
}

func (tx *Tx) ownImage(id sim.ImageID) (sim.Image, error) {
	i, ok := tx.Images.Get(id)
	return i, kindImage.found(ok && tx.owns(i.Owner), string(id))
}

func (tx *Tx) instance(id sim.InstanceID) (sim.Instance, error) {
	i, ok := tx.Instances.Get(id)
	return i, kindInstance.found(ok && tx.owns(i.Owner), string(id))
}

func (tx *Tx) volume(id sim.VolumeID) (sim.Volume, error) {
	v, ok := tx.Volumes.Get(id)
	return v, kindVolume.found(ok && tx.owns(v.Owner), string(id))
}

// inUse is EC2's answer where something that depends on a resource keeps it.
func inUse(what, id string) error {
	return sim.Errorf(sim.CodeDependencyViolation, "The %s '%s' has dependencies and cannot be deleted.", what, id)
}

func missing(parameter string) error {
	return sim.Errorf(sim.CodeMissingParameter, "The request must contain the parameter %s", parameter)
}
