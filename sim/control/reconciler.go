package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/idle"
	"labsim/sim/plan"
	"labsim/sim/world"
)

// Bounds of the reconciler's work.
const (
	stepsAtOnce    = 4
	resync         = 30 * time.Second // what no event told
	observeTimeout = 20 * time.Second
)

// reconciler makes the engine and the node follow the world. Everything in it
// is the loop's own (run), except what stands below mu.
type reconciler struct {
	site      sim.Site
	region    sim.Region
	public    netip.Prefix
	ephemeral bool
	world     *world.World
	engine    engine.Engine
	node      Node
	keeper    *keeper // nil: the agent is not control's to keep
	log       *slog.Logger
	life      string // of this process; stands in for an engine that can't tell its own

	config    *configurer
	beginning *beginning
	observed  *observation // nil: nothing is known
	ended     map[sim.InstanceID]time.Time
	status    *statusBoard

	wake chan struct{} // buffered: one waits

	mu      sync.Mutex
	stale   bool // the engine has changed since the last observation
	running map[string]*execution
	failed  map[string]*failure
	lives   map[sim.InstanceID]life
	drained bool
	agreed  uint64        // session of the agent that holds the world's config, and whose report was recorded
	idle    chan struct{} // not nil: closed once nothing runs
}

// observation is what the engine showed. Of what is in dirty, by Step.Object and
// by resource id, nothing is known: a step was at work on it while the engine was
// looked at, or has been since.
type observation struct {
	*engine.Observed
	dirty map[string]bool
}

func newReconciler(o Options, w *world.World, log *slog.Logger) *reconciler {
	var b [8]byte
	rand.Read(b[:])
	r := &reconciler{
		site: o.Site, region: o.Region, public: o.Public, ephemeral: o.Simulated,
		world: w, engine: o.Engine, node: o.Node, log: log, life: hex.EncodeToString(b[:]),
		ended: map[sim.InstanceID]time.Time{}, status: newStatusBoard(), beginning: newBeginning(),
		wake: make(chan struct{}, 1), stale: true,
		running: map[string]*execution{}, failed: map[string]*failure{}, lives: map[sim.InstanceID]life{},
	}
	r.config = newConfigurer(o.Node, r.poke, log)
	if o.KeepAgent != nil {
		r.keeper = &keeper{config: r.config, keep: o.KeepAgent, look: make(chan struct{}, 1), log: log}
	}
	return r
}

// poke wakes the loop.
func (r *reconciler) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// engineChanged makes the next pass look again.
func (r *reconciler) engineChanged() {
	r.mu.Lock()
	r.stale = true
	r.mu.Unlock()
	r.poke()
	if r.keeper != nil {
		r.keeper.engineChanged()
	}
}

// run works until ctx ends. When it returns nothing of it is at work any more.
func (r *reconciler) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.watchEngine(ctx) })
	wg.Go(func() { r.config.run(ctx) })
	wg.Go(func() { r.resync(ctx) })
	if r.keeper != nil {
		wg.Go(func() { r.keeper.run(ctx) })
	}
	defer r.cancelAll()
	for ctx.Err() == nil {
		changed := r.world.Changed()
		again := r.pass(ctx)
		var timer <-chan time.Time
		if !again.IsZero() {
			timer = time.After(max(time.Until(again), time.Millisecond))
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-r.wake:
		case <-timer:
		}
	}
}

// pass looks once at everything and starts what there is to do. It returns when
// another pass is due if nothing happens; zero: never.
func (r *reconciler) pass(ctx context.Context) (again time.Time) {
	if r.isDrained() {
		return time.Time{}
	}
	defer idle.Soon()
	if err := r.observe(ctx); ctx.Err() != nil {
		return time.Time{} // told to end, which is no fault of the engine
	} else if err != nil {
		r.status.engineError(err)
		return time.Now().Add(r.retry(observing, err))
	}
	o := r.observed
	begun, err := r.begin(o.Observed)
	if err != nil {
		return time.Now().Add(r.retry(recording, err))
	}
	s := r.world.View()
	if !begun {
		r.status.set(Status{Version: uint64(s.Version), Unclaimed: r.beginning.found(), Problems: []Problem{{Resource: "state", Message: errUnclaimed.Message}}})
		return time.Time{}
	}
	r.config.want(compile(r, s, o.Observed))
	r.noticeEnds(s, o)
	node, session := r.config.view()
	node.Ended, node.Reboots = r.ended, r.reboots(s)
	result := plan.Plan(s, o.Observed, node, plan.Options{
		Site: r.site, Region: r.region, Public: r.public, Now: time.Now(), Ephemeral: r.ephemeral,
	})
	r.cancelOutdated(s)
	again = earliest(result.Again, r.start(ctx, s, result.Steps))
	again = earliest(again, r.record(o, result.Facts))
	if node.Current {
		r.agree(session)
	}
	r.status.set(r.summary(s, result))
	return again
}

// agree notes that the agent holds the world's config and that what it reported,
// above all volumes of a former state, is in the world.
func (r *reconciler) agree(session uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.agreed = session
}

// connected reports whether the agent is there and has been heard out.
func (r *reconciler) connected() (build string, ok bool) {
	node, _ := r.config.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return node.Build, node.Session != 0 && node.Session == r.agreed
}

// observe looks at the engine if something may have changed there.
func (r *reconciler) observe(ctx context.Context) error {
	r.mu.Lock()
	stale := r.stale || r.observed == nil
	r.stale = false
	dirty := map[string]bool{}
	for object, e := range r.running {
		dirty[object], dirty[e.step.Resource] = true, true
	}
	r.mu.Unlock()
	if !stale {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	o, err := r.engine.Observe(ctx)
	if err != nil {
		r.mu.Lock()
		r.stale = true
		r.mu.Unlock()
		return err
	}
	if o.Run == "" || r.ephemeral {
		o.Run = r.life
	}
	r.succeeded(observing)
	r.observed = &observation{Observed: o, dirty: dirty}
	return nil
}

// noticeEnds keeps since when the containers of running instances are down.
func (r *reconciler) noticeEnds(s *world.State, o *observation) {
	down := map[sim.InstanceID]bool{}
	for _, c := range o.Containers {
		id := sim.InstanceID(c.ID)
		i, ok := s.Instances.Get(id)
		if c.Kind != engine.KindInstance || c.Running || !ok || i.Status.State != sim.StateRunning || o.dirty[c.ID] {
			continue
		}
		down[id] = true
		if since, noticed := r.ended[id]; !noticed || r.livedSince(id, since) {
			r.ended[id] = time.Now()
		}
		r.rebooted(c, r.ended[id])
	}
	for id := range r.ended {
		if !down[id] {
			delete(r.ended, id)
		}
	}
}

// watchEngine turns the engine's events into wake-ups, for ever.
func (r *reconciler) watchEngine(ctx context.Context) {
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 2*time.Second) {
		began := time.Now()
		err := r.engine.Watch(ctx, r.engineChanged)
		if time.Since(began) > 5*time.Second {
			wait = 100 * time.Millisecond
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			r.log.Warn("the engine's events broke off", "error", err)
		}
		r.engineChanged()
		sleep(ctx, wait)
	}
}

// resync looks at everything once in a while, and forgets what has been
// terminated for long.
func (r *reconciler) resync(ctx context.Context) {
	for {
		before := time.Now().Add(-plan.Forget)
		if err := r.world.Update(func(tx *world.Tx) error { return tx.PurgeTerminated(before) }); err != nil {
			r.log.Error("can't forget terminated instances", "error", err)
		}
		if !sleep(ctx, resync) {
			return
		}
		r.engineChanged()
	}
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
