package world

import (
	"testing"

	"labsim/sim"
)

// BenchmarkLaunch is how long one launch holds the writer's lock in a region with
// that many instances.
func BenchmarkLaunch(b *testing.B) {
	r := newRegionWith(b, Options{PublicPool: AddrRange{addr("198.18.0.20"), addr("198.18.255.191")}})
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.0.0/20")
	r.public(n)
	ami := r.ami()
	launch := func(count int) sim.InstanceID {
		return do(r, func(tx *Tx) (Reservation, error) {
			return tx.RunInstances(RunInstances{Image: ami, MinCount: count, MaxCount: count, Subnet: n.ID})
		}).Instances[0].ID
	}
	launch(400)
	b.ResetTimer()
	for range b.N {
		id := launch(1)
		b.StopTimer()
		r.run(drop(func(tx *Tx) ([]StateChange, error) { return tx.TerminateInstances([]sim.InstanceID{id}) }))
		r.observe(id, Observation{State: sim.StateTerminated})
		r.run(func(tx *Tx) error { return tx.PurgeTerminated(r.now) })
		b.StartTimer()
	}
}

// BenchmarkLaunchMany launches 400 instances with one call.
func BenchmarkLaunchMany(b *testing.B) {
	for range b.N {
		b.StopTimer()
		r := newRegionWith(b, Options{PublicPool: AddrRange{addr("198.18.0.20"), addr("198.18.255.191")}})
		n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.0.0/20")
		r.public(n)
		ami := r.ami()
		b.StartTimer()
		do(r, func(tx *Tx) (Reservation, error) {
			return tx.RunInstances(RunInstances{Image: ami, MinCount: 400, MaxCount: 400, Subnet: n.ID})
		})
	}
}
