package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/plan"
	"labsim/sim/world"
)

// Options say what to control and where to answer.
type Options struct {
	Site   sim.Site     // "": sim.DefaultSite
	Region sim.Region   // "": us-east-1
	Zones  []sim.Zone   // nil: a, b and c of the region
	Public netip.Prefix // the site's public /24; zero: the default site's

	// StatePath is the database of the world; "" keeps nothing.
	StatePath string
	// TokenPath holds the token of /_labsim/; it is made where it is missing.
	// "": Token is used.
	TokenPath string
	Token     string

	// Listen is the address of the HTTP port; Listener goes before it.
	Listen   string
	Listener net.Listener
	// AllowPeer says who may connect; nil: loopback and the gateways of the
	// networks that this process is in, if it is in a container.
	AllowPeer func(netip.Addr) bool

	Engine     engine.Engine
	EngineName string // docker, none
	// Node is the agent; nil: the one that dials the socket in RunDir.
	Node   Node
	RunDir string
	// KeepAgent puts the agent back if it was removed; nil: that is not control's to do.
	KeepAgent func(context.Context) error
	// Simulated says that nothing really runs: probes are answered by the
	// evaluator, and the engine forgets everything when it ends.
	Simulated bool

	Build string
	Log   *slog.Logger        // nil: the default one
	Ready func(addr net.Addr) // called once the port answers; may be nil
}

// The part of the public range that instances and Elastic IPs get.
const (
	firstPublic = 20
	lastPublic  = 191
)

func (o *Options) setDefaults() error {
	if o.Site == "" {
		o.Site = sim.DefaultSite
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Zones == nil {
		for _, z := range "abc" {
			o.Zones = append(o.Zones, sim.Zone(string(o.Region)+string(z)))
		}
	}
	if !o.Public.IsValid() {
		o.Public = sim.DefaultPublic
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.AllowPeer == nil {
		o.AllowPeer = publishedPort()
	}
	if o.Public.Bits() != 24 {
		return fmt.Errorf("the public range %s is no /24", o.Public)
	}
	if o.Engine == nil {
		return errors.New("control: no engine")
	}
	return nil
}

// Run controls until ctx ends. What it knows is durable at any time: it may be
// killed instead.
func Run(ctx context.Context, o Options) error {
	if err := o.setDefaults(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()

	state, err := openState(o.StatePath)
	if err != nil {
		return err
	}
	defer state.close()
	if state.older {
		o.Log.Error("the head of the newest change of the state is damaged; it goes on from the change before", "file", o.StatePath)
	}
	room := newGauge(o.Engine, o.Log)
	w, err := newWorld(&o, state, room.room)
	if err != nil {
		return err
	}
	token, err := siteToken(&o)
	if err != nil {
		return err
	}
	if o.Node == nil {
		link, err := Listen(o.Site, o.RunDir, o.Log)
		if err != nil {
			return err
		}
		o.Node = link
		background.Go(func() {
			if err := link.Serve(ctx); err != nil {
				o.Log.Error("no agent can connect any more", "error", err)
				cancel()
			}
		})
	}
	r := newReconciler(o, w, o.Log)
	s := &server{ctx: ctx, opts: &o, world: w, node: o.Node, reconciler: r, gauge: room, token: token, log: o.Log}
	// The port answers also while the engine does not.
	background.Go(func() { r.run(ctx) })
	background.Go(func() { room.run(ctx) })
	if state.copy != nil {
		background.Go(func() { (&copier{world: w, copy: state.copy, log: o.Log}).run(ctx) })
	}
	return s.serve(ctx)
}

func newWorld(o *Options, st state, room func() sim.Room) (*world.World, error) {
	at := func(n uint32) netip.Addr { return sim.AddrAt(o.Public, n) }
	w, err := world.New(world.Options{
		Region: o.Region, Zones: o.Zones, Now: time.Now, Random: rand.Reader, Commit: st.commit, Room: room,
		PublicPool: world.AddrRange{First: at(firstPublic), Last: at(lastPublic)},
		// A report of the agent names the version of the config that it is about. One
		// that is about an earlier control's must not look like one about this one's.
		FirstVersion: world.Version(time.Now().UnixMicro()),
	}, st.rows)
	if err != nil {
		return nil, &sim.Failure{What: sim.T("the state of labsim can't be read by this build"), Err: err,
			Next: []sim.Text{sim.T("Run the labsim that wrote it. The file is as it was.")}}
	}
	// Of what stands it knows nothing, and all of it would go.
	if of := w.View().Site(); of != "" && of != o.Site {
		return nil, &sim.Failure{
			What: sim.T("the state in %s is that of the site %s, not of %s", o.StatePath, string(of), string(o.Site)),
			Next: []sim.Text{sim.Cmd("labsim state restore"), sim.T("It puts the last good copy in its place. The file was not changed.")},
		}
	}
	return w, w.Update(func(tx *world.Tx) error {
		if tx.Empty() {
			tx.LookFirst()
		}
		tx.BelongTo(o.Site)
		_, err := tx.EnsureImage(world.EnsureImage{
			Owner: sim.AmazonAccount, OwnerAlias: "amazon", Name: "labsim/linux",
			Description: "labsim's own Linux", Architecture: architecture(),
			Ref: plan.SystemImage, RootDevice: "/dev/xvda",
		})
		return err
	})
}

func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// serve answers the HTTP port until ctx ends.
func (s *server) serve(ctx context.Context) error {
	l := s.opts.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", s.opts.Listen); err != nil {
			return err
		}
	}
	srv := httpServer(ctx, s.handler(), s.log)
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(last) != nil {
			srv.Close()
		}
	})
	if s.opts.Ready != nil {
		s.opts.Ready(l.Addr())
	}
	err := srv.Serve(bounded(l))
	if !stop() {
		<-stopped
		return nil
	}
	return err
}
