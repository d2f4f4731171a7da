package world

import (
	"iter"

	"labsim/sim"
)

// What follows is computed out of other facts, for handlers and evaluators.

// MainRouteTable returns the table of a VPC that serves the subnets that name
// no other.
func (s *State) MainRouteTable(v sim.VPCID) sim.RouteTable {
	t, _ := s.RouteTables.first(routeTablesBySubnet, string(v))
	return t
}

// DefaultGroup returns the default security group of a VPC.
func (s *State) DefaultGroup(v sim.VPCID) sim.SecurityGroup {
	g, _ := s.SecurityGroups.first(groupsByName, groupKey(v, DefaultGroupName))
	return g
}

// GroupReferences yields the other security groups that name a group in a rule.
func (s *State) GroupReferences(id sim.SecurityGroupID) iter.Seq2[sim.SecurityGroupID, sim.SecurityGroup] {
	return func(yield func(sim.SecurityGroupID, sim.SecurityGroup) bool) {
		for _, g := range s.SecurityGroupsOf(s.SecurityGroups.Row(id).VPC) {
			if g.ID != id && names(g, id) && !yield(g.ID, g) {
				return
			}
		}
	}
}

func names(g sim.SecurityGroup, peer sim.SecurityGroupID) bool {
	for _, r := range g.Rules {
		if r.Group == peer {
			return true
		}
	}
	return false
}

// FreeAddresses returns how many addresses of a subnet can still be given out.
func (s *State) FreeAddresses(n sim.Subnet) int {
	return sim.UsableAddrs(n.CIDR) - s.ENIs.countBy(enisBySubnet, string(n.ID))
}

// VolumeState returns the state that EC2 shows of a volume.
func (s *State) VolumeState(v sim.Volume) sim.VolumeState {
	_, _, attached := s.AttachmentOf(v.ID)
	switch {
	case v.Status.Deleting:
		return sim.VolumeDeleting
	case attached:
		return sim.VolumeInUse
	case v.Status.Error != "":
		return sim.VolumeError
	case !v.Status.Ready:
		return sim.VolumeCreating
	}
	return sim.VolumeAvailable
}

// PublicDNSName returns the name of an interface's public address, or "" where
// it has none or the VPC gives no names.
func (s *State) PublicDNSName(r sim.Region, e sim.ENI) string {
	if v := s.VPCs.Row(e.VPC); !e.PublicIP.IsValid() || !v.DNSHostnames || !v.DNSSupport {
		return ""
	}
	return sim.PublicDNSName(r, e.PublicIP)
}

// ENIStatus is the status of an interface (EC2 API, NetworkInterface.Status).
func ENIStatus(e sim.ENI) string {
	if e.Attachment.ID == "" {
		return "available"
	}
	return "in-use"
}
