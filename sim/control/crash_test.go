package control

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/ec2/wire"
	"labsim/sim/engine"
	"labsim/sim/engine/none"
)

// chaotic is an engine that forgets nothing, fails before, after or instead of
// what it is asked for, and can be restarted, which ends all containers.
type chaotic struct {
	*none.Engine
	mu     sync.Mutex
	random *rand.Rand
	odds   float64 // of a failure
	run    int
	names  map[string]bool
	agent  *noting
	broken []string // promises that were not kept
}

var errChaos = errors.New("chaos")

// fail decides what becomes of a call: an error first, the work and then an
// error, or the work after a while in which it may be cut off.
func (c *chaotic) call(ctx context.Context, work func() error) error {
	c.mu.Lock()
	dice, pause := c.random.Float64(), time.Duration(c.random.IntN(3))*time.Millisecond
	odds := c.odds
	c.mu.Unlock()
	if !sleep(ctx, pause) {
		return ctx.Err()
	}
	switch {
	case dice < odds/2:
		return errChaos
	case dice < odds:
		return errors.Join(work(), errChaos)
	}
	return work()
}

func (c *chaotic) heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.odds = 0
}

// restart ends all containers with the engine.
func (c *chaotic) restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run++
	for name := range c.names {
		c.Engine.Exit(name, 137)
	}
}

func (c *chaotic) Observe(ctx context.Context) (o *engine.Observed, err error) {
	err = c.call(ctx, func() (err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if o, err = c.Engine.Observe(ctx); err == nil {
			o.Run = fmt.Sprint("run", c.run)
		}
		return err
	})
	return o, err
}

func (c *chaotic) EnsureNetwork(ctx context.Context, n engine.Network) error {
	return c.call(ctx, func() error { return c.Engine.EnsureNetwork(ctx, n) })
}

func (c *chaotic) EnsureVolume(ctx context.Context, v engine.Volume) error {
	return c.call(ctx, func() error { return c.Engine.EnsureVolume(ctx, v) })
}

func (c *chaotic) Start(ctx context.Context, x engine.Container) error {
	return c.call(ctx, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, i := range x.Interfaces {
			if i.ENI != "" && !c.agent.holds(i.ENI) {
				c.broken = append(c.broken, x.ID+" was started before the agent had "+string(i.ENI))
			}
		}
		c.names[x.Name] = true
		return c.Engine.Start(ctx, x)
	})
}

func (c *chaotic) Stop(ctx context.Context, name string, grace int) error {
	return c.call(ctx, func() error { return c.Engine.Stop(ctx, name, grace) })
}

func (c *chaotic) Remove(ctx context.Context, name string) error {
	return c.call(ctx, func() error { return c.Engine.Remove(ctx, name) })
}

// noting is a node that knows what it was told.
type noting struct {
	Simulated
	mu   sync.Mutex
	enis map[sim.ENIID]bool
}

func (n *noting) Set(ctx context.Context, c *dataplane.Config) (dataplane.Report, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.enis = map[sim.ENIID]bool{}
	for _, v := range c.VPCs {
		for _, e := range v.ENIs {
			n.enis[e.ID] = true
		}
	}
	return n.Simulated.Set(ctx, c)
}

func (n *noting) holds(id sim.ENIID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.enis[id]
}

// Whatever fails and whenever control is ended: it converges, nothing runs
// before its rules, and no instance stops or ends that nobody asked to.
func TestConverges(t *testing.T) {
	if os.Getenv("LABSIM_LONG") == "" {
		flag.Set("rapid.checks", "12")
	}
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.SampledFrom([]string{"launch", "launch", "stop", "start", "reboot",
			"terminate", "kill control", "kill control", "restart engine", "pause"}), 8, 24).Draw(rt, "script")
		seed := rapid.Uint64().Draw(rt, "seed")
		if err := play(t, script, seed); err != nil {
			rt.Fatal(err)
		}
	})
}

func play(t *testing.T, script []string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 1))
	agent := &noting{}
	e := &chaotic{Engine: none.New(), random: rand.New(rand.NewPCG(seed, 2)), odds: 0.3, names: map[string]bool{}, agent: agent}
	dir, err := os.MkdirTemp("", "labsim-control")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := Options{Engine: e, Node: agent, StatePath: filepath.Join(dir, "world.db")}
	b := start(t, o)
	_, subnet := b.network()
	wish := map[string]string{} // what the last call that was accepted asked for
	var ids []string
	for _, op := range script {
		switch op {
		case "launch":
			id := b.launch(subnet)
			ids, wish[id] = append(ids, id), "running"
		case "kill control":
			b.stop()
			b = start(t, o)
		case "restart engine":
			e.restart()
		case "pause":
			time.Sleep(time.Duration(random.IntN(8)) * time.Millisecond)
		default:
			if len(ids) > 0 {
				b.command(op, ids[random.IntN(len(ids))], wish)
			}
		}
	}
	e.heal()
	b.converged()
	defer b.stop()
	return b.compare(e, wish)
}

// command makes one call that may well be refused.
func (b *box) command(op, id string, wish map[string]string) {
	ctx := context.Background()
	switch ids := []string{id}; op {
	case "stop":
		if b.api.Do(ctx, "StopInstances", &wire.StopInstancesRequest{InstanceIds: ids}, nil) == nil && wish[id] == "running" {
			wish[id] = "stopped"
		}
	case "start":
		if b.api.Do(ctx, "StartInstances", &wire.StartInstancesRequest{InstanceIds: ids}, nil) == nil {
			wish[id] = "running"
		}
	case "reboot":
		b.api.Do(ctx, "RebootInstances", &wire.RebootInstancesRequest{InstanceIds: ids}, nil)
	case "terminate":
		if b.api.Do(ctx, "TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: ids}, nil) == nil {
			wish[id] = "terminated"
		}
	}
}

// compare says what is not as it was asked for, in the API or on the engine.
func (b *box) compare(e *chaotic, wish map[string]string) error {
	o, err := e.Engine.Observe(context.Background())
	if err != nil {
		return err
	}
	runs := map[string]int{}
	for _, c := range o.Containers {
		if c.Running {
			runs[c.ID]++
		}
	}
	wrong := e.broken
	for id, want := range wish {
		i := b.instance(id)
		if *i.State.Name != want {
			wrong = append(wrong, fmt.Sprintf("%s is %s (%v), want %s", id, *i.State.Name, i.StateReason, want))
		}
		if n := runs[id]; n > 1 || (n == 1) != (want == "running") {
			wrong = append(wrong, fmt.Sprintf("%s is to be %s, %d containers of it run", id, want, n))
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}
