package world

import "labsim/sim"

var kinds = map[string]kind{
	sim.PrefixVPC: kindVPC, sim.PrefixSubnet: kindSubnet, sim.PrefixRouteTable: kindRouteTable,
	sim.PrefixInternetGateway: kindInternetGateway, sim.PrefixSecurityGroup: kindSecurityGroup,
	sim.PrefixSecurityGroupRule: kindRule, sim.PrefixENI: kindENI, sim.PrefixAllocation: kindAddress,
	sim.PrefixKeyPair: kindKeyPair, sim.PrefixImage: kindImage, sim.PrefixInstance: kindInstance, sim.PrefixVolume: kindVolume,
}

// Missing returns EC2's error for an id, or a key pair's name, that names
// nothing. prefix is that of the kind: sim.PrefixVPC and so on.
func Missing(prefix, id string) error { return kinds[prefix].found(false, id) }
