//go:build linux

package linux

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// What EC2 tracks goes on when the rule that let it begin is removed, and what it
// does not track ends at once (EC2 User Guide, "Security group connection tracking").
func TestTracking(t *testing.T) {
	t.Parallel()
	const port = 81
	open := func(id string) dataplane.Rule { return tcp(id, port, port, "0.0.0.0/0") }
	narrow := func(id string) dataplane.Rule { return tcp(id, port, port, "10.0.1.20/32") }
	udp := func(id, cidr string) dataplane.Rule {
		return dataplane.Rule{ID: sim.SecurityGroupRuleID(id), Protocol: sim.ProtocolUDP, FromPort: port, ToPort: port, CIDR: prefix(cidr)}
	}
	allTCP := tcp("sgr-0alltcp", 0, 65535, "0.0.0.0/0")
	web := func(rules ...dataplane.Rule) []dataplane.Rule { return rules }
	for _, c := range []struct {
		name string
		// The groups of the receiver: what it lets in and out, first and then.
		in, out, thenIn, thenOut []dataplane.Rule
		network                  string
		lives                    bool
	}{
		{"a rule from one address", web(narrow("sgr-0a")), all("sgr-0o"), nil, all("sgr-0o"), "tcp4", true},
		{"a rule from one address, UDP", web(udp("sgr-0a", "10.0.1.20/32")), all("sgr-0o"), nil, all("sgr-0o"), "udp4", true},
		{"from everyone, with all out", web(open("sgr-0a")), all("sgr-0o"), nil, all("sgr-0o"), "tcp4", false},
		{"from everyone, with all of TCP out", web(open("sgr-0a")), web(allTCP), nil, web(allTCP), "tcp4", false},
		{"from everyone, with all out, UDP", web(udp("sgr-0a", "0.0.0.0/0")), all("sgr-0o"), nil, all("sgr-0o"), "udp4", false},
		{"from everyone, with all of another protocol out", web(udp("sgr-0a", "0.0.0.0/0")), web(allTCP), nil, web(allTCP), "udp4", true},
		{"from everyone, with nothing out", web(open("sgr-0a")), nil, nil, nil, "tcp4", true},
		{"from everyone, with one port out", web(open("sgr-0a")), web(tcp("sgr-0o", 443, 443, "0.0.0.0/0")), nil, nil, "tcp4", true},
		{"from everyone, with all out to some", web(open("sgr-0a")), web(tcp("sgr-0o", 0, 65535, "10.0.0.0/16")), nil, nil, "tcp4", true},
		{"another rule is removed", web(open("sgr-0a"), open("sgr-0b")), all("sgr-0o"), web(open("sgr-0b")), all("sgr-0o"), "tcp4", true},
		{"a narrower rule is left", web(open("sgr-0a"), narrow("sgr-0b")), all("sgr-0o"), web(narrow("sgr-0b")), all("sgr-0o"), "tcp4", true},
		{"the most permissive rule applies", web(narrow("sgr-0b"), open("sgr-0a")), all("sgr-0o"), nil, all("sgr-0o"), "tcp4", false},
		{"it is narrowed to somebody else", web(open("sgr-0a")), all("sgr-0o"), web(tcp("sgr-0a", port, port, "10.0.1.99/32")), all("sgr-0o"), "tcp4", false},
		{"what answers need is removed, and what begins it stays", web(open("sgr-0a")), all("sgr-0o"), web(open("sgr-0a")), nil, "tcp4", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, carries := trackedLab(t, c.network, port, c.in, c.out)
			l.vpc(vpcB).Groups[1].Ingress, l.vpc(vpcB).Groups[1].Egress = c.thenIn, c.thenOut
			l.set()
			if got := carries(enough(c.lives)); got != c.lives {
				t.Errorf("the connection carries data: %v, want %v", got, c.lives)
			}
			if c.network == "tcp4" && !c.lives {
				l.vpc(vpcB).Groups[1].Ingress, l.vpc(vpcB).Groups[1].Egress = c.in, c.out
				l.set()
				l.eventually("with its rule back it goes on", func() bool { return carries(patient) })
			}
		})
	}
}

// What becomes tracked, because only a narrower rule is left, stays when that goes too.
func TestUntrackedBecomesTracked(t *testing.T) {
	t.Parallel()
	narrow := tcp("sgr-0b", 81, 81, "10.0.1.20/32")
	l, carries := trackedLab(t, "tcp4", 81, []dataplane.Rule{tcp("sgr-0a", 81, 81, "0.0.0.0/0"), narrow}, all("sgr-0o"))
	for _, left := range [][]dataplane.Rule{{narrow}, nil} {
		l.vpc(vpcB).Groups[1].Ingress = left
		l.set()
		if !carries(patient) {
			t.Errorf("with %d rules left the connection is cut", len(left))
		}
	}
}

