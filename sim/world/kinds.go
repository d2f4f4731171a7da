package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"labsim/sim"
)

// kinds are the tables of a region. A kind of resource that is listed here is stored,
// copied, found, counted and tagged. What is missing then are its rules, and the
// handlers of sim/ec2.
var kinds = []stored{vpcs, subnets, internetGateways, routeTables, securityGroups, addresses,
	enis, keyPairs, images, instances, volumes, tokens, settings}

// parts have ids and tags, and stand in the rows of others.
var parts = []tagged{rules{}}

var vpcs = &kind[sim.VPCID, sim.VPC]{
	table: "vpc", in: func(s *State) **Table[sim.VPCID, sim.VPC] { return &s.VPCs },
	noun:  noun{prefix: sim.PrefixVPC, name: "vpc", missing: "InvalidVpcID.NotFound", format: "The vpc ID '%s' does not exist"},
	head:  func(v *sim.VPC) head[sim.VPCID] { return head[sim.VPCID]{&v.ID, &v.Owner, &v.Tags} },
	quota: quota[sim.VPC]{limit: maxVPCs, code: "VpcLimitExceeded", text: "The maximum number of VPCs has been reached."},
}

var subnets = &kind[sim.SubnetID, sim.Subnet]{
	table: "subnet", in: func(s *State) **Table[sim.SubnetID, sim.Subnet] { return &s.Subnets },
	noun:    noun{prefix: sim.PrefixSubnet, name: "subnet", missing: "InvalidSubnetID.NotFound", format: "The subnet ID '%s' does not exist"},
	head:    func(n *sim.Subnet) head[sim.SubnetID] { return head[sim.SubnetID]{&n.ID, &n.Owner, &n.Tags} },
	indexes: []*index[sim.Subnet]{subnetsByVPC},
}

var subnetsByVPC = &index[sim.Subnet]{func(n sim.Subnet) []string { return some(n.VPC) }}

var internetGateways = &kind[sim.InternetGatewayID, sim.InternetGateway]{
	table: "internet-gateway", in: func(s *State) **Table[sim.InternetGatewayID, sim.InternetGateway] { return &s.InternetGateways },
	noun: noun{prefix: sim.PrefixInternetGateway, name: "internet-gateway", missing: "InvalidInternetGatewayID.NotFound", format: "The internetGateway ID '%s' does not exist"},
	head: func(g *sim.InternetGateway) head[sim.InternetGatewayID] {
		return head[sim.InternetGatewayID]{&g.ID, &g.Owner, &g.Tags}
	},
	quota:   quota[sim.InternetGateway]{limit: maxInternetGateways, code: "InternetGatewayLimitExceeded", text: "The maximum number of internet gateways has been reached."},
	indexes: []*index[sim.InternetGateway]{gatewaysByVPC},
}

var gatewaysByVPC = &index[sim.InternetGateway]{func(g sim.InternetGateway) []string { return some(g.VPC) }}

var routeTables = &kind[sim.RouteTableID, sim.RouteTable]{
	table: "route-table", in: func(s *State) **Table[sim.RouteTableID, sim.RouteTable] { return &s.RouteTables },
	noun: noun{prefix: sim.PrefixRouteTable, name: "route-table", malformed: "InvalidRouteTableId.Malformed",
		missing: "InvalidRouteTableID.NotFound", format: "The routeTable ID '%s' does not exist"},
	head: func(t *sim.RouteTable) head[sim.RouteTableID] {
		return head[sim.RouteTableID]{&t.ID, &t.Owner, &t.Tags}
	},
	indexes: []*index[sim.RouteTable]{routeTablesByVPC, routeTablesByAssociation, routeTablesBySubnet},
}

var (
	routeTablesByVPC         = &index[sim.RouteTable]{func(t sim.RouteTable) []string { return some(t.VPC) }}
	routeTablesByAssociation = &index[sim.RouteTable]{func(t sim.RouteTable) []string {
		return each(t.Associations, func(a sim.RouteTableAssociation) string { return string(a.ID) })
	}}
	// The main association is its VPC's.
	routeTablesBySubnet = &index[sim.RouteTable]{func(t sim.RouteTable) []string {
		return each(t.Associations, func(a sim.RouteTableAssociation) string {
			if a.Main {
				return string(t.VPC)
			}
			return string(a.Subnet)
		})
	}}
)

var securityGroups = &kind[sim.SecurityGroupID, sim.SecurityGroup]{
	table: "security-group", in: func(s *State) **Table[sim.SecurityGroupID, sim.SecurityGroup] { return &s.SecurityGroups },
	noun: noun{prefix: sim.PrefixSecurityGroup, name: "security-group", malformed: "InvalidGroupId.Malformed",
		missing: "InvalidGroup.NotFound", format: "The security group '%s' does not exist"},
	head: func(g *sim.SecurityGroup) head[sim.SecurityGroupID] {
		return head[sim.SecurityGroupID]{&g.ID, &g.Owner, &g.Tags}
	},
	indexes: []*index[sim.SecurityGroup]{groupsByVPC, groupsByName, groupsByRule},
}

