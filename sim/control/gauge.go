package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"labsim/sim"
	"labsim/sim/engine"
)

const (
	gaugeEvery   = 5 * time.Second // no event tells that a disk fills
	rootsEvery   = time.Minute     // the engine walks through all root disks
	rootsTimeout = 30 * time.Second
)

// gauge knows how much room the engine's disk has, at any moment, and while it is
// short, which instance's root disk has grown most.
type gauge struct {
	engine engine.Engine
	log    *slog.Logger
	short  chan struct{} // buffered: somebody met a shortage

	mu      sync.Mutex
	broken  bool // the disk can't be looked at, which was logged
	largest sim.InstanceID
	grown   uint64
}

func newGauge(e engine.Engine, log *slog.Logger) *gauge {
	return &gauge{engine: e, log: log, short: make(chan struct{}, 1)}
}

// room is what there is now. It is made of one call of the kernel. A disk that can't
// be looked at is not short: that must not keep labsim from working.
func (g *gauge) room() sim.Room {
	d, err := g.engine.Disk()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && !g.broken {
		g.log.Warn("the engine's disk can't be looked at", "error", err)
	}
	if g.broken = err != nil; g.broken {
		return sim.Room{}
	}
	if !d.Short() {
		return sim.Room{Disk: d}
	}
	select {
	case g.short <- struct{}{}:
	default:
	}
	return sim.Room{Disk: d, Largest: g.largest, Grown: g.grown}
}

// run looks for the largest root disk while the disk is short, until ctx ends.
func (g *gauge) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !g.room().Short() {
			g.note("", 0)
			await(ctx, gaugeEvery, g.short, nil)
			continue
		}
		if err := g.weigh(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("the root disks can't be weighed", "error", err)
		}
		sleep(ctx, rootsEvery)
	}
}

func (g *gauge) weigh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rootsTimeout)
	defer cancel()
	roots, err := g.engine.Roots(ctx)
	if err != nil {
		return err
	}
	var largest sim.InstanceID
	for id, n := range roots {
		if n > roots[largest] || n == roots[largest] && id < largest {
			largest = id
		}
	}
	g.note(largest, roots[largest])
	return nil
}

func (g *gauge) note(largest sim.InstanceID, grown uint64) {
	g.mu.Lock()
	g.largest, g.grown = largest, grown
	g.mu.Unlock()
}
