//go:build linux

package linux

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"

	"labsim/sim"
)

// flush does what `nft flush ruleset` does in a namespace.
func (l *lab) flush(ns netns.NsHandle) {
	l.t.Helper()
	(&damage{lab: l}).nft(ns, func(c *nftables.Conn) { c.FlushRuleset() })
}

// knock sends datagrams from one guest to ports of db that no rule allows, without
// a pause, until stop is called; that returns how many were sent, and how many came.
func (l *lab) knock(from sim.ENIID) (stop func() (sent, came int64)) {
	denied := l.count(6011)
	c := l.socket(from)
	var sent atomic.Int64
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
				if _, err := c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(10, 0, 2, 10), Port: 6011}); err == nil {
					sent.Add(1)
				}
			}
		}
	}()
	return func() (int64, int64) {
		close(end)
		<-ended
		return sent.Load(), denied.Load()
	}
}

// Without rules nothing passes: neither through a router, nor to what it answers
// itself, nor through an edge. This is routing's doing alone.
func TestFlushIsClosed(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.ignore()
	l.serveRouter()
	edge, err := netns.GetFromPid(l.vpc(vpcA).Gateway.PID)
	l.must(err)
	defer edge.Close()
	reachable := func() {
		t.Helper()
		l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
		l.open(l.guests[web], "198.51.100.240:80", "198.51.100.20")
		l.open(l.peer, "198.51.100.20:80", "198.51.100.240")
		l.open(l.guests[db], "169.254.169.254:80", "")
	}
	reachable()
	l.flush(l.routerNS(vpcA))
	for from, to := range map[netns.NsHandle][]string{
		l.guests[web]: {"10.0.2.10:5432", "10.0.2.10:80", "198.51.100.240:80"},
		l.guests[db]:  {"169.254.169.254:80", "10.0.1.10:81"},
		l.peer:        {"198.51.100.20:80"},
	} {
		for _, a := range to {
			l.closed(from, a)
		}
	}
	l.set()
	reachable()

	l.flush(edge)
	l.closed(l.guests[web], "198.51.100.240:80")
	l.closed(l.peer, "198.51.100.20:80")
	l.closed(l.peer, "198.51.100.21:81")
	l.set()
	reachable()
}

// serveRouter answers where the metadata service is.
func (l *lab) serveRouter() {
	l.t.Helper()
	router := l.routerNS(vpcA)
	l.serve(router, "169.254.169.254:80")
}

// Rules that somebody flushes are back at once, and no denied packet has passed.
func TestFlushIsMended(t *testing.T) {
	l := seedLab(t)
	l.serveRouter()
	router := l.routerNS(vpcA)
	edge, err := netns.GetFromPid(l.vpc(vpcA).Gateway.PID)
	l.must(err)
	defer edge.Close()
	l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
	stop := l.knock(web)
	for i := range 5 {
		for what, ns := range map[string]netns.NsHandle{"router": router, "edge": edge} {
			start := time.Now()
			l.flush(ns)
			l.eventually(what+"'s rules are back", func() bool { return l.tables(ns) == 2 })
			t.Logf("flush %d: the rules of the %s were back after %v", i, what, time.Since(start).Round(100*time.Microsecond))
		}
	}
	if sent, came := stop(); came > 0 || sent == 0 {
		t.Errorf("of %d denied datagrams %d arrived", sent, came)
	} else {
		t.Logf("of %d denied datagrams none arrived", sent)
	}
	l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
	l.open(l.peer, "198.51.100.20:80", "198.51.100.240")
	l.open(l.guests[db], "169.254.169.254:80", "")
	l.closed(l.guests[other], "10.0.2.10:5432")
}

func (l *lab) tables(ns netns.NsHandle) int {
	l.t.Helper()
	c, err := nftables.New(nftables.WithNetNSFd(int(ns)))
	l.must(err)
	tables, err := c.ListTables()
	l.must(err)
	return len(tables)
}

// Whoever changes rules without a pause, a table of his own even, keeps labsim from
// nothing: it looks ten times a second, and writes only where its own are changed.
func TestWatchIsBounded(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	router := l.routerNS(vpcA)
	l.eventually("the first looks are over", func() bool { return l.settled() })
	writes, start := l.d.writes.Load(), time.Now()
	for i := range 200 {
		(&damage{lab: l}).nft(router, func(c *nftables.Conn) {
			c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: fmt.Sprint("other", i)})
		})
	}
	l.eventually("all is seen", func() bool { return l.settled() })
	if n := l.d.writes.Load() - writes; n != 0 {
		t.Errorf("200 changes of others in %v made %d writes", time.Since(start), n)
	}
}

// settled reports whether the state of the rules is the newest one of the kernel.
func (l *lab) settled() bool {
	r := l.d.router(vpcA)
	r.mu.Lock()
	defer r.mu.Unlock()
	same, err := r.rules.untouched(r.ns)
	return same && err == nil
}
