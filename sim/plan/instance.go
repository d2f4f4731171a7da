package plan

import (
	"fmt"
	"time"

	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/world"
)

// Seconds that a guest has to end by itself, when it is stopped or rebooted and
// when it is terminated.
const (
	stopGrace      = 20
	terminateGrace = 3
)

// instances drives each instance towards what its owner wants, and removes the
// containers that stand for none.
func (p *planner) instances() {
	for id, i := range p.s.Instances.All() {
		c, exists := p.containers[id]
		switch i.Desired {
		case sim.DesiredTerminated:
			p.terminate(i, c, exists)
		case sim.DesiredStopped:
			p.stop(i, c, exists)
		default:
			p.run(i, c, exists)
		}
		p.guest(i)
	}
	for id, c := range p.containers {
		if _, known := p.s.Instances.Get(id); !known {
			p.step(Step{Kind: RemoveInstance, Resource: string(id), Name: c.Name})
		}
	}
}

func (p *planner) terminate(i sim.Instance, c engine.ObservedContainer, exists bool) {
	if exists {
		s := Step{Kind: RemoveInstance, Resource: string(i.ID), Name: c.Name}
		if c.Running {
			s.Grace = terminateGrace
		}
		p.step(s)
		return
	}
	p.seen(i, sim.StateTerminated, sim.StateReason{})
}

func (p *planner) stop(i sim.Instance, c engine.ObservedContainer, exists bool) {
	switch {
	case exists && c.Running:
		p.step(Step{Kind: StopInstance, Resource: string(i.ID), Name: c.Name, Grace: stopGrace})
	case exists || i.Status.Boot == 0: // one that was never started has no container
		p.seen(i, sim.StateStopped, sim.StateReason{})
	default:
		p.lost(i)
	}
}

func (p *planner) run(i sim.Instance, c engine.ObservedContainer, exists bool) {
	up := i.Status.State == sim.StateRunning
	p.restless(i, c)
	switch {
	case exists && c.Running && up && i.Boot > i.Status.Boot:
		p.reboot(i, c)
	case exists && c.Running:
		if !up || i.Status.Boot != i.Boot || i.Status.Run != p.o.Run {
			p.seen(i, sim.StateRunning, sim.StateReason{})
		} else if cutOff(c, p.legs(i)) {
			p.start(i, c.Hash) // which joins it again while it runs
		}
	case exists && up && !p.expected(i, c):
		p.ended(i, c)
	case exists && up && p.rests(i, c):
	case exists && up:
		p.start(i, c.Hash) // the same instance goes on: its disk stays, whatever has changed
	case exists || !up:
		p.start(i, "")
	case p.opts.Ephemeral && i.Status.Run != p.o.Run:
		p.start(i, "")
	default:
		p.lost(i)
	}
}

// expected reports whether a running instance's container is down for a reason
// that does not stop the instance: its reboot, or the engine's restart.
func (p *planner) expected(i sim.Instance, c engine.ObservedContainer) bool {
	return i.Boot > i.Status.Boot || // a reboot was cut off in the middle
		i.Status.Run != p.o.Run || // the container ended with the engine
		c.ExitCode == sim.ExitReboot
}

// ended records that an instance has stopped by itself, or was stopped behind
// labsim's back, once that is certain.
func (p *planner) ended(i sim.Instance, c engine.ObservedContainer) {
	if c.ExitCode == sim.ExitPoweroff {
		p.seen(i, sim.StateStopped, sim.StateReason{
			Code:    "Client.InstanceInitiatedShutdown",
			Message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
		})
		return
	}
	since, noticed := p.n.Ended[i.ID]
	if !noticed {
		since = p.opts.Now
	}
	if settled := since.Add(SettleTime); p.opts.Now.Before(settled) {
		p.again(settled)
		p.wait(string(i.ID), "its container has ended; waiting whether the engine ends too")
		return
	}
	p.seen(i, sim.StateStopped, sim.StateReason{
		Code:    "Server.InternalError",
		Message: fmt.Sprintf("Server.InternalError: the container was stopped outside of labsim, exit code %d", c.ExitCode),
	})
}

// lost records that an instance's container was removed behind labsim's back:
// its root disk is gone with it.
func (p *planner) lost(i sim.Instance) {
	p.seen(i, sim.StateTerminated, sim.StateReason{
		Code:    "Server.InternalError",
		Message: "Server.InternalError: the instance's container was removed outside of labsim",
	})
}

// seen records a state, unless that is known.
func (p *planner) seen(i sim.Instance, state sim.InstanceState, reason sim.StateReason) {
	boot := i.Status.Boot
	if state == sim.StateRunning {
		boot = i.Boot
	}
	if i.Status.State == state && state != sim.StateRunning {
		return
	}
	o := world.Observation{State: state, Boot: boot, Reason: reason}
	if state == sim.StateRunning {
		o.Run = p.o.Run
	}
	p.fact(InstanceSeen{ID: i.ID, Seen: o})
}

// guest records what the guest says of itself: its host keys, and that its user
// data has ended.
func (p *planner) guest(i sim.Instance) {
	g, ok := p.ack.guests[i.ID]
	if i.Desired == sim.DesiredTerminated || i.Status.State != sim.StateRunning {
		return
	}
	if !ok {
		if i.Status.ReadyBoot == i.Boot && i.Desired == sim.DesiredRunning && p.n.Config != nil {
			p.wait(string(i.ID), "its first process has not connected to the agent yet")
		}
		return
	}
	newKeys := len(g.HostKeys) > 0 && !equal(g.HostKeys, i.Status.HostKeys)
	newlyReady := g.Ready && i.Status.ReadyBoot < i.Status.Boot
	if !newKeys && !newlyReady {
		return
	}
	p.fact(InstanceSeen{ID: i.ID, Seen: world.Observation{
		Boot: i.Status.Boot, Error: i.Status.Error, Ready: g.Ready, HostKeys: g.HostKeys,
	}})
}

// Forget is when the row of a terminated instance goes (EC2 User Guide: it
// stays visible for a while, usually less than an hour).
const Forget = time.Hour
