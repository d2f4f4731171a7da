//go:build linux

package linux

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"labsim/sim"
)

// holder is the driver's question who holds an interface.
func (l *lab) holder(id sim.ENIID) (netns.NsHandle, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ns, ok := l.running[id]
	if !ok {
		return netns.None(), false
	}
	ns, err := dup(ns)
	return ns, err == nil
}

// holds tells the driver, or takes back, that a guest holds its interface.
func (l *lab) holds(id sim.ENIID, yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, id)
	if yes {
		l.running[id] = l.guests[id]
	}
}

// works wants db and web to be where they belong: everything that is allowed passes,
// nothing else does.
func (l *lab) works() {
	l.t.Helper()
	l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
	l.open(l.guests[db], "10.0.1.10:80", "10.0.2.10")
	l.open(l.peer, "198.51.100.20:80", "198.51.100.240")
	l.open(l.guests[web], "198.51.100.240:80", "198.51.100.20")
	l.closed(l.guests[web], "10.0.2.10:80")
	l.closed(l.guests[other], "10.0.2.10:5432")
}

// unlink deletes an interface's link in its router, as `ip link del` does.
func (l *lab) unlink(ids ...sim.ENIID) {
	l.t.Helper()
	h := l.handle(l.routerNS(vpcA))
	for _, id := range ids {
		link, err := h.LinkByName(site.RouterLink(id))
		l.must(err)
		l.must(h.LinkDel(link))
	}
}

// ofGuest is a guest's interface; nil: it has none.
func (l *lab) ofGuest(id sim.ENIID) netlink.Link {
	l.t.Helper()
	all, err := l.handle(l.guests[id]).LinkList()
	l.must(err)
	for _, link := range all {
		if link.Attrs().HardwareAddr.String() == l.eni(id).MAC {
			return link
		}
	}
	return nil
}

// index of a guest's interface; 0: it has none.
func (l *lab) index(id sim.ENIID) int {
	l.t.Helper()
	if link := l.ofGuest(id); link != nil {
		return link.Attrs().Index
	}
	return 0
}

// shape is all of a guest's network, without what the kernel counts.
func (l *lab) shape(id sim.ENIID) string {
	l.t.Helper()
	h := l.handle(l.guests[id])
	links, err := h.LinkList()
	l.must(err)
	addrs, err := h.AddrList(nil, netlink.FAMILY_V4)
	l.must(err)
	routes, err := h.RouteList(nil, netlink.FAMILY_V4)
	l.must(err)
	var out string
	for _, x := range links {
		a := x.Attrs()
		out += fmt.Sprintln(a.Name, a.HardwareAddr, a.MTU, a.Flags, a.OperState)
	}
	for _, x := range addrs {
		out += fmt.Sprintln(x.IPNet, "broadcast", x.Broadcast)
	}
	for _, x := range routes {
		out += fmt.Sprintln(x.Dst, "via", x.Gw, "from", x.Src, "scope", x.Scope)
	}
	return out
}

// rename gives a guest's interface the name that the engine gives to a second one.
func (l *lab) rename(id sim.ENIID, name string) {
	l.t.Helper()
	h, link := l.handle(l.guests[id]), l.ofGuest(id)
	l.must(h.LinkSetDown(link))
	l.must(h.LinkSetName(link, name))
	l.must(h.LinkSetUp(link))
	l.must(h.RouteAdd(&netlink.Route{Gw: sim.RouterAddr(netip.PrefixFrom(l.eni(id).Addr, 24)).AsSlice()}))
}

