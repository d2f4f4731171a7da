package nets

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"labsim/sim/guest/applet"
)

// traceroute sends UDP datagrams (or with -I echo requests) with a growing TTL
// and listens for the ICMP errors on a raw socket.
func traceroute(c *applet.Call) int {
	f, ok := c.Parse("nIm:q:w:p:4f:", "max-hops=m", "icmp=I")
	if !ok {
		return 2
	}
	if len(c.Args) == 0 {
		return c.Usage("[-nI] [-m HOPS] [-q TRIES] [-w SECONDS] HOST")
	}
	hops, ok1 := c.Int(f, 'm', 30)
	tries, ok2 := c.Int(f, 'q', 3)
	port, ok3 := c.Int(f, 'p', 33434)
	first, ok4 := c.Int(f, 'f', 1)
	wait, err := seconds(f.Get('w', "2"))
	if !ok1 || !ok2 || !ok3 || !ok4 || err != nil {
		return 2
	}
	to, err := net.ResolveIPAddr("ip4", c.Args[0])
	if err != nil {
		return c.Fail("bad address '%s'", c.Args[0])
	}
	errs, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return c.Fail("no raw socket: %v (try sudo)", applet.Cause(err))
	}
	defer errs.Close()
	t := &tracer{errs: errs, to: to.IP, port: port, wait: wait, icmp: f.Has('I'), id: os.Getpid() & 0xffff}
	fmt.Fprintf(c.Out, "traceroute to %s (%s), %d hops max\n", c.Args[0], to, hops)
	for ttl := first; ttl <= hops; ttl++ {
		fmt.Fprintf(c.Out, "%2d ", ttl)
		arrived, last := false, ""
		for range tries {
			from, took, final, err := t.probe(ttl)
			if err != nil {
				return c.Fail("%s", reason(err))
			}
			if from == nil {
				fmt.Fprint(c.Out, " *")
				continue
			}
			if from.String() != last {
				last = from.String()
				fmt.Fprint(c.Out, " ", t.name(from, f.Has('n')))
			}
			fmt.Fprintf(c.Out, "  %s ms", millis(took))
			arrived = arrived || final
		}
		fmt.Fprintln(c.Out)
		if arrived {
			return 0
		}
	}
	return 0
}

type tracer struct {
	errs *icmp.PacketConn
	to   net.IP
	port int
	wait time.Duration
	icmp bool
	id   int
	seq  int
}

func (t *tracer) name(ip net.IP, numeric bool) string {
	if !numeric {
		if names, err := net.LookupAddr(ip.String()); err == nil && len(names) > 0 {
			return fmt.Sprintf("%s (%s)", names[0], ip)
		}
	}
	return fmt.Sprintf("%s (%s)", ip, ip)
}

// probe sends one packet; from is nil if nothing came back.
func (t *tracer) probe(ttl int) (from net.IP, took time.Duration, final bool, err error) {
	t.seq++
	began := time.Now()
	if t.icmp {
		err = t.sendEcho(ttl)
	} else {
		err = t.sendUDP(ttl)
	}
	if err != nil {
		return nil, 0, false, err
	}
	buf := make([]byte, 1500)
	t.errs.SetReadDeadline(began.Add(t.wait))
	for {
		n, peer, err := t.errs.ReadFrom(buf)
		if err != nil {
			return nil, 0, false, nil
		}
		m, err := icmp.ParseMessage(1, buf[:n])
		if err != nil {
			continue
		}
		ours, final := t.matches(m)
		if ours {
			return peer.(*net.IPAddr).IP, time.Since(began), final, nil
		}
	}
}

func (t *tracer) sendUDP(ttl int) error {
	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: t.to, Port: t.port + t.seq})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ipv4.NewConn(conn).SetTTL(ttl); err != nil {
		return err
	}
	_, err = conn.Write(make([]byte, 32))
	return err
}

func (t *tracer) sendEcho(ttl int) error {
	if err := t.errs.IPv4PacketConn().SetTTL(ttl); err != nil {
		return err
	}
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: t.id, Seq: t.seq, Data: make([]byte, 32)}}
	b, err := m.Marshal(nil)
	if err != nil {
		return err
	}
	_, err = t.errs.WriteTo(b, &net.IPAddr{IP: t.to})
	return err
}

// matches says whether a message answers the last probe, and whether the
// target itself sent it. An error quotes the packet: 20 bytes of IP and 8 more.
func (t *tracer) matches(m *icmp.Message) (ours, final bool) {
	var quoted []byte
	switch body := m.Body.(type) {
	case *icmp.Echo:
		return t.icmp && m.Type == ipv4.ICMPTypeEchoReply && body.ID == t.id && body.Seq == t.seq, true
	case *icmp.TimeExceeded:
		quoted = body.Data
	case *icmp.DstUnreach:
		quoted, final = body.Data, true
	}
	if len(quoted) < 28 {
		return false, false
	}
	head := int(quoted[0]&15) * 4
	if len(quoted) < head+8 {
		return false, false
	}
	q := quoted[head:]
	if t.icmp {
		return int(q[4])<<8|int(q[5]) == t.id && int(q[6])<<8|int(q[7]) == t.seq, final
	}
	return int(q[2])<<8|int(q[3]) == t.port+t.seq, final
}