var (
	groupsByVPC  = &index[sim.SecurityGroup]{func(g sim.SecurityGroup) []string { return some(g.VPC) }}
	groupsByName = &index[sim.SecurityGroup]{func(g sim.SecurityGroup) []string { return []string{groupKey(g.VPC, g.Name)} }}
	groupsByRule = &index[sim.SecurityGroup]{func(g sim.SecurityGroup) []string {
		return each(g.Rules, func(r sim.SecurityGroupRule) string { return string(r.ID) })
	}}
)

var addresses = &kind[sim.AllocationID, sim.Address]{
	table: "address", in: func(s *State) **Table[sim.AllocationID, sim.Address] { return &s.Addresses },
	noun: noun{prefix: sim.PrefixAllocation, name: "elastic-ip", missing: "InvalidAllocationID.NotFound", format: "The allocation ID '%s' does not exist"},
	head: func(a *sim.Address) head[sim.AllocationID] {
		return head[sim.AllocationID]{&a.Allocation, &a.Owner, &a.Tags}
	},
	quota:   quota[sim.Address]{limit: maxAddresses, code: "AddressLimitExceeded", text: "The maximum number of addresses has been reached."},
	indexes: []*index[sim.Address]{addressesByIP, addressesByAssociation},
}

var (
	addressesByIP          = &index[sim.Address]{func(a sim.Address) []string { return []string{a.PublicIP.String()} }}
	addressesByAssociation = &index[sim.Address]{func(a sim.Address) []string { return some(a.Association) }}
)

var enis = &kind[sim.ENIID, sim.ENI]{
	table: "eni", in: func(s *State) **Table[sim.ENIID, sim.ENI] { return &s.ENIs },
	noun: noun{prefix: sim.PrefixENI, name: "network-interface", malformed: "InvalidNetworkInterfaceId.Malformed",
		missing: "InvalidNetworkInterfaceID.NotFound", format: "The networkInterface ID '%s' does not exist"},
	head:    func(e *sim.ENI) head[sim.ENIID] { return head[sim.ENIID]{&e.ID, &e.Owner, &e.Tags} },
	indexes: []*index[sim.ENI]{enisByVPC, enisBySubnet, enisByInstance, enisByGroup, enisByMAC, enisByPrivateIP, enisByPublicIP},
}

var (
	enisByVPC       = &index[sim.ENI]{func(e sim.ENI) []string { return some(e.VPC) }}
	enisBySubnet    = &index[sim.ENI]{func(e sim.ENI) []string { return some(e.Subnet) }}
	enisByInstance  = &index[sim.ENI]{func(e sim.ENI) []string { return some(e.Attachment.Instance) }}
	enisByGroup     = &index[sim.ENI]{func(e sim.ENI) []string { return strs(e.SecurityGroups) }}
	enisByMAC       = &index[sim.ENI]{func(e sim.ENI) []string { return []string{macKey(e.VPC, e.MAC)} }}
	enisByPrivateIP = &index[sim.ENI]{func(e sim.ENI) []string { return []string{privateKey(e.Subnet, e.PrivateIP)} }}
	enisByPublicIP  = &index[sim.ENI]{func(e sim.ENI) []string {
		if !e.PublicIP.IsValid() {
			return nil
		}
		return []string{e.PublicIP.String()}
	}}
)

var keyPairs = &kind[sim.KeyPairID, sim.KeyPair]{
	table: "key-pair", in: func(s *State) **Table[sim.KeyPairID, sim.KeyPair] { return &s.KeyPairs },
	noun:    noun{prefix: sim.PrefixKeyPair, name: "key-pair", missing: "InvalidKeyPair.NotFound", format: "The key pair '%s' does not exist"},
	head:    func(k *sim.KeyPair) head[sim.KeyPairID] { return head[sim.KeyPairID]{&k.ID, &k.Owner, &k.Tags} },
	quota:   quota[sim.KeyPair]{limit: maxKeyPairs, code: "KeyPairLimitExceeded", text: "The maximum number of key pairs has been reached."},
	indexes: []*index[sim.KeyPair]{keyPairsByName},
}

var keyPairsByName = &index[sim.KeyPair]{func(k sim.KeyPair) []string { return []string{keyPairKey(k.Owner, k.Name)} }}

