package plan

import (
	"cmp"
	"iter"
	"slices"

	"labsim/sim"
)

// names are the engine's names of what the world has, by id. What stands keeps
// its name, whatever became of its tags since.
type names struct {
	subnets   map[sim.SubnetID]string
	volumes   map[sim.VolumeID]string
	instances map[sim.InstanceID]string
}

// nameAll gives every resource a name: of the lab and its own, as Compose would
// name it, where nobody else has that one; its id otherwise.
func nameAll(p *planner) names {
	n := names{
		subnets:   map[sim.SubnetID]string{},
		volumes:   map[sim.VolumeID]string{},
		instances: map[sim.InstanceID]string{},
	}
	site := p.opts.Site

	c := newClaims()
	for id, x := range p.networks {
		c.take(x.Name, string(id))
		n.subnets[id] = x.Name
	}
	for _, sub := range inTurn(p.s.Subnets.All(), func(s sim.Subnet) int64 { return int64(s.Number) }) {
		if n.subnets[sub.ID] == "" {
			n.subnets[sub.ID] = c.pick(site, string(sub.ID), objectName(site, sub.Tags, "_", ""))
		}
	}

	c = newClaims()
	for id, x := range p.volume {
		c.take(x.Name, string(id))
		n.volumes[id] = x.Name
	}
	for _, v := range inTurn(p.s.Volumes.All(), func(v sim.Volume) int64 { return v.CreateTime.UnixNano() }) {
		if n.volumes[v.ID] == "" {
			n.volumes[v.ID] = c.pick(site, string(v.ID), objectName(site, v.Tags, "_", ""))
		}
	}

	c = newClaims()
	for id, x := range p.containers {
		n.instances[id] = x.Name
		// A name that is about to be free is worth waiting for: the next
		// generation of a lab's instance has its predecessor's.
		if i, ok := p.s.Instances.Get(id); ok && i.Desired != sim.DesiredTerminated {
			c.take(x.Name, string(id))
		}
	}
	for _, i := range inTurn(p.s.Instances.All(), func(i sim.Instance) int64 { return i.LaunchTime.UnixNano() }) {
		if n.instances[i.ID] == "" && i.Desired != sim.DesiredTerminated {
			n.instances[i.ID] = c.pick(site, string(i.ID), objectName(site, i.Tags, "-", "-1"))
		}
	}
	return n
}

// inTurn sorts rows by age, so that a new one never takes a name that an older
// one may just be getting.
func inTurn[K ~string, V any](rows iter.Seq2[K, V], age func(V) int64) []V {
	var out []V
	for _, v := range rows { // by id, which decides among equals
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b V) int { return cmp.Compare(age(a), age(b)) })
	return out
}

// claims tell who holds which name.
type claims map[string]string

func newClaims() claims { return claims{} }

func (c claims) take(name, id string) { c[name] = id }

// pick gives a resource the name that it wishes, or the one by its id where another
// has that.
func (c claims) pick(site sim.Site, id, wish string) string {
	if wish == "" || c[wish] != "" {
		return site.Object(id)
	}
	c[wish] = id
	return wish
}

// objectName is LAB, its separator, NAME and the suffix, as a name of the site, or
// "" where a tag is missing or can't be part of a name.
func objectName(site sim.Site, tags sim.Tags, separator, suffix string) string {
	lab, name := tags.Value(sim.TagLab), tags.Value(sim.TagName)
	if !sim.IsObjectName(lab) || !sim.IsObjectName(name) {
		return ""
	}
	return site.LabObject(lab + separator + name + suffix)
}

// Project is the Compose project of a lab: the lab's own name on the default
// site. On others it carries the site too, since two sites may run the same lab
// on one engine.
func Project(site sim.Site, lab string) string {
	if site == sim.DefaultSite {
		return lab
	}
	return string(site) + "-" + lab
}

// objectLabels are the labels of what a lab made: labsim's and those by which
// Compose knows its own. role is the label that holds the object's name.
func objectLabels(site sim.Site, tags sim.Tags, vpc, role string) map[string]string {
	l := map[string]string{}
	if vpc != "" {
		l[sim.LabelVPC] = vpc
	}
	lab, name := tags.Value(sim.TagLab), tags.Value(sim.TagName)
	if !sim.IsObjectName(lab) || !sim.IsObjectName(name) {
		return l
	}
	l[sim.LabelLab] = lab
	l["com.docker.compose.project"] = Project(site, lab)
	l["com.docker.compose.version"] = composeVersion
	l[role] = name
	if role == composeService {
		l["com.docker.compose.container-number"] = "1"
		l["com.docker.compose.oneoff"] = "False"
		l["com.docker.compose.config-hash"] = "labsim"
	}
	return l
}

const (
	composeService = "com.docker.compose.service"
	// composeVersion only has to be one that Compose takes for its own.
	composeVersion = "2.0.0"
)
