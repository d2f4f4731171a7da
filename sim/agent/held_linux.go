package agent

import (
	"net/netip"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/dns"
)

// heldConfig is the config that the agent answers from, indexed. It is never
// changed; a new config makes a new one.
type heldConfig struct {
	config  *dataplane.Config
	subnets map[sim.SubnetID]dataplane.Subnet
	enis    map[sim.ENIID]dataplane.ENI
	volumes map[sim.VolumeID]bool
	vpcs    map[sim.VPCID]*dataplane.VPC
	zones   map[sim.VPCID]*dns.Zone
	addrs   map[sim.VPCID]map[netip.Addr]*dataplane.Metadata
}

func hold(c *dataplane.Config) *heldConfig {
	h := &heldConfig{
		config:  c,
		subnets: map[sim.SubnetID]dataplane.Subnet{},
		enis:    map[sim.ENIID]dataplane.ENI{},
		volumes: map[sim.VolumeID]bool{},
		vpcs:    map[sim.VPCID]*dataplane.VPC{},
		zones:   map[sim.VPCID]*dns.Zone{},
		addrs:   map[sim.VPCID]map[netip.Addr]*dataplane.Metadata{},
	}
	for i := range c.VPCs {
		v := &c.VPCs[i]
		h.vpcs[v.ID] = v
		h.zones[v.ID] = dns.NewZone(c, *v)
		for _, s := range v.Subnets {
			h.subnets[s.ID] = s
		}
		for _, e := range v.ENIs {
			h.enis[e.ID] = e
		}
		h.addrs[v.ID] = make(map[netip.Addr]*dataplane.Metadata, len(v.Metadata))
		for j := range v.Metadata {
			h.addrs[v.ID][v.Metadata[j].Addr] = &v.Metadata[j]
		}
	}
	for _, v := range c.Volumes {
		if !v.Delete {
			h.volumes[v.ID] = true
		}
	}
	return h
}

func (h *heldConfig) subnet(id sim.SubnetID) (dataplane.Subnet, bool) {
	s, ok := h.subnets[id]
	return s, ok
}

func (h *heldConfig) eni(id sim.ENIID) (dataplane.ENI, bool) {
	e, ok := h.enis[id]
	return e, ok
}

func (h *heldConfig) hasInstance(id sim.InstanceID) bool {
	for _, e := range h.enis {
		if e.Instance == id {
			return true
		}
	}
	return false
}

func (h *heldConfig) hasVolume(id sim.VolumeID) bool { return h.volumes[id] }

func (h *heldConfig) hasAddress(sub sim.SubnetID, addr netip.Addr) bool {
	for _, e := range h.enis {
		if e.Subnet == sub && e.Addr == addr {
			return true
		}
	}
	return false
}

// metadata returns what the metadata service says to an address of a VPC.
func (h *heldConfig) metadata(v sim.VPCID, addr netip.Addr) (dataplane.Metadata, bool) {
	if m, ok := h.addrs[v][addr]; ok {
		return *m, true
	}
	return dataplane.Metadata{}, false
}
