//go:build linux

package linux

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// announceAgain is when an announcement is repeated: the bridge may not forward yet
// what comes from a leg that was plugged in this moment (RFC 5227, 2.3, has two).
var announceAgain = [...]time.Duration{200 * time.Millisecond, 2 * time.Second}

// announce tells the neighbours on the internet side where public addresses are
// now. Without it they keep sending to the edge that was, for some 20 s.
func (r *router) announce() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.edge.moved) == 0 {
		return nil
	}
	edge, moved := r.edge.ns, r.edge.moved
	for _, d := range announceAgain {
		time.AfterFunc(d, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			_ = r.tell(edge, moved) // an edge that has gone has nothing to tell
		})
	}
	if err := r.tell(edge, moved); err != nil {
		return fmt.Errorf("announce public addresses: %w", err)
	}
	r.edge.moved = nil
	return nil
}

// tell announces those of the addresses that are still that edge's.
func (r *router) tell(edge string, addrs []netip.Addr) error {
	if r.edge.ns != edge {
		return nil
	}
	ns, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/ns/net", r.edge.pid))
	if err != nil {
		return err
	}
	defer ns.Close()
	if ns.UniqueId() != edge {
		return nil // another edge by now: the next Set attaches and announces it
	}
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !r.edge.publics[a].IsValid() })
	return inNS(ns, func() error { return gratuitousARP(internetLink, addrs) })
}

// gratuitousARP broadcasts, from the interface, that the addresses are its own
// (RFC 5227, ARP announcement).
func gratuitousARP(link string, addrs []netip.Addr) error {
	i, err := net.InterfaceByName(link)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { go unix.Close(fd) }() // takes as long as every processor needs to let go of it
	for _, a := range addrs {
		to := &unix.SockaddrLinklayer{Ifindex: i.Index}
		if err := unix.Sendto(fd, arpAnnouncement(i.HardwareAddr, a), 0, to); err != nil {
			return err
		}
	}
	return nil
}

func arpAnnouncement(mac net.HardwareAddr, a netip.Addr) []byte {
	broadcast := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	var f []byte
	f = append(f, broadcast...)
	f = append(f, mac...)
	f = binary.BigEndian.AppendUint16(f, unix.ETH_P_ARP)
	f = binary.BigEndian.AppendUint16(f, 1) // Ethernet
	f = binary.BigEndian.AppendUint16(f, unix.ETH_P_IP)
	f = append(f, 6, 4)                     // lengths of the addresses
	f = binary.BigEndian.AppendUint16(f, 1) // request
	f = append(f, mac...)
	f = append(f, a.AsSlice()...)
	f = append(f, make([]byte, 6)...)
	return append(f, a.AsSlice()...)
}
