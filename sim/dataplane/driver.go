package dataplane

import (
	"context"
	"net/netip"
	"time"

	"labsim/sim"
)

// Driver puts a Config into a kernel. Set may be called again and again with
// any config: it applies the difference to what is there, never opens a window
// in between, and may be killed at any point; the next Set finishes it.
type Driver interface {
	// Set makes the node's routers as c says. Routers of VPCs that c lacks are
	// removed. Errors name what could not be programmed; the rest is in force.
	Set(ctx context.Context, c *Config) error
	// Counters returns the counters of the rules and of the drops of one VPC.
	Counters(ctx context.Context, v sim.VPCID) ([]Counter, error)
}

// Counter is how often something decided on a packet.
type Counter struct {
	// ID is a security group rule's id, or "drop:" + ENI + ":ingress|egress" for
	// packets that no rule of the interface's groups allowed, or "drop:" + ENI +
	// ":connection-tracking" for those that would have begun more connections than
	// an interface may have, or "drop:" + reason (connection-tracking, spoofed, forged-arp, no-route,
	// no-public-address, source-dest-check, invalid, router: for an address that the
	// router doesn't answer on, link-local: more packets for metadata and DNS than an
	// interface may send) for the VPC's own.
	ID      string
	Packets uint64
	Bytes   uint64
}

// Report is what a node says of itself after a Set and whenever it changes.
type Report struct {
	Version uint64 // of the last config that was tried
	Errors  []Problem
	Guests  []Guest
	Volumes []VolumeStatus
	// Links lists the interfaces that stand: a router end exists and is up.
	Links []sim.ENIID
	// Gateways lists the gateways whose translation is in force.
	Gateways []sim.InternetGatewayID
	// Machine lists addresses of the engine's machine that would be the
	// internet's (sim.OnInternet), if they weren't its own.
	Machine []netip.Addr
	// Lost says that the agent does not know any more what the engine told it, and
	// waits for Config.Engine.
	Lost bool `json:",omitempty"`
}

// Problem is a part of the config that could not be made so.
type Problem struct {
	Resource string // id
	Message  string
}

// Drift is something that the kernel has otherwise than the config that the node
// holds, because somebody changed it there.
type Drift struct {
	Resource string // id
	What     sim.Text
	// Reboot is the instance that has to be rebooted to mend it; "": handing the
	// config over again does.
	Reboot sim.InstanceID `json:",omitempty"`
}

// Guest is an instance whose first process is connected to the agent.
type Guest struct {
	Instance sim.InstanceID
	Since    time.Time
	HostKeys []string // authorized_keys form
	// Ready is set once the user data of this boot has ended.
	Ready bool
	// Shutdown is what the guest asked for itself: "", "poweroff" or "reboot".
	Shutdown string
}

// VolumeStatus is a volume file that the node has, configured or not.
type VolumeStatus struct {
	ID      sim.VolumeID
	Account sim.AccountID
	Region  sim.Region
	SizeGiB int
	Lab     string
	Name    string
	Tags    sim.Tags
	InUse   bool
	Error   string
}

// Probe is a packet that the agent sends and looks for the answer to.
type Probe struct {
	// From is the instance whose namespace sends; "" is the internet side: the
	// engine's own namespace. "edge" inside labsim-internet follows later.
	From     sim.InstanceID
	To       netip.Addr
	Protocol sim.Protocol
	Port     int
	Timeout  time.Duration
	// Patience is how long a refusal is not taken for the answer: what a guest has
	// put into the background may not listen yet.
	Patience time.Duration
	// Control is on the same way and answers, if only by a refusal. It is asked once
	// a TCP packet has left: after its answer the packet gets none any more, and the
	// rest of Timeout would be waited for in vain. Zero: no control.
	Control netip.AddrPort
}

// ProbeResult is what came back.
type ProbeResult struct {
	Open    bool          // connection established, or echo answered
	Refused bool          // reset: the packet arrived and nobody listens
	Took    time.Duration // until the answer
	Error   string        // timeout, network unreachable, ...
}
