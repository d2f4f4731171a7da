package engine

import (
	"context"
	"net/netip"

	"labsim/sim"
)

// Engine runs what the reconciler decides. Every method is idempotent and may
// be cut off at any point: calling it again finishes the work. Ensure and Start
// leave what is already right untouched; Stop and the Removes succeed where
// there is nothing. All of it concerns one site only.
type Engine interface {
	// Observe returns everything of the site that stands on the engine.
	Observe(ctx context.Context) (*Observed, error)
	// Watch calls f whenever something of the site may have changed, until ctx
	// ends or the connection breaks. Events are hints: Observe tells the truth.
	Watch(ctx context.Context, f func()) error

	EnsureNetwork(ctx context.Context, n Network) error
	RemoveNetwork(ctx context.Context, name string) error
	EnsureVolume(ctx context.Context, v Volume) error
	RemoveVolume(ctx context.Context, name string) error

	// Start makes the container, if need be, and starts it. A container that
	// stands with another Hash is replaced; the new one has the root disk of the
	// old one, if it is the same instance's. Limits are changed in place, and
	// interfaces that are missing are joined, also while it runs.
	Start(ctx context.Context, c Container) error
	// Stop asks the container's first process to end, and kills it after grace seconds.
	Stop(ctx context.Context, name string, grace int) error
	Remove(ctx context.Context, name string) error

	// Disk is what is left of the disk that holds the root disks of containers, now;
	// zero where the engine can't tell. It asks the kernel, not the engine.
	Disk() (sim.Disk, error)
	// Roots returns by how many bytes the root disk of each instance has grown since
	// the instance was launched. It takes seconds where there is much on them.
	Roots(ctx context.Context) (map[sim.InstanceID]uint64, error)

	// Images lists the images that can serve as AMIs.
	Images(ctx context.Context) ([]Image, error)
}

// Kind says what an object of the engine stands for.
type Kind string

const (
	KindSubnet   Kind = "subnet"
	KindInternet Kind = "internet" // the network of the public addresses
	KindInstance Kind = "instance"
	KindEdge     Kind = "edge" // an internet gateway
	KindVolume   Kind = "volume"
	KindGuest    Kind = "guest" // the volume with PID 1
)

// Network is a subnet, or the internet.
type Network struct {
	Name   string
	Kind   Kind
	ID     string // subnet-..., "" for the internet
	VPC    sim.VPCID
	CIDR   netip.Prefix
	Labels map[string]string
}

// Volume is an EBS volume, or the guest volume.
type Volume struct {
	Name   string
	Kind   Kind
	ID     string // vol-...
	Size   int    // GiB
	Labels map[string]string
}

// Container is an instance or an edge.
type Container struct {
	Name       string
	Kind       Kind
	ID         string // i-..., igw-...
	Hash       string // of all below that can't be changed in place
	Image      string
	Hostname   string
	Interfaces []Interface
	Mounts     []Mount
	Limits     Limits
	DNS        []netip.Addr
	// Command, Entrypoint and Env are Compose's: processes that PID 1 starts.
	Entrypoint []string
	Command    []string
	Env        []string
	Labels     map[string]string
}

// Interface is a leg of a container, in the order of the device index.
type Interface struct {
	Network string
	ENI     sim.ENIID
	Addr    netip.Addr
	MAC     string
}

// Mount is a volume inside a container.
type Mount struct {
	Volume   string
	Path     string
	ReadOnly bool
}

// Limits are an instance's size and its bounds against abuse.
type Limits struct {
	CPUs      float64 // 0: no limit
	MemoryMiB int64   // 0: no limit
	PIDs      int64
	Files     int64
}

// Observed is what stands, by name.
type Observed struct {
	// Run names the engine's own life: another value means that the engine was
	// restarted in between, and containers that ended with it did not end by
	// themselves. Docker makes its default network "bridge" anew at each start,
	// so that network's ID serves. "" where the engine can't tell.
	Run        string
	Networks   map[string]ObservedObject
	Volumes    map[string]ObservedObject
	Containers map[string]ObservedContainer
}

// ObservedObject is a network or a volume that stands.
type ObservedObject struct {
	Name string
	Kind Kind
	ID   string
}

// ObservedContainer is a container that stands.
type ObservedContainer struct {
	Name     string
	Kind     Kind
	ID       string
	Hash     string
	Running  bool
	PID      int // of its first process, on the engine's machine; 0 unless running
	ExitCode int
	// Endpoints are the ids of what joins it to networks, by the network's name,
	// and Sandbox is the path of its network namespace. Only while it runs; nil
	// where the engine does not tell.
	Endpoints map[string]string
	Sandbox   string
	// Mounts are the volumes that it is made with; nil where the engine does not tell.
	Mounts []Mount
}

// Image is an image that can serve as an AMI.
type Image struct {
	Ref          string
	Digest       string
	Architecture string
	Labels       map[string]string
}
