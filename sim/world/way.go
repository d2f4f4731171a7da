package world

import "labsim/sim"

// What the compiler, the evaluator and the API say of a way through a VPC stands here,
// so that they say the same.

// Wired returns the instance that holds an interface, and whether the interface stands
// in its VPC's router: from when it is attached until the instance is terminated,
// whatever the instance does in between.
func (s *State) Wired(e sim.ENI) (sim.Instance, bool) {
	i, ok := s.Instances.Get(e.Attachment.Instance)
	return i, ok && i.Status.State != sim.StateTerminated
}

// LeadKind is what a route does with a packet.
type LeadKind string

const (
	LeadBlackhole LeadKind = "blackhole" // its target can't take packets
	LeadLocal     LeadKind = "local"     // to another interface of the VPC
	LeadExit      LeadKind = "exit"      // out of the VPC, by Exit
	LeadENI       LeadKind = "eni"       // to the interface ENI, whatever the packet's destination
)

// Lead is where a route leads.
type Lead struct {
	Kind LeadKind
	Exit sim.RouteTarget // of LeadExit: an internet gateway
	ENI  sim.ENI         // of LeadENI
}

// Leads returns where a route of a table leads now. A gateway must be attached to the
// table's VPC, an interface belong to an instance of it that is not stopped.
func (s *State) Leads(t sim.RouteTable, r sim.Route) Lead {
	switch r.Target.Kind {
	case sim.TargetLocal:
		return Lead{Kind: LeadLocal}
	case sim.TargetInternetGateway:
		if s.InternetGateways.Row(sim.InternetGatewayID(r.Target.ID)).VPC == t.VPC {
			return Lead{Kind: LeadExit, Exit: r.Target}
		}
	case sim.TargetENI:
		e := s.ENIs.Row(sim.ENIID(r.Target.ID))
		i, wired := s.Wired(e)
		if running := i.Status.State == sim.StatePending || i.Status.State == sim.StateRunning || i.Status.State == sim.StateStopping; wired && running && e.VPC == t.VPC {
			return Lead{Kind: LeadENI, ENI: e}
		}
	}
	return Lead{Kind: LeadBlackhole}
}

// RouteState is the state of a route (EC2 API, Route.State).
func (s *State) RouteState(t sim.RouteTable, r sim.Route) string {
	if s.Leads(t, r).Kind == LeadBlackhole {
		return "blackhole"
	}
	return "active"
}
