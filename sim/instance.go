package sim

import (
	"net/netip"
	"strings"
	"time"
)

// InstanceState is a state of an instance's life (EC2 User Guide, "Instance lifecycle").
type InstanceState string

const (
	StatePending      InstanceState = "pending"
	StateRunning      InstanceState = "running"
	StateStopping     InstanceState = "stopping"
	StateStopped      InstanceState = "stopped"
	StateShuttingDown InstanceState = "shutting-down"
	StateTerminated   InstanceState = "terminated"
)

// Instance is a virtual server. What the user asked for stands in the row
// itself, what is so in Status.
type Instance struct {
	ID              InstanceID
	Owner           AccountID
	Reservation     ReservationID
	LaunchIndex     int
	Image           ImageID
	Type            string // t3.micro
	KeyName         string
	PublicKey       string // of the key pair at launch; stays when that is deleted
	VPC             VPCID
	Subnet          SubnetID
	Zone            Zone
	UserData        []byte
	ShutdownAction  ShutdownAction
	BlockDevices    []BlockDevice
	ClientToken     string
	MetadataOptions MetadataOptions
	LaunchTime      time.Time
	Desired         DesiredState
	Boot            int // counts starts asked for: a reboot or a start raises it
	Tags            Tags
	Status          InstanceStatus
}

// DesiredState is what the owner wants of an instance.
type DesiredState string

const (
	DesiredRunning    DesiredState = "running"
	DesiredStopped    DesiredState = "stopped"
	DesiredTerminated DesiredState = "terminated"
)

// InstanceStatus is what the reconciler has seen, and what EC2 shows.
type InstanceStatus struct {
	State           InstanceState
	Reason          StateReason
	TransitionTime  time.Time
	Boot            int       // the Boot that runs, or ran last
	Run             string    // the engine's life in which it was last seen running (engine.Observed.Run)
	Error           string    // why the last try to reach Desired failed; "" if it did not
	ReadyBoot       int       // the Boot whose user data has ended: its listeners are there
	HostKeys        []string  // authorized_keys form, learned over the agent's stream
	TerminatedSince time.Time // zero unless terminated
}

// Exit codes of an instance's first process, so that whoever sees its container
// end knows why, also without the agent.
const (
	ExitStopped  = 0   // asked to from outside
	ExitPoweroff = 132 // a process inside asked to power off
	ExitReboot   = 133 // reboot, whoever asked
)

// StateReason is why the last transition happened (EC2 API, StateReason).
type StateReason struct {
	Code    string // Client.UserInitiatedShutdown, Server.InternalError, ...
	Message string
}

// ShutdownAction is what a shutdown from inside does.
type ShutdownAction string

const (
	ShutdownStop      ShutdownAction = "stop"
	ShutdownTerminate ShutdownAction = "terminate"
)

// BlockDevice binds a volume to an instance under a device name.
type BlockDevice struct {
	Device              string // /dev/sdf
	Volume              VolumeID
	DeleteOnTermination bool
	AttachTime          time.Time
}

// MetadataOptions are the instance's settings of its metadata service.
type MetadataOptions struct {
	TokensRequired bool // version 2 only
	HopLimit       int  // 1 to 64
	Disabled       bool
	InstanceTags   bool
}

// KeyPair is the public half of a key; labsim never stores the private one.
type KeyPair struct {
	ID          KeyPairID
	Owner       AccountID
	Name        string
	Type        string // rsa, ed25519
	Fingerprint string
	PublicKey   string // authorized_keys form
	CreateTime  time.Time
	Tags        Tags
}

// Image is an AMI: an image of the engine and what EC2 says of it.
type Image struct {
	ID           ImageID
	Owner        AccountID // AmazonAccount for Quick Start images
	OwnerAlias   string    // "amazon" for Quick Start images
	Name         string
	Description  string
	Architecture string // x86_64, arm64
	Public       bool
	CreationDate time.Time
	Ref          string // the engine's name of it: labsim/linux
	RootDevice   string // /dev/xvda
	Tags         Tags
}

// AmazonAccount owns the Quick Start images.
const AmazonAccount AccountID = "137112412989"

// PublicDNSName returns the name of a public address (VPC User Guide, "DNS attributes").
func PublicDNSName(r Region, a netip.Addr) string {
	if r == "us-east-1" {
		return "ec2-" + dashed(a) + ".compute-1.amazonaws.com"
	}
	return "ec2-" + dashed(a) + "." + string(r) + ".compute.amazonaws.com"
}

// IsHostname reports whether a guest may call itself so: labels of letters, digits
// and hyphens (RFC 1123, 2.1), in all no longer than Linux has room for.
func IsHostname(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label || strings.Trim(label, hostnameLetters) != "" {
			return false
		}
	}
	return len(s) <= 64
}

const hostnameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// PrivateDNSName returns the name of a private address.
func PrivateDNSName(r Region, a netip.Addr) string {
	return "ip-" + dashed(a) + "." + PrivateDomain(r)
}

// PrivateDomain returns the domain of private names: ec2.internal in
// us-east-1, REGION.compute.internal elsewhere.
func PrivateDomain(r Region) string {
	if r == "us-east-1" {
		return "ec2.internal"
	}
	return string(r) + ".compute.internal"
}

func dashed(a netip.Addr) string {
	b := []byte(a.String())
	for i, c := range b {
		if c == '.' {
			b[i] = '-'
		}
	}
	return string(b)
}