var images = &kind[sim.ImageID, sim.Image]{
	table: "image", in: func(s *State) **Table[sim.ImageID, sim.Image] { return &s.Images },
	noun: noun{prefix: sim.PrefixImage, name: "image", malformed: "InvalidAMIID.Malformed",
		missing: "InvalidAMIID.NotFound", format: "The image id '[%s]' does not exist"},
	head:   func(i *sim.Image) head[sim.ImageID] { return head[sim.ImageID]{&i.ID, &i.Owner, &i.Tags} },
	public: func(i sim.Image) bool { return i.Public },
}

var instances = &kind[sim.InstanceID, sim.Instance]{
	table: "instance", in: func(s *State) **Table[sim.InstanceID, sim.Instance] { return &s.Instances },
	noun: noun{prefix: sim.PrefixInstance, name: "instance", malformed: "InvalidInstanceID.Malformed",
		missing: "InvalidInstanceID.NotFound", format: "The instance ID '%s' does not exist"},
	head: func(i *sim.Instance) head[sim.InstanceID] { return head[sim.InstanceID]{&i.ID, &i.Owner, &i.Tags} },
	quota: quota[sim.Instance]{limit: maxInstances, counts: func(i sim.Instance) bool { return i.Status.State != sim.StateTerminated },
		code: "InstanceLimitExceeded", text: fmt.Sprintf("You have requested more instances than your current instance limit of %d allows.", maxInstances)},
	indexes: []*index[sim.Instance]{instancesByVPC, instancesByVolume, instancesByReservation},
}

var (
	instancesByVPC         = &index[sim.Instance]{func(i sim.Instance) []string { return some(i.VPC) }}
	instancesByReservation = &index[sim.Instance]{func(i sim.Instance) []string { return some(i.Reservation) }}
	instancesByVolume      = &index[sim.Instance]{func(i sim.Instance) []string {
		return each(i.BlockDevices, func(d sim.BlockDevice) string { return string(d.Volume) })
	}}
)

var volumes = &kind[sim.VolumeID, sim.Volume]{
	table: "volume", in: func(s *State) **Table[sim.VolumeID, sim.Volume] { return &s.Volumes },
	noun: noun{prefix: sim.PrefixVolume, name: "volume", malformed: "InvalidVolumeID.Malformed",
		missing: "InvalidVolume.NotFound", format: "The volume '%s' does not exist."},
	head:  func(v *sim.Volume) head[sim.VolumeID] { return head[sim.VolumeID]{&v.ID, &v.Owner, &v.Tags} },
	quota: quota[sim.Volume]{limit: maxVolumes, code: "VolumeLimitExceeded", text: "The maximum number of volumes has been reached."},
}

var (
	tokens   = &kind[string, Token]{table: "token", in: func(s *State) **Table[string, Token] { return &s.Tokens }}
	settings = &kind[string, Setting]{table: "setting", in: func(s *State) **Table[string, Setting] { return &s.Settings }}
)

// Nouns of what has an id and is no row, nor a part that has tags.
var (
	associationNoun   = noun{prefix: sim.PrefixAssociation, missing: "InvalidAssociationID.NotFound", format: "The association ID '%s' does not exist"}
	targetGatewayNoun = noun{prefix: sim.PrefixInternetGateway, missing: "InvalidGatewayID.NotFound", format: "The gateway ID '%s' does not exist"}
)

// taggables are the kinds that may have tags, by the prefix of their ids.
var taggables = func() map[string]tagged {
	out := map[string]tagged{}
	for _, k := range parts {
		out[k.speak().prefix] = k
	}
	for _, k := range kinds {
		if p := k.speak().prefix; p != "" {
			out[p] = k
		}
	}
	return out
}()

// taggableNamed finds the kind that an id is of by its form.
func taggableNamed(id string) (tagged, bool) {
	prefix, _, _ := strings.Cut(id, "-")
	k, ok := taggables[prefix]
	return k, ok
}

// Missing returns EC2's error for an id, or a key pair's name, that names
// nothing. prefix is that of the kind: sim.PrefixVPC and so on.
func Missing(prefix, id string) error { return taggables[prefix].speak().found(false, id) }

// Tagged yields everything that has tags, kind by kind.
func (s *State) Tagged(yield func(Tagged) bool) {
	for _, prefix := range slices.Sorted(maps.Keys(taggables)) {
		for t := range taggables[prefix].tags(s) {
			if len(t.Tags) > 0 && !yield(t) {
				return
			}
		}
	}
}

// some returns the one key that s is, or none.
func some[T ~string](s T) []string {
	if s == "" {
		return nil
	}
	return []string{string(s)}
}

func strs[T ~string](in []T) []string { return each(in, func(x T) string { return string(x) }) }

func each[T any](in []T, key func(T) string) []string {
	out := make([]string, len(in))
	for i, x := range in {
		out[i] = key(x)
	}
	return out
}
