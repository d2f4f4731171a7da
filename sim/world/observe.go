package world

import (
	"time"

	"labsim/sim"
)

func (tx *Tx) ObserveSubnet(id sim.SubnetID, ready bool) error { return errUnfinished }

// VolumeObservation is what the reconciler saw of a volume.
type VolumeObservation struct {
	Ready bool
	Error string
}

func (tx *Tx) ObserveVolume(id sim.VolumeID, o VolumeObservation) error { return errUnfinished }

func (tx *Tx) VolumeGone(id sim.VolumeID) error { return errUnfinished }

// Observation is what the reconciler saw of an instance.
type Observation struct {
	// State is what the engine shows: pending or "" (nothing new), running,
	// stopping (the guest shuts itself down), stopped, terminated (its
	// container is gone). It leads to a transition only where that is legal.
	State    sim.InstanceState
	Boot     int    // the Boot that this is about
	Run      string // the engine's life in which it runs, for Status.Run; "": leave what is
	Error    string
	HostKeys []string        // nil: not known now
	Reason   sim.StateReason // zero: the usual one of the transition
}

func (tx *Tx) ObserveInstance(id sim.InstanceID, o Observation) error { return errUnfinished }

// AdoptVolume is a volume whose file outlived its record.
type AdoptVolume struct {
	ID      sim.VolumeID
	Account sim.AccountID
	Zone    sim.Zone
	Size    int
	Type    string
	Tags    sim.Tags // labsim:lab and Name included
}

func (tx *Tx) AdoptVolume(in AdoptVolume) (out sim.Volume, err error) { return out, errUnfinished }

func (tx *Tx) PurgeTerminated(before time.Time) error { return errUnfinished }
