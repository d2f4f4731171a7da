//go:build linux

package linux

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// announce tells the neighbours on the internet side where public addresses are
// now. Without it they keep sending to the edge that was, for some 20 s.
func (r *router) announce() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.edge.moved) == 0 {
		return nil
	}
	ns, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/ns/net", r.edge.pid))
	if err != nil {
		return fmt.Errorf("announce public addresses: %w", err)
	}
	defer ns.Close()
	if ns.UniqueId() != r.edge.ns {
		return nil // another edge by now: the next Set attaches and announces it
	}
	moved := r.edge.moved
	r.edge.moved = nil
	if err := inNS(ns, func() error { return gratuitousARP(internetLink, moved) }); err != nil {
		return fmt.Errorf("announce public addresses: %w", err)
	}
	return nil
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
