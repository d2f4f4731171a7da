//go:build linux

package linux

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// While rules are changed without a pause, no allowed packet is lost and no
// denied one passes. The datagrams are never answered, so each one is asked for.
func TestChangesUnderLoad(t *testing.T) {
	l := newLab(t)
	l.config.VPCs = []dataplane.VPC{seedVPC(0)}
	l.set()
	l.guest(web)
	l.guest(db)
	allowed, denied := l.count(6000), l.count(6011)
	var sent atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	to := l.socket(web)
	first := l.count(6001)
	l.eventually("a first datagram arrives", func() bool { // the one that waits for an answer to ARP may be lost
		to.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(10, 0, 2, 10), Port: 6001})
		return first.Load() > 0
	})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if sent.Load()-allowed.Load() > 200 { // a busy machine's own queues (netdev_max_backlog) must not overflow
				time.Sleep(time.Millisecond)
				continue
			}
			to.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(10, 0, 2, 10), Port: 6011})
			if _, err := to.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(10, 0, 2, 10), Port: 6000}); err == nil {
				sent.Add(1)
			}
			if n%16 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	sets, machine := 0, backlogDrops(t)
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); sets++ {
		l.shake(sets)
		if sets%8 == 7 {
			l.restart() // the next Set refills everything that it finds
		}
		l.set()
	}
	close(stop)
	<-stopped
	// What a queue of the machine drops, which all its namespaces share, no rule has lost.
	l.eventually("all datagrams arrive", func() bool { return sent.Load()-allowed.Load() <= backlogDrops(t)-machine })
	if n := denied.Load(); n != 0 {
		t.Errorf("%d datagrams to a denied port arrived", n)
	}
	t.Logf("%d Sets, %d datagrams: %d lost", sets, sent.Load(), sent.Load()-allowed.Load())
}

// backlogDrops is how many packets the machine's CPUs have dropped before any rule
// saw them, as their queues were full (Documentation/admin-guide/sysctl/net.rst,
// netdev_max_backlog; net/core/net-procfs.c, softnet_seq_show).
func backlogDrops(t *testing.T) (n int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var processed, dropped int64
		if _, err := fmt.Sscanf(line, "%x %x", &processed, &dropped); err != nil {
			t.Fatalf("softnet_stat: %q: %v", line, err)
		}
		n += dropped
	}
	return n
}

// shake changes rules, members, interfaces and the order of things, but not
// what is allowed between web and db.
func (l *lab) shake(n int) {
	v := seedVPC(0)
	extra := tcp("sgr-0extra", 1000+n, 1000+n, "0.0.0.0/0")
	switch n % 4 {
	case 0:
		v.Groups[0].Ingress = append([]dataplane.Rule{extra}, v.Groups[0].Ingress...)
		v.Groups[0].Egress = append(v.Groups[0].Egress, tcp("sgr-0extraout", 1, 2, "0.0.0.0/0"))
	case 1:
		v.ENIs = append(v.ENIs, eni(sim.ENIID(fmt.Sprint("eni-0x", n)), "subnet-0pub", "10.0.1.77", "0a:00:00:00:01:77", "sg-0web"))
		v.Groups[2].Members = append(v.Groups[2].Members, addr("10.0.1.77"))
	case 2:
		v.ENIs[0].Groups = []sim.SecurityGroupID{"sg-0none", "sg-0db"}
		v.ENIs[2].SourceDestCheck = false
	case 3:
		v.Tables[0].Routes = []dataplane.Route{{Destination: sim.Everywhere, Kind: dataplane.RouteBlackhole}}
	}
	l.config.VPCs = []dataplane.VPC{v}
}

func (l *lab) socket(id sim.ENIID) net.PacketConn {
	var c net.PacketConn
	l.must(inNS(l.guests[id], func() (err error) { c, err = net.ListenPacket("udp4", ":0"); return }))
	l.t.Cleanup(func() { c.Close() })
	return c
}

// count counts the datagrams that reach a port of db.
func (l *lab) count(port int) *atomic.Int64 {
	var c net.PacketConn
	l.must(inNS(l.guests[db], func() (err error) { c, err = net.ListenPacket("udp4", fmt.Sprint(":", port)); return }))
	raw, err := c.(*net.UDPConn).SyscallConn()
	l.must(err)
	l.must(raw.Control(func(fd uintptr) { // beyond what a user may have: a busy machine reads late
		l.must(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20))
	}))
	l.t.Cleanup(func() { c.Close() })
	n := new(atomic.Int64)
	go func() {
		b := make([]byte, 16)
		for {
			if _, _, err := c.ReadFrom(b); err != nil {
				return
			}
			n.Add(1)
		}
	}()
	return n
}

// bigVPC has n interfaces in a group of 24 rules, some of which refer to it.
func bigVPC(n int) dataplane.VPC {
	v := twinVPC()
	v.ENIs = nil
	g := dataplane.SecurityGroup{ID: "sg-0b", Egress: all("sgr-0bout")}
	for i := range 24 {
		r := tcp(fmt.Sprintf("sgr-0%02d", i), 1000+i, 2000+i, "10.0.0.0/8")
		if i%4 == 0 {
			r.Group = g.ID
		}
		g.Ingress = append(g.Ingress, r)
	}
	for i := range n {
		a := sim.AddrAt(prefix("10.0.1.0/24"), uint32(i+4))
		v.ENIs = append(v.ENIs, eni(sim.ENIID(fmt.Sprintf("eni-0%03d", i)), "subnet-0b", a.String(), fmt.Sprintf("0a:00:00:00:01:%02x", i+4), "sg-0b"))
		g.Members = append(g.Members, a)
	}
	v.Groups = []dataplane.SecurityGroup{g}
	return v
}

// The first Set of a VPC of 100 interfaces, from nothing.
func BenchmarkFirstSet(b *testing.B) {
	l := newLab(b)
	for b.Loop() {
		l.config.VPCs = []dataplane.VPC{bigVPC(100)}
		l.set()
		b.StopTimer()
		l.must(l.d.Clear(context.Background()))
		b.StartTimer()
	}
}

// A Set that changes one rule, one that changes nothing, and a Join, all with
// 100 interfaces that stand.
func BenchmarkStanding(b *testing.B) {
	l := newLab(b)
	l.config.VPCs = []dataplane.VPC{bigVPC(100)}
	l.set()
	for _, e := range l.config.VPCs[0].ENIs {
		l.must(func() error { _, err := l.d.Join(context.Background(), e.ID); return err }())
	}
	b.Run("SetOneRule", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			l.config.VPCs[0].Groups[0].Ingress[5].ToPort = 3000 + n%2
			l.set()
		}
	})
	b.Run("SetNothing", func(b *testing.B) {
		for b.Loop() {
			l.set()
		}
	})
	b.Run("SetAdopt", func(b *testing.B) {
		for b.Loop() {
			l.restart()
			l.set()
		}
	})
	b.Run("LeaveJoin", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			l.must(l.d.Leave(context.Background(), "eni-0007"))
			b.StartTimer()
			_, err := l.d.Join(context.Background(), "eni-0007")
			l.must(err)
		}
	})
}
