package control

import (
	"context"
	"net"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Node is the agent of a machine.
type Node interface {
	// Watch calls f with what is so, at once and at each change, until ctx ends.
	Watch(ctx context.Context, f func(NodeState)) error
	// Set hands over the whole config and returns once it is in force, or as
	// much of it as can be: Report.Errors names the rest.
	Set(ctx context.Context, c *dataplane.Config) (dataplane.Report, error)
	Counters(ctx context.Context, v sim.VPCID) ([]dataplane.Counter, error)
	// Drift returns what the node's kernel has otherwise than the config.
	Drift(ctx context.Context) ([]dataplane.Drift, error)
	Probe(ctx context.Context, p dataplane.Probe) (dataplane.ProbeResult, error)
	// Open returns a connection on which the agent serves HTTP (wire.Path...).
	Open(ctx context.Context) (net.Conn, error)
}

// NodeState is what a node last said.
type NodeState struct {
	Session uint64 // another one: the agent has connected anew; 0: not connected
	Build   string
	Reads   int // the dataplane.Revision up to which it understands configs
	Report  dataplane.Report
	// Refused says why an agent that dials is not let in; "": none is refused.
	Refused string
}

// errNoAgent is answered for what needs an agent while there is none.
var errNoAgent = sim.Errorf("AgentUnavailable", "The agent is not connected")
