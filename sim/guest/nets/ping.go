package nets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"labsim/sim/guest/applet"
)

// pinger sends echo requests; its socket is unprivileged where the kernel lets
// it be, and raw where it may.
type pinger struct {
	call     *applet.Call
	conn     *icmp.PacketConn
	raw      bool
	to       net.IP
	size     int
	id       int
	sent     map[int]time.Time
	nSent    int
	received int
	times    []time.Duration
	quiet    bool
}

func ping(c *applet.Call) int {
	f, ok := c.Parse("c:i:W:w:s:qnt:I:4A", "count=c")
	if !ok {
		return 2
	}
	if len(c.Args) != 1 {
		return c.Usage("[-c COUNT] [-i SECONDS] [-W SECONDS] [-s SIZE] [-q] HOST")
	}
	count, ok1 := c.Int(f, 'c', 0)
	size, ok2 := c.Int(f, 's', 56)
	ttl, ok3 := c.Int(f, 't', 64)
	every, err1 := seconds(f.Get('i', "1"))
	wait, err2 := seconds(f.Get('W', "10"))
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || size < 0 || size > 65507 {
		return c.Usage("[-c COUNT] [-i SECONDS] [-W SECONDS] [-s SIZE] [-q] HOST")
	}
	to, err := net.ResolveIPAddr("ip4", c.Args[0])
	if err != nil {
		c.Fail("bad address '%s'", c.Args[0])
		return 2
	}
	p := &pinger{call: c, to: to.IP, size: size, id: os.Getpid() & 0xffff, sent: map[int]time.Time{}, quiet: f.Has('q')}
	if err := p.open(f.Get('I', "0.0.0.0"), ttl); err != nil {
		c.Fail("%v", err)
		return 2
	}
	defer p.conn.Close()
	fmt.Fprintf(c.Out, "PING %s (%s): %d data bytes\n", c.Args[0], to, size)
	var deadline <-chan time.Time
	if f.Has('w') {
		d, err := seconds(f.Get('w', ""))
		if err != nil {
			return c.Fail("%v", err)
		}
		deadline = time.After(d)
	}
	p.run(count, every, wait, deadline)
	return p.summary(c.Args[0])
}

func seconds(s string) (time.Duration, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("invalid number '%s'", s)
	}
	return time.Duration(n * float64(time.Second)), nil
}

func (p *pinger) open(local string, ttl int) error {
	conn, err := icmp.ListenPacket("udp4", local)
	if err != nil {
		if conn, err = icmp.ListenPacket("ip4:icmp", local); err != nil {
			return fmt.Errorf("no ICMP socket: %w", applet.Cause(err))
		}
		p.raw = true
	}
	p.conn = conn
	return conn.IPv4PacketConn().SetTTL(ttl)
}

type echo struct {
	from net.IP
	data []byte
	at   time.Time
	ttl  int
	err  error
}

func (p *pinger) run(count int, every, wait time.Duration, deadline <-chan time.Time) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	answers := make(chan echo)
	go p.receive(answers)
	next := time.NewTimer(0)
	var last <-chan time.Time
	for {
		select {
		case <-next.C:
			p.send()
			if count > 0 && p.nSent == count {
				last = time.After(wait)
				continue
			}
			next.Reset(every)
		case a := <-answers:
			p.answer(a)
			if count > 0 && p.received >= count {
				return
			}
		case <-last:
			return
		case <-deadline:
			return
		case <-interrupted:
			return
		}
	}
}

func (p *pinger) send() {
	data := make([]byte, p.size)
	if p.size >= 8 {
		binary.BigEndian.PutUint64(data, uint64(time.Now().UnixNano()))
	}
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: p.id, Seq: p.nSent, Data: data}}
	b, err := m.Marshal(nil)
	if err != nil {
		return
	}
	p.sent[p.nSent] = time.Now()
	p.nSent++
	if _, err := p.conn.WriteTo(b, p.address()); err != nil {
		p.call.Fail("sendto: %s", reason(err))
	}
}

func (p *pinger) address() net.Addr {
	if p.raw {
		return &net.IPAddr{IP: p.to}
	}
	return &net.UDPAddr{IP: p.to}
}

func (p *pinger) receive(answers chan<- echo) {
	pc := p.conn.IPv4PacketConn()
	pc.SetControlMessage(ipv4.FlagTTL, true)
	buf := make([]byte, 65536)
	for {
		n, cm, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		e := echo{data: append([]byte{}, buf[:max(n, 0)]...), at: time.Now(), err: err}
		if cm != nil {
			e.ttl = cm.TTL
		}
		switch a := from.(type) {
		case *net.UDPAddr:
			e.from = a.IP
		case *net.IPAddr:
			e.from = a.IP
		}
		answers <- e
		if err != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (p *pinger) answer(e echo) {
	if e.err != nil {
		p.call.Fail("recvfrom: %s", reason(e.err))
		return
	}
	m, err := icmp.ParseMessage(1, e.data)
	if err != nil {
		return
	}
	switch body := m.Body.(type) {
	case *icmp.Echo:
		at, ours := p.sent[body.Seq]
		if m.Type != ipv4.ICMPTypeEchoReply || !ours || p.raw && body.ID != p.id {
			return
		}
		delete(p.sent, body.Seq)
		p.received++
		d := e.at.Sub(at)
		p.times = append(p.times, d)
		if !p.quiet {
			fmt.Fprintf(p.call.Out, "%d bytes from %s: seq=%d ttl=%d time=%s ms\n", len(e.data), e.from, body.Seq, e.ttl, millis(d))
		}
	case *icmp.DstUnreach, *icmp.TimeExceeded:
		if p.raw && !p.quiet {
			fmt.Fprintf(p.call.Out, "From %s: %v\n", e.from, m.Type)
		}
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/float64(time.Millisecond)) }

func (p *pinger) summary(host string) int {
	loss := 0
	if p.nSent > 0 {
		loss = 100 * (p.nSent - p.received) / p.nSent
	}
	fmt.Fprintf(p.call.Out, "\n--- %s ping statistics ---\n%d packets transmitted, %d packets received, %d%% packet loss\n", host, p.nSent, p.received, loss)
	if p.received == 0 {
		return 1
	}
	least, most, sum := time.Duration(math.MaxInt64), time.Duration(0), time.Duration(0)
	for _, d := range p.times {
		least, most, sum = min(least, d), max(most, d), sum+d
	}
	fmt.Fprintf(p.call.Out, "round-trip min/avg/max = %s/%s/%s ms\n", millis(least), millis(sum/time.Duration(len(p.times))), millis(most))
	return 0
}
