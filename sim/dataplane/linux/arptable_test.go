//go:build linux

package linux

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
)

// learnt counts the neighbours of a namespace that count against the machine's
// limit (arp(7), gc_thresh3): all but the fixed ones.
func (l *lab) learnt(ns netns.NsHandle) (n int) {
	l.t.Helper()
	all, err := l.handle(ns).NeighList(0, netlink.FAMILY_V4)
	l.must(err)
	for _, x := range all {
		if x.State&(netlink.NUD_PERMANENT|netlink.NUD_NOARP) == 0 {
			n++
		}
	}
	return n
}

func (l *lab) routerNS(v sim.VPCID) netns.NsHandle {
	ns, err := l.d.o.Pins.Open(string(v))
	l.must(err)
	l.t.Cleanup(func() { ns.Close() })
	return ns
}

// sendFrames sends frames from a guest's interface as they are.
func (l *lab) sendFrames(from netns.NsHandle, frames [][]byte) {
	l.t.Helper()
	l.must(inNS(from, func() error {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// arpRequest asks for an address in the name of somebody.
func arpRequest(mac net.HardwareAddr, from, to netip.Addr) []byte {
	f := arpAnnouncement(mac, from)
	copy(f[len(f)-4:], to.AsSlice())
	return f
}

// Root of a guest tells the router that it is everybody.
func TestForgedARP(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	router := l.routerNS(vpcA)
	mac, err := net.ParseMAC(l.eni(web).MAC)
	l.must(err)
	own, gateway := l.eni(web).Addr, addr("10.0.1.1")
	var forged [][]byte
	for i := range 112 {
		forged = append(forged, arpRequest(mac, sim.AddrAt(prefix("10.0.3.0/24"), uint32(i)), gateway))
		other := append(net.HardwareAddr{}, mac...)
		binary.BigEndian.PutUint16(other[4:], uint16(0x7000+i))
		forged = append(forged, arpRequest(other, own, gateway))
	}
	forged = append(forged, arpRequest(mac, addr("10.0.2.10"), gateway))
	drops := l.counter(vpcA, dropARP)
	l.sendFrames(l.guests[web], forged)
	l.eventually("the forged packets are counted", func() bool { return l.counter(vpcA, dropARP) == drops+uint64(len(forged)) })
	if n := l.learnt(router); n != 0 {
		t.Errorf("the router has learnt %d neighbours", n)
	}
	l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
	// What is true is heard: the guest may forget its router and ask again.
	g := l.handle(l.guests[web])
	all, err := g.NeighList(0, netlink.FAMILY_V4)
	l.must(err)
	for _, x := range all {
		if x.IP.To4() != nil {
			l.must(g.NeighDel(&x))
		}
	}
	l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
}

// A guest sends to many addresses that nobody has: neither the router nor the edge
// asks for all of them.
func TestScan(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	edge, err := netns.GetFromPid(l.vpc(vpcA).Gateway.PID)
	l.must(err)
	defer edge.Close()
	scan := func(p netip.Prefix, n int) {
		for i := range n {
			to := sim.AddrAt(p, uint32(i))
			l.must(sendRaw(l.guests[web], to, udpPacket(addr("10.0.1.10"), to, 9, "scan")))
		}
	}
	scan(prefix("10.0.4.0/22"), 1024)
	if n := l.learnt(l.routerNS(vpcA)); n != 0 {
		t.Errorf("the router asks for %d addresses of the VPC that nobody has", n)
	}
	before := l.learnt(edge)
	scan(prefix("198.51.100.32/27"), 32)
	scan(prefix("198.51.100.64/26"), 64)
	scan(prefix("198.51.100.128/26"), 64)
	asked := l.learnt(edge) - before
	t.Logf("of 160 public addresses the edge asks for %d", asked)
	if asked > 2*nearBurst {
		t.Errorf("of 160 public addresses that nobody has the edge asks for %d, want about %d at once", asked, nearBurst)
	}
	l.open(l.guests[web2], "198.51.100.240:80", "198.51.100.21") // others go on
}
