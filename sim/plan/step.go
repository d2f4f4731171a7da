package plan

import (
	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/world"
)

// Kind is what a step does.
type Kind string

const (
	EnsureNetwork  Kind = "ensure-network"
	RemoveNetwork  Kind = "remove-network"
	EnsureVolume   Kind = "ensure-volume"
	RemoveVolume   Kind = "remove-volume"
	StartEdge      Kind = "start-edge"
	RemoveEdge     Kind = "remove-edge"
	StartInstance  Kind = "start-instance"
	StopInstance   Kind = "stop-instance"
	RebootInstance Kind = "reboot-instance"
	RemoveInstance Kind = "remove-instance"
)

// Step is one thing to do on the engine. It may be cut off anywhere: the next
// plan finds what is left of it.
type Step struct {
	Kind     Kind
	Resource string // the id that it is about; "" for the site's own objects
	Name     string // of the engine's object

	// What to make, by kind.
	Network   engine.Network   `json:",omitzero"`
	Volume    engine.Volume    `json:",omitzero"`
	Container engine.Container `json:",omitzero"`

	// Of an instance.
	Boot  int `json:",omitempty"` // the Boot that a start or a reboot fulfils
	Grace int `json:",omitempty"` // seconds that the guest has to end by itself
}

// Object names what the step changes; steps on one object exclude each other.
func (s Step) Object() string {
	switch s.Kind {
	case EnsureNetwork, RemoveNetwork:
		return "network " + s.Name
	case EnsureVolume, RemoveVolume:
		return "volume " + s.Name
	default:
		return "container " + s.Name
	}
}

// Fact is something seen that the world does not know yet. It is one of the
// types below.
type Fact interface {
	// Of returns the id that the fact is about.
	Of() string
}

// SubnetSeen: the subnet's network stands, or does not.
type SubnetSeen struct {
	ID    sim.SubnetID
	Ready bool
}

// VolumeSeen is what is so of a volume.
type VolumeSeen struct {
	ID   sim.VolumeID
	Seen world.VolumeObservation
}

// VolumeGone: nothing is left of a volume that its owner deleted.
type VolumeGone struct{ ID sim.VolumeID }

// VolumeFound is a volume whose data outlived its record.
type VolumeFound struct{ Volume world.AdoptVolume }

// InstanceSeen is what is so of an instance.
type InstanceSeen struct {
	ID   sim.InstanceID
	Seen world.Observation
}

func (f SubnetSeen) Of() string   { return string(f.ID) }
func (f VolumeSeen) Of() string   { return string(f.ID) }
func (f VolumeGone) Of() string   { return string(f.ID) }
func (f VolumeFound) Of() string  { return string(f.Volume.ID) }
func (f InstanceSeen) Of() string { return string(f.ID) }
