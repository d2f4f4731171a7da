package control

import (
	"net/http"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/world"
)

// serveDrift answers what the node's kernel has otherwise than the world, with
// the names that things have there.
func (s *server) serveDrift(w http.ResponseWriter, r *http.Request) {
	found, err := s.node.Drift(r.Context())
	if err != nil {
		failWith(w, err)
		return
	}
	state := s.world.View()
	out := make([]dataplane.Drift, 0, len(found))
	for _, d := range found {
		d.What = named(state, d.What)
		out = append(out, d)
	}
	answer(w, http.StatusOK, out)
}

// serveRepair hands the node its config once more.
func (s *server) serveRepair(w http.ResponseWriter, r *http.Request) {
	if err := s.reconciler.config.repair(s.ctx); err != nil {
		failWith(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// named puts a name before each id among a text's arguments: db (sg-0123).
func named(s *world.State, t sim.Text) sim.Text {
	out := sim.Text{Format: t.Format, Args: make([]any, len(t.Args))}
	for i, a := range t.Args {
		out.Args[i] = a
		if id, ok := a.(string); ok {
			if n := nameOf(s, id); n != "" && n != id {
				out.Args[i] = n + " (" + id + ")"
			}
		}
	}
	return out
}

func nameOf(s *world.State, id string) string {
	if g, ok := s.SecurityGroups.Get(sim.SecurityGroupID(id)); ok {
		return g.Name
	}
	if i, ok := s.Instances.Get(sim.InstanceID(id)); ok {
		return i.Tags.Value(sim.TagName)
	}
	if v, ok := s.VPCs.Get(sim.VPCID(id)); ok {
		return v.Tags.Value(sim.TagName)
	}
	if n, ok := s.Subnets.Get(sim.SubnetID(id)); ok {
		return n.Tags.Value(sim.TagName)
	}
	if t, ok := s.RouteTables.Get(sim.RouteTableID(id)); ok {
		return t.Tags.Value(sim.TagName)
	}
	if g, ok := s.InternetGateways.Get(sim.InternetGatewayID(id)); ok {
		return g.Tags.Value(sim.TagName)
	}
	return ""
}
