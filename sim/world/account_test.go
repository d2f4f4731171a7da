package world

import (
	"testing"

	"labsim/sim"
)

// What belongs to another account does not exist, for every operation that
// names it. A new operation belongs into this table.
func TestAccountsDontSeeEachOther(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	g := r.online(v)
	i := r.stopped(n, func(in *RunInstances) { in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf", Size: 1}} })
	e, vol, table, sg := r.eni(i.ID), i.BlockDevices[0].Volume, r.View().MainRouteTable(v.ID), r.View().DefaultGroup(v.ID)
	a := do(r, allocate)
	k := do(r, func(tx *Tx) (sim.KeyPair, error) {
		return tx.CreateKeyPair(CreateKeyPair{Name: "k", Type: "rsa", PublicKey: "x"})
	})
	rules := []sim.SecurityGroupRule{tcp(1, 1, "0.0.0.0/0")}
	to := RouteTo{Gateway: string(g.ID)}
	for name, c := range map[string]struct {
		code string
		run  func(*Tx) error
	}{
		"DeleteVPC":          {"InvalidVpcID.NotFound", func(tx *Tx) error { return tx.DeleteVPC(v.ID) }},
		"ModifyVPCAttribute": {"InvalidVpcID.NotFound", func(tx *Tx) error { return tx.ModifyVPCAttribute(ModifyVPCAttribute{VPC: v.ID}) }},
		"CreateSubnet": {"InvalidVpcID.NotFound", drop(func(tx *Tx) (sim.Subnet, error) {
			return tx.CreateSubnet(CreateSubnet{VPC: v.ID, CIDR: prefix("10.0.2.0/24")})
		})},
		"DeleteSubnet":          {"InvalidSubnetID.NotFound", func(tx *Tx) error { return tx.DeleteSubnet(n.ID) }},
		"ModifySubnetAttribute": {"InvalidSubnetID.NotFound", func(tx *Tx) error { return tx.ModifySubnetAttribute(ModifySubnetAttribute{Subnet: n.ID}) }},
		"DeleteInternetGateway": {"InvalidInternetGatewayID.NotFound", func(tx *Tx) error { return tx.DeleteInternetGateway(g.ID) }},
		"AttachInternetGateway": {"InvalidInternetGatewayID.NotFound", func(tx *Tx) error { return tx.AttachInternetGateway(AttachInternetGateway{g.ID, v.ID}) }},
		"DetachInternetGateway": {"InvalidInternetGatewayID.NotFound", func(tx *Tx) error { return tx.DetachInternetGateway(DetachInternetGateway{g.ID, v.ID}) }},
		"CreateRouteTable":      {"InvalidVpcID.NotFound", drop(func(tx *Tx) (sim.RouteTable, error) { return tx.CreateRouteTable(CreateRouteTable{VPC: v.ID}) })},
		"DeleteRouteTable":      {"InvalidRouteTableID.NotFound", func(tx *Tx) error { return tx.DeleteRouteTable(table.ID) }},
		"CreateRoute":           {"InvalidRouteTableID.NotFound", func(tx *Tx) error { return tx.CreateRoute(CreateRoute{table.ID, sim.Everywhere, to}) }},
		"ReplaceRoute":          {"InvalidRouteTableID.NotFound", func(tx *Tx) error { return tx.ReplaceRoute(ReplaceRoute{table.ID, v.CIDR(), to}) }},
		"DeleteRoute":           {"InvalidRouteTableID.NotFound", func(tx *Tx) error { return tx.DeleteRoute(DeleteRoute{table.ID, v.CIDR()}) }},
		"AssociateRouteTable": {"InvalidRouteTableID.NotFound", drop(func(tx *Tx) (sim.AssociationID, error) {
			return tx.AssociateRouteTable(AssociateRouteTable{table.ID, n.ID})
		})},
		"DisassociateRouteTable": {"InvalidAssociationID.NotFound", func(tx *Tx) error { return tx.DisassociateRouteTable(table.Associations[0].ID) }},
		"CreateSecurityGroup": {"InvalidVpcID.NotFound", drop(func(tx *Tx) (sim.SecurityGroup, error) {
			return tx.CreateSecurityGroup(CreateSecurityGroup{VPC: v.ID, Name: "x", Description: "x"})
		})},
		"DeleteSecurityGroup": {"InvalidGroup.NotFound", func(tx *Tx) error { return tx.DeleteSecurityGroup(sg.ID) }},
		"AuthorizeSecurityGroup": {"InvalidGroup.NotFound", drop(func(tx *Tx) ([]sim.SecurityGroupRule, error) {
			return tx.AuthorizeSecurityGroup(AuthorizeSecurityGroup{Group: sg.ID, Rules: rules})
		})},
		"RevokeSecurityGroup": {"InvalidGroup.NotFound", drop(func(tx *Tx) ([]sim.SecurityGroupRule, error) {
			return tx.RevokeSecurityGroup(RevokeSecurityGroup{Group: sg.ID, Rules: rules})
		})},
		"DeleteKeyPair": {"InvalidKeyPair.NotFound", drop(func(tx *Tx) (sim.KeyPairID, error) { return tx.DeleteKeyPair(DeleteKeyPair{ID: k.ID}) })},
		"AssociateAddress": {"InvalidAllocationID.NotFound", drop(func(tx *Tx) (sim.Address, error) {
			return tx.AssociateAddress(AssociateAddress{Allocation: a.Allocation, ENI: e.ID})
		})},
		"DisassociateAddress": {"InvalidAddress.NotFound", func(tx *Tx) error { return tx.DisassociateAddress(DisassociateAddress{PublicIP: a.PublicIP}) }},
		"ReleaseAddress":      {"InvalidAllocationID.NotFound", func(tx *Tx) error { return tx.ReleaseAddress(ReleaseAddress{Allocation: a.Allocation}) }},
		"CreateNetworkInterface": {"InvalidSubnetID.NotFound", drop(func(tx *Tx) (sim.ENI, error) {
			return tx.CreateNetworkInterface(CreateNetworkInterface{Subnet: n.ID})
		})},
		"DeleteNetworkInterface": {"InvalidNetworkInterfaceID.NotFound", func(tx *Tx) error { return tx.DeleteNetworkInterface(e.ID) }},
		"ModifyNetworkInterfaceAttribute": {"InvalidNetworkInterfaceID.NotFound", func(tx *Tx) error {
			return tx.ModifyNetworkInterfaceAttribute(ModifyNetworkInterfaceAttribute{ENI: e.ID})
		}},
		"RunInstances": {"InvalidSubnetID.NotFound", drop(func(tx *Tx) (Reservation, error) {
			return tx.RunInstances(RunInstances{Image: i.Image, MinCount: 1, MaxCount: 1, Subnet: n.ID})
		})},
		"StartInstances":          {"InvalidInstanceID.NotFound", func(tx *Tx) error { return ops["start"](tx, i.ID) }},
		"StopInstances":           {"InvalidInstanceID.NotFound", func(tx *Tx) error { return ops["stop"](tx, i.ID) }},
		"RebootInstances":         {"InvalidInstanceID.NotFound", func(tx *Tx) error { return ops["reboot"](tx, i.ID) }},
		"TerminateInstances":      {"InvalidInstanceID.NotFound", func(tx *Tx) error { return ops["terminate"](tx, i.ID) }},
		"ModifyInstanceAttribute": {"InvalidInstanceID.NotFound", func(tx *Tx) error { return tx.ModifyInstanceAttribute(ModifyInstanceAttribute{Instance: i.ID}) }},
		"ModifyInstanceMetadataOptions": {"InvalidInstanceID.NotFound", drop(func(tx *Tx) (sim.MetadataOptions, error) {
			return tx.ModifyInstanceMetadataOptions(ModifyInstanceMetadataOptions{Instance: i.ID})
		})},
		"DeleteVolume": {"InvalidVolume.NotFound", func(tx *Tx) error { return tx.DeleteVolume(vol) }},
		"AttachVolume": {"InvalidVolume.NotFound", drop(func(tx *Tx) (VolumeAttachment, error) { return tx.AttachVolume(AttachVolume{vol, i.ID, "/dev/sdg"}) })},
		"DetachVolume": {"InvalidVolume.NotFound", drop(func(tx *Tx) (VolumeAttachment, error) { return tx.DetachVolume(DetachVolume{Volume: vol}) })},
		"CreateTags": {"InvalidSecurityGroupRuleId.NotFound", func(tx *Tx) error {
			return tx.CreateTags(CreateTags{[]string{string(sg.Rules[0].ID)}, sim.Tags{{Key: "a"}}})
		}},
		"tag the built-in image": {"InvalidAMIID.NotFound", func(tx *Tx) error {
			return tx.CreateTags(CreateTags{[]string{string(i.Image)}, sim.Tags{{Key: "a"}}})
		}},
	} {
		if err := r.UpdateAs(bob, c.run); sim.ErrorCode(err) != c.code {
			t.Errorf("%s of alice's, by bob: %v, want %s", name, err, c.code)
		}
	}
}

// The names of one account are free for the other, and so are its blocks.
func TestAccountsHaveNamesOfTheirOwn(t *testing.T) {
	r := newRegion(t)
	for _, who := range []sim.AccountID{alice, bob} {
		as(r, who, func(tx *Tx) (sim.VPC, error) { return tx.CreateVPC(CreateVPC{CIDR: prefix("10.0.0.0/16")}) })
		as(r, who, func(tx *Tx) (sim.KeyPair, error) {
			return tx.CreateKeyPair(CreateKeyPair{Name: "lab", Type: "rsa", PublicKey: "x"})
		})
	}
	r.refused("InvalidKeyPair.Duplicate", "The keypair already exists", drop(func(tx *Tx) (sim.KeyPair, error) {
		return tx.CreateKeyPair(CreateKeyPair{Name: "lab", Type: "rsa", PublicKey: "x"})
	}))
	r.run(drop(func(tx *Tx) (sim.KeyPairID, error) { return tx.DeleteKeyPair(DeleteKeyPair{Name: "lab"}) }))
	if _, ok := r.View().KeyPairNamed(bob, "lab"); !ok {
		t.Error("alice deleted bob's key pair of the same name")
	}
	if id := do(r, func(tx *Tx) (sim.KeyPairID, error) { return tx.DeleteKeyPair(DeleteKeyPair{Name: "lab"}) }); id != "" {
		t.Errorf("deleting a name that is gone gave %q, want no id and no error", id)
	}
}