// TestRelink takes away a router, or a link of it: the next Set puts back what guests
// that run have lost.
func TestRelink(t *testing.T) {
	t.Parallel()
	keepRouter := func(l *lab) {
		l.routerNS(vpcA)
		l.must(l.d.o.Pins.Unpin(string(vpcA)))
		l.restart()
	}
	for _, c := range []struct {
		name string
		do   func(l *lab)
		as   string // web's interface, where the engine has joined it before
	}{
		{"a link", func(l *lab) { l.unlink(web) }, ""},
		{"all links", func(l *lab) { l.unlink(web, web2, db, other) }, ""},
		{"the router, while nobody looked", func(l *lab) {
			l.d.Close()
			for _, r := range l.d.all() {
				r.forget() // what an agent holds that is killed
			}
			l.must(l.d.o.Pins.Unpin(string(vpcA)))
			l.restart()
		}, ""},
		{"the router, which somebody keeps", keepRouter, ""},
		{"the router of a guest that was joined again", keepRouter, "eth1"},
		{"the router, another in its place", func(l *lab) {
			l.routerNS(vpcA)
			l.must(l.d.o.Pins.Pin(string(vpcA), l.namespace()))
		}, ""},
		{"a link, killed while it was put back", func(l *lab) {
			l.unlink(web)
			r := l.d.router(vpcA)
			_, err := r.makeLink(l.handle(r.ns), *l.eni(web), ends{r.draft(web), "eth0", l.guests[web]})
			l.must(err)
			l.restart()
		}, ""},
		{"a link, killed when its name was there", func(l *lab) {
			l.unlink(web)
			r := l.d.router(vpcA)
			h, g := l.handle(r.ns), l.handle(l.guests[web])
			link, err := r.makeLink(h, *l.eni(web), ends{r.draft(web), "eth0", l.guests[web]})
			l.must(err)
			l.must(r.furnish(g, link.Attrs().ParentIndex, *l.eni(web)))
			l.must(h.LinkSetName(link, site.RouterLink(web)))
			l.restart()
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := seedLab(t)
			l.ignore()
			if c.as != "" {
				l.rename(web, c.as)
			}
			for id, ns := range l.guests {
				l.must(ByRouter(ns, prefix(l.eni(id).Addr.String()+"/24")))
			}
			l.works()
			before := l.shape(web)
			c.do(l)
			l.set()
			var after string
			l.eventually("web's interface is as it was", func() bool { // the kernel tells of a carrier a moment later
				after = l.shape(web)
				return after == before
			})
			if after != before {
				t.Errorf("web's interface is\n%s\nbefore\n%s", after, before)
			}
			l.works()
			index := l.index(web)
			writes := l.d.writes.Load()
			l.set()
			if n := l.d.writes.Load() - writes; n != 0 || l.index(web) != index {
				t.Errorf("another Set made %d writes, and web's interface %d of %d", n, l.index(web), index)
			}
		})
	}
}

// TestRelinkRefuses: what nobody holds, or what isn't ours, is let alone.
func TestRelinkRefuses(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.ignore()
	link := func(id sim.ENIID) bool {
		_, err := l.handle(l.routerNS(vpcA)).LinkByName(site.RouterLink(id))
		return err == nil
	}

	l.holds(web, false)
	l.unlink(web)
	l.set()
	if link(web) || l.index(web) != 0 {
		t.Error("an interface that no guest is known to hold has a link again")
	}
	l.holds(web, true)
	l.must(l.d.Rejoin(web)) // the guest was heard of
	l.works()

	// Docker takes the interface of an instance that runs, and the record of who holds
	// it says so only later.
	l.must(l.d.Leave(context.Background(), web))
	l.set()
	l.must(l.d.Rejoin(web))
	if link(web) || l.index(web) != 0 {
		t.Error("an interface that Leave took has a link again")
	}
	l.guest(web)
	for _, port := range []string{":80", ":5432"} {
		l.serve(l.guests[web], port)
	}
	l.unlink(web)
	l.set()
	l.works()

	// A guest's eth0 that is something else stays what it is.
	l.unlink(web)
	g := l.handle(l.guests[web])
	l.must(g.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}}))
	was, err := g.LinkByName("eth0")
	l.must(err)
	l.set()
	l.works()
	if now, err := g.LinkByIndex(was.Attrs().Index); err != nil || now.Attrs().Name != "eth0" {
		t.Errorf("somebody else's eth0 is %v, %v", now, err)
	}
	l.must(l.d.Rejoin("eni-0unknown"))
}

// TestRelinkIsClosed: a guest that sends all the time, and whose link and router are
// taken away and put back all the time, has no packet pass that its groups refuse.
func TestRelinkIsClosed(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	l.ignore()
	stop := l.knock(web)
	for i := range 8 {
		if i%2 == 0 {
			l.unlink(web)
		} else {
			l.must(l.d.o.Pins.Unpin(string(vpcA)))
			l.restart()
		}
		l.set()
		l.open(l.guests[web], "10.0.2.10:5432", "10.0.1.10")
	}
	if sent, came := stop(); came > 0 || sent == 0 {
		t.Errorf("of %d denied datagrams %d arrived", sent, came)
	} else {
		t.Logf("of %d denied datagrams none arrived", sent)
	}
}

// TestRelinkAtOnce: who deletes a link finds it there again, and the agent is told.
func TestRelinkAtOnce(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	told := make(chan string, 8)
	l.d.o.Mended = func(resource string, err error) { told <- fmt.Sprint(resource, " ", err) }
	for range 3 {
		was := l.index(db)
		l.unlink(db)
		select {
		case got := <-told:
			if want := fmt.Sprint(db, " ", nil); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		case <-time.After(patient):
			t.Fatal("a link that was deleted is not put back")
		}
		if now := l.index(db); now == 0 || now == was {
			t.Errorf("db's interface is %d, before %d", now, was)
		}
		l.works()
	}

	// What the driver does itself is no news.
	l.must(l.d.Leave(context.Background(), db))
	l.must(l.d.Leave(context.Background(), web2))
	l.guest(db)
	l.serve(l.guests[db], ":5432")
	l.works()
	select {
	case got := <-told:
		t.Errorf("told %q of what the driver did itself", got)
	default:
	}
}
