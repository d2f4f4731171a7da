package world

import (
	"net/netip"

	"labsim/sim"
)

// RunInstances launches instances (EC2 API, RunInstances).
type RunInstances struct {
	Image              sim.ImageID
	Type               string // "": m1.small on AWS; here t3.micro
	MinCount, MaxCount int
	KeyName            string
	Subnet             sim.SubnetID
	Zone               sim.Zone // "": the subnet's; else it must be the subnet's
	SecurityGroups     []sim.SecurityGroupID
	SecurityGroupNames []string
	PrivateIP          netip.Addr
	AssociatePublicIP  *bool     // nil: as the subnet says
	ENI                sim.ENIID // an existing interface to be the primary one
	KeepENI            bool      // DeleteOnTermination false of the primary interface
	Description        string    // of the new primary interface
	UserData           []byte
	ShutdownAction     sim.ShutdownAction // "": stop
	BlockDevices       []BlockDeviceMapping
	MetadataOptions    MetadataOptions
	ClientToken        string
	Tags               sim.Tags // of the instances
	VolumeTags         sim.Tags
	ENITags            sim.Tags
}

// BlockDeviceMapping is a volume that a launch makes and attaches.
type BlockDeviceMapping struct {
	Device              string
	Size                int
	Type                string
	IOPS, Throughput    int
	Encrypted           bool
	DeleteOnTermination *bool // nil: true, as on AWS for volumes made at launch
}

// MetadataOptions are wishes about the metadata service; nil or 0 leaves what is.
type MetadataOptions struct {
	TokensRequired *bool
	HopLimit       int
	Disabled       *bool
	InstanceTags   *bool
}

// Reservation is the result of one launch.
type Reservation struct {
	ID        sim.ReservationID
	Owner     sim.AccountID
	Instances []sim.Instance
}

func (tx *Tx) RunInstances(in RunInstances) (out Reservation, err error) { return out, errUnfinished }
