package plan

import (
	"labsim/sim"
	"labsim/sim/dataplane"
)

// acknowledged is what the node's agent holds, by id.
type acknowledged struct {
	subnets map[sim.SubnetID]bool
	enis    map[sim.ENIID]dataplane.ENI
	volumes map[sim.VolumeID]dataplane.Volume
	files   map[sim.VolumeID]dataplane.VolumeStatus
	errors  map[string]string
	guests  map[sim.InstanceID]dataplane.Guest
}

func acknowledge(n Node) acknowledged {
	a := acknowledged{
		subnets: map[sim.SubnetID]bool{},
		enis:    map[sim.ENIID]dataplane.ENI{},
		volumes: map[sim.VolumeID]dataplane.Volume{},
		files:   map[sim.VolumeID]dataplane.VolumeStatus{},
		errors:  map[string]string{},
		guests:  map[sim.InstanceID]dataplane.Guest{},
	}
	for _, e := range n.Report.Errors {
		a.errors[e.Resource] = e.Message
	}
	for _, v := range n.Report.Volumes {
		a.files[v.ID] = v
	}
	for _, g := range n.Report.Guests {
		a.guests[g.Instance] = g
	}
	if n.Config == nil {
		return a
	}
	for _, v := range n.Config.VPCs {
		for _, s := range v.Subnets {
			a.subnets[s.ID] = true
		}
		for _, e := range v.ENIs {
			a.enis[e.ID] = e
		}
	}
	for _, v := range n.Config.Volumes {
		a.volumes[v.ID] = v
	}
	return a
}

// holds reports whether the agent holds the interface as the world has it now;
// why says what is missing.
func (a acknowledged) holds(e sim.ENI) (why string, ok bool) {
	held, found := a.enis[e.ID]
	if !found || held.Addr != e.PrivateIP || held.Subnet != e.Subnet {
		return "the agent has no rules for " + string(e.ID) + " yet", false
	}
	for _, id := range []string{string(e.ID), string(e.Subnet), string(e.VPC), string(e.Attachment.Instance)} {
		if msg := a.errors[id]; msg != "" {
			return "the agent reports of " + id + ": " + msg, false
		}
	}
	return "", true
}