// The sender's groups track, or don't, for themselves.
func TestTrackingOfSender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		in, out   []dataplane.Rule // of the sender; then nothing may go out
		lives     bool
		groupless bool
	}{
		{name: "all out, all in", in: all("sgr-0i"), out: all("sgr-0o"), lives: false},
		{name: "all out, nothing in", out: all("sgr-0o"), lives: true},
		{name: "out to one, all in", in: all("sgr-0i"), out: []dataplane.Rule{tcp("sgr-0o", 81, 81, "10.0.1.10/32")}, lives: true},
		{name: "the group is taken away", in: all("sgr-0i"), out: all("sgr-0o"), lives: false, groupless: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, _ := trackedLab(t, "tcp4", 81, []dataplane.Rule{tcp("sgr-0a", 81, 81, "10.0.1.20/32")}, nil)
			l.vpc(vpcB).Groups[0].Ingress, l.vpc(vpcB).Groups[0].Egress = c.in, c.out
			l.set()
			// Anew: the first one was begun under other rules.
			carries := l.carries(l.guests[bPeer], "tcp4", 81)
			if c.groupless {
				l.eni(bPeer).Groups = nil
			} else {
				l.vpc(vpcB).Groups[0].Egress = nil
			}
			l.set()
			if got := carries(enough(c.lives)); got != c.lives {
				t.Errorf("the connection carries data: %v, want %v", got, c.lives)
			}
		})
	}
}

// A ping is tracked always, and so is it to be answered.
func TestTrackingOfPing(t *testing.T) {
	t.Parallel()
	l, _ := trackedLab(t, "tcp4", 81, all("sgr-0a"), all("sgr-0o"))
	from := l.guests[bPeer]
	if !ping(from, "10.0.1.10", patient) {
		t.Fatal("ping: no answer")
	}
	l.vpc(vpcB).Groups[1].Ingress = nil
	l.set()
	if !ping(from, "10.0.1.10", patient) { // the same id: the same connection
		t.Error("a ping that goes on is cut, though ICMP is always tracked")
	}
}

// Also what comes through the gateway, over a restart of the driver in between, and
// what it was begun with before there were marks.
func TestTrackingThroughGateway(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	rules := l.vpc(vpcA).Groups[2].Ingress
	one := tcp("sgr-0one", 80, 80, "198.51.100.240/32")
	for _, c := range []struct {
		rule  dataplane.Rule
		lives bool
	}{{one, true}, {rules[0], false}} {
		l.vpc(vpcA).Groups[2].Ingress = []dataplane.Rule{c.rule}
		l.set()
		conn, err := dial(l.peer, "198.51.100.20:80", patient)
		l.must(err)
		defer conn.Close()
		line(conn, patient)
		l.echo(conn, true)
		l.vpc(vpcA).Groups[2].Ingress = []dataplane.Rule{tcp("sgr-0x", 1, 1, "0.0.0.0/0")}
		l.restart()
		l.set()
		l.echo(conn, c.lives)
	}
}

// enough is how long to wait for what is to come, or is not.
func enough(lives bool) time.Duration {
	if lives {
		return patient
	}
	return wait
}

// trackedLab has two instances in a VPC, of which bWeb listens, with these rules, and
// a connection of bPeer's to it. carries sends something on it and waits for the echo.
func trackedLab(t *testing.T, network string, port int, in, out []dataplane.Rule) (l *lab, carries func(within time.Duration) bool) {
	t.Helper()
	l = newLab(t)
	v := twinVPC()
	v.Groups = append(v.Groups, dataplane.SecurityGroup{ID: "sg-0listens", Ingress: in, Egress: out})
	v.ENIs[1].Groups = []sim.SecurityGroupID{"sg-0listens"}
	l.config.VPCs = append(l.config.VPCs, v)
	l.set()
	from, to := l.guest(bPeer), l.guest(bWeb)
	l.serve(to, fmt.Sprint(":", port))
	l.serveUDP(to, fmt.Sprint(":", port))
	return l, l.carries(from, network, port)
}

// carries opens a connection, and returns what reports whether it carries data. Of
// what it sends each piece is another, as an answer may come late.
func (l *lab) carries(from netns.NsHandle, network string, port int) func(within time.Duration) bool {
	l.t.Helper()
	var c net.Conn
	l.must(inNS(from, func() (err error) {
		c, err = net.DialTimeout(network, fmt.Sprint("10.0.1.10:", port), patient)
		return err
	}))
	l.t.Cleanup(func() { c.Close() })
	n := 0
	carries := func(within time.Duration) bool {
		for end := time.Now().Add(within); time.Now().Before(end); {
			n++
			text := fmt.Sprint("data ", n)
			fmt.Fprintln(c, text)
			for part := time.Now().Add(wait); time.Now().Before(part); {
				if got, err := line(c, time.Until(part)); err == nil && strings.HasSuffix(got, text) {
					return true
				}
			}
		}
		return false
	}
	for range 2 { // the second packet belongs to what has begun
		if !carries(patient) {
			l.t.Fatal("the connection carries nothing to begin with")
		}
	}
	return carries
}

// serveUDP echoes.
func (l *lab) serveUDP(ns netns.NsHandle, at string) {
	l.t.Helper()
	var pc net.PacketConn
	l.must(inNS(ns, func() (err error) { pc, err = net.ListenPacket("udp4", at); return }))
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
}
