package plan

import (
	"net/netip"
	"time"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/engine"
	"labsim/sim/world"
)

// Node is what is known of the machine's agent and its guests.
type Node struct {
	// Config is the last one that the agent has acknowledged on its present
	// connection; nil while there is none.
	Config *dataplane.Config
	// Current says that Config is what the world asks for now.
	Current bool
	// Unread says why an agent that is connected can't be given what the world asks
	// for; "" where it can.
	Unread string
	Report dataplane.Report
	// Ended is when the containers of running instances were first seen to be down.
	Ended map[sim.InstanceID]time.Time
	// Reboots are of the instances that were started since control began.
	Reboots map[sim.InstanceID]Reboots
}

// Options are what a plan needs besides.
type Options struct {
	Site   sim.Site
	Region sim.Region
	Public netip.Prefix // the site's public range
	Now    time.Time
	// Ephemeral says that the engine forgets its containers when it ends (none).
	Ephemeral bool
}

// SettleTime is how long a container must have been down, unasked, until it is
// believed to have ended by itself: the time in which an engine that is shutting
// down stops control too.
const SettleTime = 2 * time.Second

// Result is what to do, what to record, and what is being waited for.
type Result struct {
	Steps []Step
	Facts []Fact
	Waits []Wait
	// Again is when the plan changes by the passing of time; zero: never.
	Again time.Time
}

// Wait is something that is wanted and can't be done yet.
type Wait struct {
	Resource string // id
	Reason   string
	// Problem says that it won't end by itself.
	Problem bool
}

// Plan compares the world s with what stands, o, and with what the node says.
func Plan(s *world.State, o *engine.Observed, n Node, opts Options) Result {
	p := newPlanner(s, o, n, opts)
	p.internet()
	p.subnets()
	p.guestVolume()
	p.volumes()
	p.edges()
	p.instances()
	return p.out
}

type planner struct {
	s    *world.State
	o    *engine.Observed
	n    Node
	opts Options
	out  Result

	// What stands, by the id of what it stands for.
	networks   map[sim.SubnetID]engine.ObservedObject
	volume     map[sim.VolumeID]engine.ObservedObject
	containers map[sim.InstanceID]engine.ObservedContainer
	edge       map[sim.InternetGatewayID]engine.ObservedContainer

	ack   acknowledged
	names names
}

func newPlanner(s *world.State, o *engine.Observed, n Node, opts Options) *planner {
	p := &planner{s: s, o: o, n: n, opts: opts,
		networks:   map[sim.SubnetID]engine.ObservedObject{},
		volume:     map[sim.VolumeID]engine.ObservedObject{},
		containers: map[sim.InstanceID]engine.ObservedContainer{},
		edge:       map[sim.InternetGatewayID]engine.ObservedContainer{},
		ack:        acknowledge(n),
	}
	for _, x := range o.Networks {
		if x.Kind == engine.KindSubnet {
			p.networks[sim.SubnetID(x.ID)] = x
		}
	}
	for _, x := range o.Volumes {
		if x.Kind == engine.KindVolume {
			p.volume[sim.VolumeID(x.ID)] = x
		}
	}
	for _, x := range o.Containers {
		switch x.Kind {
		case engine.KindInstance:
			p.known(x)
		case engine.KindEdge:
			p.edge[sim.InternetGatewayID(x.ID)] = x
		}
	}
	p.names = nameAll(p)
	return p
}

// known takes note of an instance's container. A second one, which a control that
// was killed may have left under another name, goes: the one that runs stays.
func (p *planner) known(x engine.ObservedContainer) {
	id := sim.InstanceID(x.ID)
	other, twice := p.containers[id]
	if twice {
		if better(other, x) {
			x, other = other, x
		}
		p.step(Step{Kind: RemoveInstance, Resource: x.ID, Name: other.Name})
	}
	p.containers[id] = x
}

func better(a, b engine.ObservedContainer) bool {
	if a.Running != b.Running {
		return a.Running
	}
	return a.Name < b.Name
}

func (p *planner) step(s Step) { p.out.Steps = append(p.out.Steps, s) }
func (p *planner) fact(f Fact) { p.out.Facts = append(p.out.Facts, f) }
func (p *planner) wait(id, r string) {
	p.out.Waits = append(p.out.Waits, Wait{Resource: id, Reason: r})
}

func (p *planner) problem(id, r string) {
	p.out.Waits = append(p.out.Waits, Wait{Resource: id, Reason: r, Problem: true})
}

// again asks for another plan at t.
func (p *planner) again(t time.Time) {
	if p.out.Again.IsZero() || t.Before(p.out.Again) {
		p.out.Again = t
	}
}
