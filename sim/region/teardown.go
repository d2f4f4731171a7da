package region

import (
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// Removal is one call on the way to taking something away.
type Removal struct {
	Kind   string // EC2's ResourceType, or "association"
	ID     string // of what the call is about
	Name   string // of that, or of what it belongs to
	Tags   []wire.Tag
	Action string
	In     any
	// Parts says that the resource stays and only lets go of something.
	Parts bool
	// Ends says that the call ends an instance. What it holds is free when it has ended.
	Ends bool

	effect func(*Region) // on a region that no other has
}

// Without is the region as it will be when the removals are done.
func (r *Region) Without(list ...Removal) *Region {
	out := r.clone()
	for _, x := range list {
		x.effect(out)
	}
	return out
}

// Stopped is the region with an instance that has been stopped.
func (r *Region) Stopped(id string) *Region {
	return r.withInstance(id, func(i *wire.Instance) { i.State = &wire.InstanceState{Name: new(string(sim.StateStopped))} })
}

// Regrouped is the region with an instance that carries those security groups.
func (r *Region) Regrouped(id string, groups []string) *Region {
	return r.withInstance(id, func(i *wire.Instance) {
		i.SecurityGroups = nil
		for _, g := range groups {
			i.SecurityGroups = append(i.SecurityGroups, wire.GroupIdentifier{GroupId: &g})
		}
	})
}

func (r *Region) withInstance(id string, do func(*wire.Instance)) *Region {
	out := r.clone()
	change(out.Instances, func(i *wire.Instance) {
		if wire.Value(i.InstanceId) == id {
			do(i)
		}
	})
	return out
}

// clone may be changed, as far as no row is changed within.
func (r *Region) clone() *Region {
	return &Region{slices.Clone(r.VPCs), slices.Clone(r.Subnets), slices.Clone(r.InternetGateways), slices.Clone(r.RouteTables),
		slices.Clone(r.SecurityGroups), slices.Clone(r.Instances), slices.Clone(r.Volumes), slices.Clone(r.KeyPairs), slices.Clone(r.Addresses)}
}

// Teardown lists all that is in a VPC, and the VPC, in the order in which EC2 lets it
// go: what holds something goes before what it holds.
func (r *Region) Teardown(v wire.Vpc) []Removal {
	vpc := wire.Value(v.VpcId)
	in := func(id *string) bool { return wire.Value(id) == vpc }
	var out []Removal
	for _, i := range r.Instances {
		if in(i.VpcId) && StateOf(i) != sim.StateTerminated {
			out = append(out, Terminate(i))
		}
	}
	tables := slices.DeleteFunc(slices.Clone(r.RouteTables), func(t wire.RouteTable) bool { return !in(t.VpcId) })
	for _, t := range tables {
		out = append(out, Disassociate(t)...)
	}
	for _, s := range r.Subnets {
		if in(s.VpcId) {
			out = append(out, Delete("subnet", wire.Value(s.SubnetId), s.Tags))
		}
	}
	for _, t := range tables {
		if !IsMain(t) {
			out = append(out, Delete("route-table", wire.Value(t.RouteTableId), t.Tags))
		}
	}
	out = append(out, dropGroups(slices.DeleteFunc(slices.Clone(r.SecurityGroups), func(g wire.SecurityGroup) bool { return !in(g.VpcId) }))...)
	if g, ok := r.InternetGatewayOf(vpc); ok {
		out = append(out, Detach(g, vpc), Delete("internet-gateway", wire.Value(g.InternetGatewayId), g.Tags))
	}
	return append(out, Delete("vpc", vpc, v.Tags))
}

// Terminate ends an instance.
func Terminate(i wire.Instance) Removal {
	id := wire.Value(i.InstanceId)
	return Removal{Kind: "instance", ID: id, Name: name(i.Tags, i.InstanceId), Tags: i.Tags, Ends: true,
		Action: "TerminateInstances", In: &wire.TerminateInstancesRequest{InstanceIds: []string{id}},
		effect: func(r *Region) { drop(&r.Instances, id, func(i wire.Instance) *string { return i.InstanceId }) }}
}

// Detach frees a gateway from a VPC.
func Detach(g wire.InternetGateway, vpc string) Removal {
	effect := func(r *Region) {
		change(r.InternetGateways, func(x *wire.InternetGateway) {
			if wire.Value(x.InternetGatewayId) == wire.Value(g.InternetGatewayId) {
				x.Attachments = except(x.Attachments, func(a wire.InternetGatewayAttachment) bool { return wire.Value(a.VpcId) == vpc })
			}
		})
	}
	return Removal{effect: effect, Kind: "internet-gateway", ID: wire.Value(g.InternetGatewayId), Name: name(g.Tags, g.InternetGatewayId), Tags: g.Tags, Parts: true,
		Action: "DetachInternetGateway", In: &wire.DetachInternetGatewayRequest{InternetGatewayId: g.InternetGatewayId, VpcId: &vpc}}
}

// Disassociate frees the subnets that a table serves by name.
func Disassociate(t wire.RouteTable) (out []Removal) {
	for _, a := range t.Associations {
		if !wire.Value(a.Main) {
			out = append(out, Removal{Kind: "association", ID: wire.Value(a.RouteTableAssociationId), Name: name(t.Tags, t.RouteTableId), Tags: t.Tags,
				Action: "DisassociateRouteTable", In: &wire.DisassociateRouteTableRequest{AssociationId: a.RouteTableAssociationId},
				effect: func(r *Region) { dropAssociation(r, wire.Value(a.RouteTableAssociationId)) }})
		}
	}
	return out
}

func dropAssociation(r *Region, id string) {
	change(r.RouteTables, func(t *wire.RouteTable) {
		t.Associations = except(t.Associations, func(a wire.RouteTableAssociation) bool { return wire.Value(a.RouteTableAssociationId) == id })
	})
}

// ReleaseAddress frees the interface that an Elastic IP address is mapped to.
func ReleaseAddress(a wire.Address) Removal {
	return Removal{Kind: "elastic-ip", ID: wire.Value(a.AllocationId), Name: wire.Value(a.PublicIp), Tags: a.Tags, Parts: true,
		Action: "DisassociateAddress", In: &wire.DisassociateAddressRequest{AssociationId: a.AssociationId},
		effect: func(r *Region) {
			change(r.Addresses, func(x *wire.Address) {
				if wire.Value(x.AllocationId) == wire.Value(a.AllocationId) {
					x.AssociationId, x.InstanceId, x.NetworkInterfaceId = nil, nil, nil
				}
			})
		}}
}

// dropGroups deletes security groups; rules that name other groups go first, for
// groups may name each other.
func dropGroups(list []wire.SecurityGroup) (out []Removal) {
	for _, g := range list {
		out = append(out, Revoke(g, func(peer string) bool { return peer != wire.Value(g.GroupId) })...)
	}
	for _, g := range list {
		if wire.Value(g.GroupName) != "default" {
			out = append(out, Delete("security-group", wire.Value(g.GroupId), g.Tags))
		}
	}
	return out
}

// Revoke takes from a group the rules that name the other groups that match.
func Revoke(g wire.SecurityGroup, match func(peer string) bool) (out []Removal) {
	id := wire.Value(g.GroupId)
	part := Removal{Kind: "security-group", ID: id, Name: wire.Value(g.GroupName), Tags: g.Tags, Parts: true}
	if refs, rest := partPairs(g.IpPermissions, match); len(refs) > 0 {
		part.Action, part.In = "RevokeSecurityGroupIngress", &wire.RevokeSecurityGroupIngressRequest{GroupId: &id, IpPermissions: refs}
		part.effect = onGroup(id, func(g *wire.SecurityGroup) { g.IpPermissions = rest })
		out = append(out, part)
	}
	if refs, rest := partPairs(g.IpPermissionsEgress, match); len(refs) > 0 {
		part.Action, part.In = "RevokeSecurityGroupEgress", &wire.RevokeSecurityGroupEgressRequest{GroupId: &id, IpPermissions: refs}
		part.effect = onGroup(id, func(g *wire.SecurityGroup) { g.IpPermissionsEgress = rest })
		out = append(out, part)
	}
	return out
}

func onGroup(id string, do func(*wire.SecurityGroup)) func(*Region) {
	return func(r *Region) {
		change(r.SecurityGroups, func(g *wire.SecurityGroup) {
			if wire.Value(g.GroupId) == id {
				do(g)
			}
		})
	}
}

// partPairs parts permissions into those for the groups that match, and the rest.
func partPairs(perms []wire.IpPermission, match func(peer string) bool) (refs, rest []wire.IpPermission) {
	for _, p := range perms {
		pairs := p.UserIdGroupPairs
		p.UserIdGroupPairs = nil
		q := wire.IpPermission{IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort}
		for _, x := range pairs {
			if match(wire.Value(x.GroupId)) {
				q.UserIdGroupPairs = append(q.UserIdGroupPairs, x)
			} else {
				p.UserIdGroupPairs = append(p.UserIdGroupPairs, x)
			}
		}
		if len(q.UserIdGroupPairs) > 0 {
			refs = append(refs, q)
		}
		if len(p.UserIdGroupPairs)+len(p.IpRanges)+len(p.Ipv6Ranges)+len(p.PrefixListIds) > 0 {
			rest = append(rest, p)
		}
	}
	return refs, rest
}

// Delete deletes a resource. A key pair's id is its name.
func Delete(kind, id string, tags []wire.Tag) Removal {
	out := Removal{Kind: kind, ID: id, Name: name(tags, &id), Tags: tags}
	switch kind {
	case "vpc":
		out.Action, out.In = "DeleteVpc", &wire.DeleteVpcRequest{VpcId: &id}
		out.effect = func(r *Region) { // what it was made with goes along
			drop(&r.VPCs, id, func(x wire.Vpc) *string { return x.VpcId })
			drop(&r.RouteTables, id, func(x wire.RouteTable) *string { return x.VpcId })
			drop(&r.SecurityGroups, id, func(x wire.SecurityGroup) *string { return x.VpcId })
		}
	case "internet-gateway":
		out.Action, out.In = "DeleteInternetGateway", &wire.DeleteInternetGatewayRequest{InternetGatewayId: &id}
		out.effect = func(r *Region) {
			drop(&r.InternetGateways, id, func(x wire.InternetGateway) *string { return x.InternetGatewayId })
		}
	case "subnet":
		out.Action, out.In = "DeleteSubnet", &wire.DeleteSubnetRequest{SubnetId: &id}
		out.effect = func(r *Region) { drop(&r.Subnets, id, func(x wire.Subnet) *string { return x.SubnetId }) }
	case "route-table":
		out.Action, out.In = "DeleteRouteTable", &wire.DeleteRouteTableRequest{RouteTableId: &id}
		out.effect = func(r *Region) { drop(&r.RouteTables, id, func(x wire.RouteTable) *string { return x.RouteTableId }) }
	case "elastic-ip":
		out.Action, out.In = "ReleaseAddress", &wire.ReleaseAddressRequest{AllocationId: &id}
		out.effect = func(r *Region) { drop(&r.Addresses, id, func(x wire.Address) *string { return x.AllocationId }) }
	case "security-group":
		out.Action, out.In = "DeleteSecurityGroup", &wire.DeleteSecurityGroupRequest{GroupId: &id}
		out.effect = func(r *Region) { drop(&r.SecurityGroups, id, func(x wire.SecurityGroup) *string { return x.GroupId }) }
	case "volume":
		out.Action, out.In = "DeleteVolume", &wire.DeleteVolumeRequest{VolumeId: &id}
		out.effect = func(r *Region) { drop(&r.Volumes, id, func(x wire.Volume) *string { return x.VolumeId }) }
	case "key-pair":
		out.Action, out.In = "DeleteKeyPair", &wire.DeleteKeyPairRequest{KeyName: &id}
		out.effect = func(r *Region) { drop(&r.KeyPairs, id, func(x wire.KeyPairInfo) *string { return x.KeyName }) }
	default:
		panic("nothing deletes a " + kind)
	}
	return out
}

func drop[T any](list *[]T, id string, of func(T) *string) {
	*list = except(*list, func(x T) bool { return wire.Value(of(x)) == id })
}

func except[T any](list []T, gone func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), gone)
}

func change[T any](list []T, do func(*T)) {
	for i := range list {
		do(&list[i])
	}
}
