package world

import (
	"labsim/sim"
)

// CreateVolume asks for a volume (EC2 API, CreateVolume).
type CreateVolume struct {
	Zone             sim.Zone
	Size             int    // GiB
	Type             string // "": gp2, as on AWS
	IOPS, Throughput int    // 0: the type's default
	Encrypted        bool
	Tags             sim.Tags
	ClientToken      string
}

func (tx *Tx) CreateVolume(in CreateVolume) (out sim.Volume, err error) { return out, errUnfinished }

func (tx *Tx) DeleteVolume(id sim.VolumeID) error { return errUnfinished }

// AttachVolume gives a volume to an instance (EC2 API, AttachVolume).
type AttachVolume struct {
	Volume   sim.VolumeID
	Instance sim.InstanceID
	Device   string // /dev/sd[f-p]
}

// VolumeAttachment is a volume's place in an instance.
type VolumeAttachment struct {
	Instance sim.InstanceID
	sim.BlockDevice
}

func (tx *Tx) AttachVolume(in AttachVolume) (out VolumeAttachment, err error) {
	return out, errUnfinished
}

// DetachVolume takes a volume from its instance; Instance and Device may be
// left out (EC2 API, DetachVolume).
type DetachVolume struct {
	Volume   sim.VolumeID
	Instance sim.InstanceID
	Device   string
	Force    bool
}

func (tx *Tx) DetachVolume(in DetachVolume) (out VolumeAttachment, err error) {
	return out, errUnfinished
}
