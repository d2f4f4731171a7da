package world

import (
	"strings"
	"testing"

	"labsim/sim"
)

// Below the reserve no instance starts, by whichever call; what runs goes on.
func TestInsufficientCapacity(t *testing.T) {
	room := sim.Room{Disk: sim.Disk{Free: 2 << 30, Size: 100 << 30}}
	r := newRegionWith(t, Options{Room: func() sim.Room { return room }})
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	running, stopped := r.running(n, nil), r.stopped(n, nil)
	ami := r.ami()
	launch := drop(func(tx *Tx) (Reservation, error) {
		return tx.RunInstances(RunInstances{Image: ami, MinCount: 1, MaxCount: 1, Subnet: n.ID})
	})
	start := func(id sim.InstanceID) func(*Tx) error {
		return drop(func(tx *Tx) ([]StateChange, error) { return tx.StartInstances([]sim.InstanceID{id}) })
	}

	room.Free = 512 << 20
	const code, why = "InsufficientInstanceCapacity", "the engine's disk has 512 MiB left, less than the 1024 MiB that are kept free for what runs."
	r.refused(code, why+" Delete files", launch)
	room.Largest, room.Grown = running.ID, 6<<30
	grown := why + " The root disk of " + string(running.ID) + " has grown most: 6144 MiB."
	r.refused(code, grown, launch)
	r.refused(code, grown, start(stopped.ID))
	if err := r.UpdateAs(bob, func(tx *Tx) error { return tx.checkCapacity() }); strings.Contains(errText(err), string(running.ID)) {
		t.Errorf("an account is told of another's instance: %v", err)
	}

	r.run(start(running.ID))
	r.run(func(tx *Tx) error { return tx.RebootInstances([]sim.InstanceID{running.ID}) })
	room.Free = 1 << 30
	r.run(start(stopped.ID))
	r.run(launch)
}
