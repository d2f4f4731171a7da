//go:build linux

package linux

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"labsim/sim"
)

// Without DNS support the resolver answers nobody any more, also not those who
// have asked it before from the same port, and are on a connection with it.
func TestResolverStopsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	v := twinVPC()
	v.DNS = sim.DNSAddr(v.CIDRs[0])
	l.config.VPCs = append(l.config.VPCs, v)
	l.set()
	asker := l.guest(bWeb)
	for _, server := range []netip.Addr{v.DNS, sim.DNSLinkLocal} {
		l.config.VPCs[0].DNS = v.DNS
		l.set()
		at := netip.AddrPortFrom(server, 53).String()
		l.resolver(at)
		byUDP := l.ask(asker, "udp4", at)
		byTCP := l.ask(asker, "tcp4", at)
		for name, answers := range map[string]func() bool{"UDP": byUDP, "TCP": byTCP} {
			if !answers() {
				t.Fatalf("%s by %s: no answer, while DNS support is on", at, name)
			}
		}
		l.config.VPCs[0].DNS = netip.Addr{}
		l.set()
		drops := l.counter(vpcB, dropRouter)
		if byUDP() || byTCP() {
			t.Errorf("%s answers without DNS support", at)
		}
		if n := l.counter(vpcB, dropRouter) - drops; n < 2 {
			t.Errorf("%d questions to %s were counted as dropped, want one by UDP and one by TCP", n, at)
		}
	}
}

// resolver answers what comes to an address of the router of vpcB, by UDP and TCP.
func (l *lab) resolver(at string) {
	l.t.Helper()
	var pc net.PacketConn
	l.must(l.d.In(vpcB, func() (err error) { pc, err = net.ListenPacket("udp4", at); return }))
	l.t.Cleanup(func() { pc.Close() })
	go func() {
		for b := make([]byte, 64); ; {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			pc.WriteTo(b[:n], from)
		}
	}()
	var ln net.Listener
	l.must(l.d.In(vpcB, func() (err error) { ln, err = net.Listen("tcp4", at); return }))
	l.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			l.t.Cleanup(func() { c.Close() })
			go func() {
				for b := make([]byte, 64); ; {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					c.Write(b[:n])
				}
			}()
		}
	}()
}

// ask opens a connection and returns what reports whether a question on it is
// answered.
func (l *lab) ask(from netns.NsHandle, network, at string) (answers func() bool) {
	l.t.Helper()
	var c net.Conn
	l.must(inNS(from, func() (err error) { c, err = net.DialTimeout(network, at, patient); return }))
	l.t.Cleanup(func() { c.Close() })
	return func() bool {
		c.SetDeadline(time.Now().Add(wait))
		if _, err := c.Write([]byte("query")); err != nil {
			return false
		}
		_, err := c.Read(make([]byte, 64))
		return err == nil
	}
}
