package sim

import "time"

// VolumeState is a state of a volume (EC2 API, Volume.State).
type VolumeState string

const (
	VolumeCreating  VolumeState = "creating"
	VolumeAvailable VolumeState = "available"
	VolumeInUse     VolumeState = "in-use"
	VolumeDeleting  VolumeState = "deleting"
	VolumeError     VolumeState = "error"
)

// Volume is an EBS volume. To which instance it is attached stands in the
// instance's BlockDevices, once.
type Volume struct {
	ID         VolumeID
	Owner      AccountID
	Zone       Zone
	Size       int    // GiB
	Type       string // gp3, gp2, io1, io2, st1, sc1, standard
	IOPS       int
	Throughput int // MiB/s
	Encrypted  bool
	CreateTime time.Time
	Tags       Tags
	Status     VolumeStatus
}

// VolumeStatus is what the reconciler has seen of a volume.
type VolumeStatus struct {
	Ready    bool // its file and the engine's volume stand
	Deleting bool
	Error    string
}
