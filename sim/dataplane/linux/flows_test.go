//go:build linux

package linux

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"labsim/sim/dataplane/linux/linuxtest"
)

// tracked is how many connections a namespace tracks.
func (l *lab) tracked(ns netns.NsHandle) (n int) {
	l.t.Helper()
	l.must(inNS(ns, func() (err error) { n, err = linuxtest.Tracked(); return err }))
	return n
}

// flood begins n connections from web by one UDP packet each.
func (l *lab) flood(to netip.Addr, n int) {
	l.t.Helper()
	l.sendEach(udpPacket(addr("10.0.1.10"), to, 6000, "flood"), n, to)
}

// sendEach sends a packet of UDP or TCP n times from web, each time from another port;
// they are used again for the next port of the destination.
func (l *lab) sendEach(p []byte, n int, to netip.Addr) {
	l.t.Helper()
	port := binary.BigEndian.Uint16(p[22:])
	l.must(inNS(l.guests[web], func() error {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		for i := range n {
			binary.BigEndian.PutUint16(p[20:], uint16(1024+i%60000))
			binary.BigEndian.PutUint16(p[22:], port+uint16(i/60000))
			if p[9] == syscall.IPPROTO_TCP {
				sumTCP(p)
			}
			if err := syscall.Sendto(fd, p, 0, &syscall.SockaddrInet4{Addr: to.As4()}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// sumTCP sets the checksum of a packet without options (RFC 9293, 3.1).
func sumTCP(p []byte) {
	p[36], p[37] = 0, 0
	sum := uint32(syscall.IPPROTO_TCP + len(p) - 20)
	for i := 12; i < len(p); i += 2 { // the addresses, and all that follows
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[36:], ^uint16(sum))
}

// A guest begins more connections than it may: it begins no more, the others do.
func TestFlood(t *testing.T) {
	l := seedLab(t)
	router := l.routerNS(vpcA)
	l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
	before, start := l.tracked(router), time.Now()
	const packets = 60000
	l.flood(addr("10.0.2.10"), packets)
	took := time.Since(start)
	n := l.tracked(router) - before
	t.Logf("%d packets in %v: %d connections more are tracked, %d dropped", packets, took, n, l.counter(vpcA, dropFlows))
	// One in flowSample is counted, by chance: the deviation of the sum is 362 (the
	// negative binomial distribution's), and four of it are allowed.
	if n > maxFlows+4*362 {
		t.Errorf("one guest made the router track %d connections, want at most about %d", n, maxFlows)
	}
	l.open(l.guests[web2], "10.0.2.10:5432", "10.0.1.11")
	if n := l.counter(vpcA, dropExceeded(web)); n < packets/2 {
		t.Errorf("%d drops are counted of the interface, want nearly %d", n, packets-maxFlows)
	}
}

// A guest asks the resolver far more often than it may, from one port, which is one
// connection: few of its packets arrive, and those of another guest do.
func TestFloodOfServices(t *testing.T) {
	l := seedLab(t)
	var dns net.PacketConn
	l.must(l.d.In(vpcA, func() (err error) { dns, err = net.ListenPacket("udp4", "10.0.0.2:53"); return }))
	ask := func(from netns.NsHandle, question string, n int) {
		l.must(inNS(from, func() error {
			c, err := net.Dial("udp4", "10.0.0.2:53")
			if err != nil {
				return err
			}
			defer c.Close()
			for ; n > 0 && err == nil; n-- {
				_, err = c.Write([]byte(question))
			}
			return err
		}))
	}
	asked := make(chan string, 1)
	go func() {
		defer close(asked)
		for b := make([]byte, 64); ; {
			n, _, err := dns.ReadFrom(b)
			if err != nil {
				return
			}
			if string(b[:n]) == "query" {
				asked <- "query"
			}
		}
	}()
	const packets = 30000
	start, drops := time.Now(), l.counter(vpcA, dropServices)
	ask(l.guests[web], "flood", packets)
	most := servicePackets + int(time.Since(start).Seconds()*servicePackets) + 1
	if n := packets - int(l.counter(vpcA, dropServices)-drops); n > most {
		t.Errorf("%d of one guest's %d packets arrive, want %d at most", n, packets, most)
	}
	ask(l.guests[web2], "query", 1)
	select {
	case <-asked:
	case <-time.After(30 * time.Second):
		t.Error("another guest's question does not arrive")
	}
	dns.Close()
	for range asked {
	}
}

// Connections that are closed at once are not counted, but begin at a pace.
func TestFloodOfClosed(t *testing.T) {
	l := seedLab(t)
	router := l.routerNS(vpcA)
	l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
	before, start := l.tracked(router), time.Now()
	const connections = 60000
	syn := udpPacket(addr("10.0.1.10"), addr("10.0.2.10"), 5432, string(make([]byte, 12)))
	clear(syn[24:])
	syn[9], syn[32], syn[33] = syscall.IPPROTO_TCP, 5<<4, 2
	l.sendEach(syn, connections, addr("10.0.2.10")) // the sender's kernel resets what is answered
	took, n := time.Since(start), l.tracked(router)-before
	t.Logf("%d connections in %v: %d more are tracked", connections, took, n)
	if most := flowBurst + int(took.Seconds()*flowRate) + maxFlows; n > most {
		t.Errorf("one guest made the router track %d connections, want at most %d", n, most)
	}
	l.open(l.guests[web2], "10.0.2.10:5432", "10.0.1.11")
}

// The machine tracks nothing of what goes over the internet's bridge, and of what
// goes by it to the real internet what one guest may have.
func TestFloodOfMachine(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.forwards()
	l.neighbour("far", "203.0.113.1/24", "203.0.113.10/24")
	l.vpc(vpcA).Gateway.Internet = true
	l.set()
	const packets = 4000
	for to, most := range map[string]int{"198.51.100.240": 10, "203.0.113.10": maxHostFlows + 200} {
		before := l.tracked(l.host)
		l.flood(addr(to), packets)
		n := l.tracked(l.host) - before
		t.Logf("%d packets to %s: %d connections more are tracked by the machine", packets, to, n)
		if n > most {
			t.Errorf("one guest made the machine track %d connections to %s, want at most %d", n, to, most)
		}
	}
}
