package sim

// Disk is the filesystem on which an engine keeps the root disks of instances.
type Disk struct{ Free, Size uint64 } // bytes

// maxReserve is the most that is kept back, in bytes.
const maxReserve = 1 << 30

// Reserve is how much of it launches leave alone, in bytes: what runs needs room
// to write, and so do the engine, the state and EBS volumes, which are sparse.
func (d Disk) Reserve() uint64 { return min(maxReserve, d.Size/20) }

// Short reports whether less than the reserve is left.
func (d Disk) Short() bool { return d.Free < d.Reserve() }

// Room is what there is for the root disks of instances.
type Room struct {
	Disk
	// Largest is the instance whose root disk has grown most since it was launched, by
	// Grown bytes; "": not known.
	Largest InstanceID `json:",omitempty"`
	Grown   uint64     `json:",omitempty"`
}
