package world

import (
	"fmt"

	"labsim/sim"
)

// checkCapacity refuses to start an instance while the engine's disk is short: one
// that is full takes down what runs already.
func (tx *Tx) checkCapacity() error {
	if tx.opts.Room == nil {
		return nil
	}
	r := tx.opts.Room()
	if !r.Short() {
		return nil
	}
	grown := ""
	if i, ok := tx.Instances.Get(r.Largest); ok && tx.owns(i.Owner) {
		grown = fmt.Sprintf(" The root disk of %s has grown most: %s.", i.ID, mebibytes(r.Grown))
	}
	return sim.Errorf("InsufficientInstanceCapacity", "We currently do not have sufficient capacity: the engine's disk has %s left, less than the %s that are kept free for what runs.%s Delete files or terminate an instance, or free space on the engine's machine.",
		mebibytes(r.Free), mebibytes(r.Reserve()), grown)
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }
