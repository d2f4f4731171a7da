package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
	"labsim/sim/limit"
	"labsim/sim/standing"
)

// helloLimit is the time that a guest has to say who it is.
const helloLimit = 5 * time.Second

// guests are the connections that the instances' first processes hold.
type guests struct {
	a        *Agent
	identify func(syscall.Conn) (*peer, error)
	// executable is the path of the guest's binary, this one.
	executable string
	opening    sync.Mutex // one open at a time
	tries      *limit.Rate[string]

	mu       sync.Mutex // guards what follows, never held across I/O
	listener net.Listener
	live     map[sim.InstanceID]*guest
	paces    map[sim.InstanceID]*pace // outlive the connections
}

// guest is one of them.
type guest struct {
	instance sim.InstanceID
	since    time.Time
	peer     *peer
	client   *http.Client
	session  *yamux.Session
	heard    heard
}

func newGuests(a *Agent) *guests {
	return &guests{
		a: a, identify: identify, executable: "/proc/self/exe", tries: limit.NewRate[string](guestTries),
		live: map[sim.InstanceID]*guest{}, paces: map[sim.InstanceID]*pace{},
	}
}

// open lays out what a guest finds: its binary, and beside it the agent's socket.
func (g *guests) open() error {
	g.opening.Lock()
	defer g.opening.Unlock()
	if g.listening() {
		return nil
	}
	if err := installGuest(g.executable, g.a.guestDir()); err != nil {
		return fmt.Errorf("lay out the guest's files: %w", err)
	}
	return g.listen(filepath.Join(g.a.guestDir(), "agent.sock"))
}

func (g *guests) listening() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.listener != nil
}

// reopen lays everything out again where the directory was taken away.
func (g *guests) reopen(old net.Listener) {
	g.mu.Lock()
	if g.listener == old {
		g.listener = nil
	}
	g.mu.Unlock()
	if err := g.open(); err != nil {
		log.Printf("guests: %v", err) // tried again when a guest is started
	}
}

// listen makes the socket. Whoever is in a guest may connect; who it is decides.
func (g *guests) listen(path string) error {
	l, err := standing.Listen(path, 0o666)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	go g.accept(l)
	return nil
}

// accept serves what may connect. Of each guest a few connections may be under
// way: a flood of one costs the others no more than the look at who it is.
func (g *guests) accept(l net.Listener) {
	limited := &limit.Listener{
		Listener: l,
		Admit: func(c net.Conn) (func(), error) {
			network, err := peerNetwork(c.(syscall.Conn))
			if err != nil {
				return nil, err
			}
			if !g.tries.Allow(time.Now(), network) {
				return nil, fmt.Errorf("%s connects more than %d times a second", network, guestTries)
			}
			return g.a.pools.guests.Take(network)
		},
		Refused: func(err error) { g.a.provoked.Printf("guests: connection refused: %v", err) },
		Pace:    refusePace,
	}
	for {
		c, err := limited.Accept()
		if errors.Is(err, standing.ErrLost) {
			log.Printf("guests: %v", err)
			g.reopen(l)
		}
		if err != nil {
			return // closed
		}
		go func() {
			defer c.Close()
			if err := g.serve(c); err != nil {
				g.a.provoked.Printf("guest: %v", err)
			}
		}()
	}
}

// serve holds a guest's connection until it breaks.
func (g *guests) serve(c net.Conn) error {
	p, err := g.identify(c.(syscall.Conn))
	if err != nil {
		return err
	}
	defer p.close()
	eni, err := g.interfaceOf(p)
	if err != nil {
		return err
	}
	id := eni.Instance
	if err := g.a.narrow(p.net, eni.ID); err != nil {
		g.a.provoked.Printf("%s: %v", id, err) // it is a bound of the whole machine, not of who may be heard
	}
	pace := g.paceOf(id)
	if !pace.connects.Allow() {
		return fmt.Errorf("%s connects too often", id)
	}
	session, err := greet(c, id)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	defer session.Close()
	t := guestTransport(session)
	defer t.CloseIdleConnections()
	one := &guest{instance: id, since: time.Now(), peer: p, session: session, client: &http.Client{Transport: t}}
	one.heard = heard{pace: pace.states, tell: g.a.changed}
	if err := g.add(one); err != nil {
		return err
	}
	g.a.provoked.Printf("%s: connected, process %d of container %.12s", id, p.pid, p.container)
	if err := g.a.driver.Rejoin(eni.ID); err != nil { // its router may have been lost meanwhile
		g.a.provoked.Printf("%s: %v", id, err)
	}
	err = g.follow(one)
	g.remove(one)
	g.a.provoked.Printf("%s: gone (%v)", id, err)
	return nil
}

// interfaceOf finds the interface whose sandbox is the peer's network namespace; it
// is an instance's.
func (g *guests) interfaceOf(p *peer) (dataplane.ENI, error) {
	held := g.a.held()
	for id, sandbox := range g.a.records.joined() {
		ino, err := g.a.engine.inode(sandbox)
		if err != nil || ino != p.netInode {
			continue
		}
		eni, ok := held.eni(id)
		if !ok || eni.Instance == "" {
			return eni, fmt.Errorf("container %.12s holds %s, which belongs to no instance", p.container, id)
		}
		return eni, nil
	}
	return dataplane.ENI{}, fmt.Errorf("container %.12s holds no network interface of labsim", p.container)
}

// greet reads the guest's first line and begins the session.
func greet(c net.Conn, id sim.InstanceID) (*yamux.Session, error) {
	c.SetReadDeadline(time.Now().Add(helloLimit))
	line, err := wire.ReadLine(c, wire.MaxHello)
	if err != nil {
		return nil, fmt.Errorf("no greeting: %w", err)
	}
	c.SetReadDeadline(time.Time{})
	var hello wire.Hello
	if err := json.Unmarshal(line, &hello); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if hello.Protocol != wire.Protocol {
		return nil, fmt.Errorf("%s speaks protocol %d, not %d: stop and start it to give it this build's first process", id, hello.Protocol, wire.Protocol)
	}
	config := yamuxConfig()
	config.StreamCloseTimeout = streamCloseTimeout
	return yamux.Server(wire.Guard(c), config)
}

func yamuxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	c.EnableKeepAlive = false // a Unix socket tells when the other side has gone
	return c
}

// add refuses a second connection while the first lives.
func (g *guests) add(one *guest) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old, ok := g.live[one.instance]; ok && !old.session.IsClosed() {
		return fmt.Errorf("%s is connected already; a second connection is refused", one.instance)
	}
	g.live[one.instance] = one
	return nil
}

func (g *guests) remove(one *guest) {
	one.session.Close()
	g.mu.Lock()
	if g.live[one.instance] == one {
		delete(g.live, one.instance)
	}
	g.mu.Unlock()
	g.a.changed()
}

func (g *guests) get(id sim.InstanceID) (*guest, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one, ok := g.live[id]; ok {
		return one, nil
	}
	return nil, fmt.Errorf("%s is not connected to its node's agent", id)
}

// follow keeps the guest's state until the connection breaks.
func (g *guests) follow(one *guest) error {
	resp, err := one.client.Get("http://guest" + wire.PathEvents)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("events: status %d", resp.StatusCode)
	}
	for lines := wire.NewLines(newPacedReader(resp.Body), wire.MaxGuestLine); ; {
		var s wire.GuestState
		if err := lines.Next(&s); err != nil {
			return err
		}
		one.heard.says(s.Cleaned())
	}
}

// list returns the guests for a report, by instance.
func (g *guests) list() []dataplane.Guest {
	g.mu.Lock()
	all := make([]*guest, 0, len(g.live))
	for _, one := range g.live {
		all = append(all, one)
	}
	g.mu.Unlock()
	var out []dataplane.Guest
	for _, one := range all {
		s := one.heard.told()
		out = append(out, dataplane.Guest{Instance: one.instance, Since: one.since, HostKeys: s.HostKeys, Ready: s.Ready, Shutdown: s.Shutdown})
	}
	slices.SortFunc(out, func(a, b dataplane.Guest) int { return strings.Compare(string(a.Instance), string(b.Instance)) })
	return out
}

// close ends all connections and listens no more.
func (g *guests) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.live {
		one.session.Close()
	}
	if g.listener == nil {
		return nil
	}
	err := g.listener.Close()
	g.listener = nil
	return err
}
