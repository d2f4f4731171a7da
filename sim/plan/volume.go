package plan

import (
	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/engine"
	"labsim/sim/world"
)

// guestVolume keeps the volume with PID 1 as soon as there is an instance.
func (p *planner) guestVolume() {
	name := p.opts.Site.GuestVolume()
	if _, stands := p.o.Volumes[name]; stands || p.n.Config == nil || p.s.Instances.Len() == 0 {
		return
	}
	p.step(Step{Kind: EnsureVolume, Name: name, Volume: engine.Volume{Name: name, Kind: engine.KindGuest}})
}

// volumes keeps the engine's volume for each volume of the world and none
// besides. The data is the agent's: it goes by the config alone.
func (p *planner) volumes() {
	for id, v := range p.s.Volumes.All() {
		x, stands := p.volume[id]
		switch {
		case v.Status.Deleting && stands:
			p.step(Step{Kind: RemoveVolume, Resource: string(id), Name: x.Name})
		case v.Status.Deleting:
			p.deleted(id)
		default:
			p.wanted(v, stands)
		}
	}
	for id, x := range p.volume {
		_, known := p.s.Volumes.Get(id)
		if _, file := p.ack.files[id]; !known && !file {
			p.step(Step{Kind: RemoveVolume, Resource: string(id), Name: x.Name})
		}
	}
	p.found()
}

func (p *planner) wanted(v sim.Volume, stands bool) {
	seen := world.VolumeObservation{Ready: stands, Error: p.ack.files[v.ID].Error}
	if msg := p.ack.errors[string(v.ID)]; msg != "" {
		seen.Error = msg
	}
	if seen.Error != "" {
		seen.Ready = false
		p.problem(string(v.ID), seen.Error)
	}
	if seen.Ready != v.Status.Ready || seen.Error != v.Status.Error {
		p.fact(VolumeSeen{ID: v.ID, Seen: seen})
	}
	if stands {
		return
	}
	if held, ok := p.ack.volumes[v.ID]; !ok || held.Delete {
		p.wait(string(v.ID), "the agent does not know the volume yet")
		return
	}
	name := p.names.volumes[v.ID]
	p.step(Step{Kind: EnsureVolume, Resource: string(v.ID), Name: name, Volume: engine.Volume{
		Name: name, Kind: engine.KindVolume, ID: string(v.ID), Size: v.Size,
		Labels: objectLabels(p.opts.Site, v.Tags, "", "com.docker.compose.volume"),
	}})
}

// deleted records the end of a volume once the agent has been told to delete
// its file and shows none.
func (p *planner) deleted(id sim.VolumeID) {
	if _, file := p.ack.files[id]; !file && p.ack.volumes[id].Delete {
		p.fact(VolumeGone{ID: id})
		return
	}
	p.wait(string(id), "the agent still has the volume's data")
}

// found lists the volumes whose data is there and whose record is not: what a
// former state, since removed, has left. A report that is older than the config
// may still show what has been deleted since.
func (p *planner) found() {
	if p.n.Config == nil || !p.n.Current || p.n.Report.Version != p.n.Config.Version {
		return
	}
	for _, f := range p.n.Report.Volumes {
		if _, known := p.s.Volumes.Get(f.ID); !known {
			p.fact(VolumeFound{Volume: adoption(f, p.opts.Region)})
		}
	}
}

func adoption(f dataplane.VolumeStatus, here sim.Region) world.AdoptVolume {
	region := f.Region
	if region == "" {
		region = here
	}
	tags := f.Tags
	if _, ok := tags.Get(sim.TagLab); !ok && f.Lab != "" {
		tags = tags.With(sim.TagLab, f.Lab)
	}
	if _, ok := tags.Get(sim.TagName); !ok && f.Name != "" {
		tags = tags.With(sim.TagName, f.Name)
	}
	return world.AdoptVolume{
		ID: f.ID, Account: f.Account, Zone: sim.Zone(region + "a"), Size: f.SizeGiB, Type: "gp3", Tags: tags,
	}
}
