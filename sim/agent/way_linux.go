package agent

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Where probes and dialled connections may go. Who asks for them is control, but
// what they are for may come from a stranger's lab, or from what a learner made: an
// address of the machine or of its network is none of labsim's to speak to.

// way says by which device a packet may leave for an address, "" by the sender's own
// routes; the error says why it may not. From an instance the VPC decides, as it
// does for what the instance sends itself. From the internet side a packet is for
// an instance, and leaves by the site's own bridge and by nothing else: without
// the bridge, the machine would send it out by its default route, and a VPC may
// have the addresses of the machine's network.
func (a *Agent) way(from sim.InstanceID, to netip.Addr) (device string, err error) {
	to = to.Unmap() // the kernel takes both forms for the same
	switch {
	case a.machine(to):
		return "", fmt.Errorf("%v is this machine's own address: nothing is sent to it", to)
	case from != "":
		return "", nil
	case a.public(to) && !a.owned(to):
		return "", notOwned{to}
	case !a.public(to) && !a.inVPC(to):
		return "", fmt.Errorf("%v is not a public address of this site", to)
	}
	return a.site.Bridge(), nil
}

// notOwned: a public address that no instance has, or none yet.
type notOwned struct{ addr netip.Addr }

func (e notOwned) Error() string { return fmt.Sprintf("no instance has the address %v", e.addr) }

// machine reports whether the machine itself has an address in the public range:
// Docker gives its bridge the first one.
func (a *Agent) machine(addr netip.Addr) bool {
	p := a.held().config.Public
	return p.IsValid() && addr == sim.AddrAt(p, 1)
}

func (a *Agent) public(addr netip.Addr) bool {
	p := a.held().config.Public
	return p.IsValid() && p.Contains(addr)
}

// owned reports whether an instance has a public address.
func (a *Agent) owned(addr netip.Addr) bool {
	return slices.ContainsFunc(a.held().config.VPCs, func(v dataplane.VPC) bool {
		return slices.ContainsFunc(v.ENIs, func(e dataplane.ENI) bool { return e.Public == addr })
	})
}

// inVPC reports whether an address lies in one of the site's VPCs.
func (a *Agent) inVPC(addr netip.Addr) bool {
	return slices.ContainsFunc(a.held().config.VPCs, func(v dataplane.VPC) bool {
		return slices.ContainsFunc(v.CIDRs, func(c netip.Prefix) bool { return c.Contains(addr) })
	})
}

// awaitOwner waits for the config in which an instance has a public address: the
// API has answered before.
func (a *Agent) awaitOwner(ctx context.Context, addr netip.Addr) {
	end := time.After(probeDefault)
	for a.public(addr) && !a.machine(addr) && !a.owned(addr) {
		select {
		case <-ctx.Done():
			return
		case <-end:
			return
		case <-time.After(probeAgain):
		}
	}
}

// leaveBy has a socket send by a device.
func leaveBy(device string) func(_, _ string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		if device == "" {
			return nil
		}
		if cerr := c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) }); cerr != nil {
			return cerr
		}
		return err
	}
}
