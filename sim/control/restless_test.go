package control

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/engine"
	"labsim/sim/engine/none"
	"labsim/sim/idle"
	"labsim/sim/world"
)

// restless is an engine whose instances reboot themselves, each time after lasting.
type restless struct {
	*none.Engine
	mu      sync.Mutex
	lasting time.Duration
	starts  []time.Time
}

func (e *restless) Start(ctx context.Context, c engine.Container) error {
	if err := e.Engine.Start(ctx, c); err != nil || c.Kind != engine.KindInstance {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.starts = append(e.starts, time.Now())
	if e.lasting == 0 {
		e.Exit(c.Name, sim.ExitReboot) // before anybody has seen it run
		return nil
	}
	time.AfterFunc(e.lasting, func() { e.Exit(c.Name, sim.ExitReboot) })
	return nil
}

// last makes the next runs last so long, and returns the pauses between the end of
// one run and the start of the next until now.
func (e *restless) last(d time.Duration) (pauses []time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := 1; n < len(e.starts); n++ {
		pauses = append(pauses, e.starts[n].Sub(e.starts[n-1])-e.lasting)
	}
	e.lasting, e.starts = d, nil
	return pauses
}

func (e *restless) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.starts)
}

// An instance that reboots itself without end is started after a growing pause, and
// is named as long as it does; one that has run for a while starts at once.
func TestRestless(t *testing.T) {
	idle.Soon() // its timer is the process', not this test's
	for _, short := range []time.Duration{0, 40 * time.Millisecond} {
		t.Run(short.String(), func(t *testing.T) { testRestless(t, short) })
	}
}

func testRestless(t *testing.T, short time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		e := &restless{Engine: none.New(), lasting: short}
		w, r := reconciled(t, Options{Engine: e, Node: &Simulated{}})
		id := launched(t, w)
		named := func() bool {
			s, _ := r.status.get()
			return slices.ContainsFunc(s.Problems, func(p Problem) bool {
				return p.Resource == string(id) && strings.Contains(p.Message, "reboots itself")
			})
		}

		time.Sleep(4 * time.Minute)
		synctest.Wait()
		ms := time.Millisecond
		want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 51200 * ms, time.Minute, time.Minute}
		if d := cmp.Diff(want, e.last(11*time.Second)); d != "" {
			t.Errorf("pauses (-want +got):\n%s", d)
		}
		if !named() {
			s, _ := r.status.get()
			t.Errorf("the instance is not named: %+v", s)
		}

		update(t, w, func(tx *world.Tx) error { return tx.RebootInstances([]sim.InstanceID{id}) })
		synctest.Wait()
		if n := e.count(); n != 1 {
			t.Errorf("%d starts at once after a reboot that was asked for, want 1", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := e.last(short); slices.ContainsFunc(got, func(d time.Duration) bool { return d > 0 }) || len(got) < 4 {
			t.Errorf("pauses after runs that lasted: %v, want none", got)
		}
		if named() {
			t.Error("an instance that runs for a while is still named")
		}
	})
}

// reconciled runs a reconciler of an empty world until the test ends.
func reconciled(t *testing.T, o Options) (*world.World, *reconciler) {
	t.Helper()
	if err := o.setDefaults(); err != nil {
		t.Fatal(err)
	}
	st, err := openState("")
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(&o, st, newGauge(o.Engine, o.Log).room)
	if err != nil {
		t.Fatal(err)
	}
	r := newReconciler(o, w, o.Log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w, r
}

// launched makes an instance, with all that it stands on.
func launched(t *testing.T, w *world.World) (id sim.InstanceID) {
	t.Helper()
	update(t, w, func(tx *world.Tx) error {
		v, err := tx.CreateVPC(world.CreateVPC{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
		if err != nil {
			return err
		}
		n, err := tx.CreateSubnet(world.CreateSubnet{VPC: v.ID, CIDR: netip.MustParsePrefix("10.0.1.0/24")})
		if err != nil {
			return err
		}
		launch := world.RunInstances{Subnet: n.ID, MinCount: 1, MaxCount: 1}
		for launch.Image = range tx.Images.All() {
		}
		out, err := tx.RunInstances(launch)
		if err == nil {
			id = out.Instances[0].ID
		}
		return err
	})
	return id
}

func update(t *testing.T, w *world.World, f func(*world.Tx) error) {
	t.Helper()
	if err := w.UpdateAs(ec2.DefaultAccount, f); err != nil {
		t.Fatal(err)
	}
}
