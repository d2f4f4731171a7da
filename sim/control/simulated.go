package control

import (
	"context"
	"net"
	"sync"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Simulated is the Node where nothing really runs: it agrees with every config.
type Simulated struct {
	mu      sync.Mutex
	report  dataplane.Report
	changed chan struct{} // closed when there is another report; nil: nobody waits
}

// Watch implements Node.
func (n *Simulated) Watch(ctx context.Context, f func(NodeState)) error {
	for {
		n.mu.Lock()
		state := NodeState{Session: 1, Build: "simulated", Reads: dataplane.Revision, Report: n.report}
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		n.mu.Unlock()
		f(state)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Set implements Node.
func (n *Simulated) Set(_ context.Context, c *dataplane.Config) (dataplane.Report, error) {
	r := dataplane.Report{Version: c.Version}
	for _, v := range c.VPCs {
		for _, e := range v.ENIs {
			r.Links = append(r.Links, e.ID)
			r.Guests = append(r.Guests, dataplane.Guest{Instance: e.Instance, Ready: true})
		}
		if v.Gateway != nil {
			r.Gateways = append(r.Gateways, v.Gateway.ID)
		}
	}
	for _, v := range c.Volumes {
		if !v.Delete {
			r.Volumes = append(r.Volumes, dataplane.VolumeStatus{
				ID: v.ID, Account: v.Account, Region: v.Region, SizeGiB: v.SizeGiB, Lab: v.Lab, Name: v.Name, Tags: v.Tags,
			})
		}
	}
	n.mu.Lock()
	n.report = r
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
	n.mu.Unlock()
	return r, nil
}

// Counters implements Node.
func (n *Simulated) Counters(context.Context, sim.VPCID) ([]dataplane.Counter, error) {
	return nil, nil
}

// Drift implements Node: there is no kernel.
func (n *Simulated) Drift(context.Context) ([]dataplane.Drift, error) { return nil, nil }

// Probe implements Node. Control answers probes itself, by the evaluator.
func (n *Simulated) Probe(context.Context, dataplane.Probe) (dataplane.ProbeResult, error) {
	return dataplane.ProbeResult{}, errSimulated
}

// Open implements Node.
func (n *Simulated) Open(context.Context) (net.Conn, error) { return nil, errSimulated }

var errSimulated = sim.Errorf(sim.CodeUnsupported, "Instances are simulated here: nothing runs in them")
