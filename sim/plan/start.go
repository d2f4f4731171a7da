package plan

import (
	"cmp"
	"slices"

	"labsim/sim"
	"labsim/sim/engine"
)

// start starts an instance as soon as what it stands on is there. keep is the
// hash of a container that has to go on as it is; "" makes it anew where what
// it was made of has changed.
func (p *planner) start(i sim.Instance, keep string) {
	c, missing := p.container(i)
	if missing != "" {
		p.problem(string(i.ID), missing)
		return
	}
	if why, ok := p.ready(i, c); !ok {
		p.wait(string(i.ID), why)
		return
	}
	if keep != "" {
		c.Hash = keep
	}
	p.step(Step{Kind: StartInstance, Resource: string(i.ID), Name: c.Name, Container: c, Boot: i.Boot})
}

// reboot ends the guest and starts the same container again.
func (p *planner) reboot(i sim.Instance, c engine.ObservedContainer) {
	want, missing := p.container(i)
	if missing != "" {
		p.problem(string(i.ID), missing)
		return
	}
	if why, ok := p.ready(i, want); !ok {
		p.wait(string(i.ID), why)
		return
	}
	want.Hash = c.Hash
	p.step(Step{Kind: RebootInstance, Resource: string(i.ID), Name: c.Name, Container: want, Boot: i.Boot, Grace: stopGrace})
}

// ready reports whether all that the container stands on is there, or else what
// is not.
func (p *planner) ready(i sim.Instance, c engine.Container) (why string, ok bool) {
	if p.n.Config == nil {
		return cmp.Or(p.n.Unread, "the agent is not connected"), false
	}
	for _, e := range attached(p.s, i.ID) {
		if why, ok := p.ack.holds(e); !ok {
			return why, false
		}
		if _, stands := p.networks[e.Subnet]; !stands {
			return "the network of " + string(e.Subnet) + " does not stand yet", false
		}
	}
	if _, stands := p.o.Volumes[p.opts.Site.GuestVolume()]; !stands {
		return "the volume with the guest's first process does not stand yet", false
	}
	for _, m := range c.Mounts {
		if _, stands := p.o.Volumes[m.Volume]; !stands {
			return "the volume " + m.Volume + " does not stand yet", false
		}
	}
	for _, d := range i.BlockDevices {
		if f := p.ack.files[d.Volume]; f.Error != "" {
			return "the volume " + string(d.Volume) + " can't be used: " + f.Error, false
		}
	}
	if other, stands := p.o.Containers[c.Name]; stands && other.ID != c.ID {
		return "the name " + c.Name + " is still held by " + other.ID, false
	}
	return "", true
}

// attached returns an instance's interfaces in the order of the device index.
func attached(s worldState, id sim.InstanceID) []sim.ENI {
	var out []sim.ENI
	for _, e := range s.ENIsOfInstance(id) {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b sim.ENI) int { return a.Attachment.DeviceIndex - b.Attachment.DeviceIndex })
	return out
}

func equal(a, b []string) bool { return slices.Equal(a, b) }
