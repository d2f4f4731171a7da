package plan

import (
	"slices"

	"labsim/sim"
	"labsim/sim/engine"
)

// internet keeps the network of the public addresses while there is a gateway.
func (p *planner) internet() {
	name := p.opts.Site.Internet()
	_, stands := p.o.Networks[name]
	wanted := p.s.InternetGateways.Len() > 0
	switch {
	case wanted && !stands:
		p.step(Step{Kind: EnsureNetwork, Name: name, Network: engine.Network{
			Name: name, Kind: engine.KindInternet, CIDR: p.opts.Public,
		}})
	case !wanted && stands && len(p.edge) == 0:
		p.step(Step{Kind: RemoveNetwork, Name: name})
	}
}

// subnets keeps a network for each subnet and none besides.
func (p *planner) subnets() {
	for id, sub := range p.s.Subnets.All() {
		if _, stands := p.networks[id]; stands {
			if !sub.Status.Ready {
				p.fact(SubnetSeen{ID: id, Ready: true})
			}
			continue
		}
		if sub.Status.Ready {
			p.fact(SubnetSeen{ID: id, Ready: false})
		}
		if !p.ack.subnets[id] {
			p.wait(string(id), "the agent does not know the subnet yet")
			continue
		}
		name := p.names.subnets[id]
		p.step(Step{Kind: EnsureNetwork, Resource: string(id), Name: name, Network: engine.Network{
			Name: name, Kind: engine.KindSubnet, ID: string(id), VPC: sub.VPC, CIDR: sub.CIDR,
			Labels: objectLabels(p.opts.Site, sub.Tags, string(sub.VPC), "com.docker.compose.network"),
		}})
	}
	for id, x := range p.networks {
		if _, wanted := p.s.Subnets.Get(id); !wanted {
			p.step(Step{Kind: RemoveNetwork, Resource: string(id), Name: x.Name})
		}
	}
}

// edges keeps a running container for each attached gateway and none besides.
func (p *planner) edges() {
	_, internet := p.o.Networks[p.opts.Site.Internet()]
	for id, g := range p.s.InternetGateways.All() {
		if g.VPC == "" {
			continue
		}
		want := edgeContainer(p.opts.Site, g)
		x, stands := p.edge[id]
		if stands && cutOff(x, want.Interfaces) {
			p.step(Step{Kind: RemoveEdge, Resource: string(id), Name: x.Name})
			continue
		}
		if stands && x.Running && x.Hash == want.Hash {
			continue
		}
		if !internet {
			p.wait(string(id), "the network of the public addresses does not stand yet")
			continue
		}
		p.step(Step{Kind: StartEdge, Resource: string(id), Name: want.Name, Container: want})
	}
	for id, x := range p.edge {
		if g, ok := p.s.InternetGateways.Get(id); !ok || g.VPC == "" {
			p.step(Step{Kind: RemoveEdge, Resource: string(id), Name: x.Name})
		}
	}
}

// cutOff reports whether a container that runs is not on a network that it is to
// be on: somebody has disconnected it.
func cutOff(x engine.ObservedContainer, want []engine.Interface) bool {
	return x.Running && x.Endpoints != nil && slices.ContainsFunc(want, func(i engine.Interface) bool {
		return x.Endpoints[i.Network] == ""
	})
}

func edgeContainer(site sim.Site, g sim.InternetGateway) engine.Container {
	c := engine.Container{
		Name:       site.Edge(g.ID),
		Kind:       engine.KindEdge,
		ID:         string(g.ID),
		Image:      SystemImage,
		Hostname:   string(g.ID),
		Interfaces: []engine.Interface{{Network: site.Internet()}},
		Limits:     engine.Limits{MemoryMiB: 64, PIDs: 64},
		Labels:     map[string]string{sim.LabelVPC: string(g.VPC)},
	}
	c.Hash = hash(c)
	return c
}
