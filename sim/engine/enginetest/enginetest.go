package enginetest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/engine"
)

// Subject is an engine under test, with what the suite may use on it.
type Subject struct {
	Engine engine.Engine
	Site   sim.Site
	// Image is an image whose instances live until they are stopped.
	Image string
	// Subnet is a network that the engine's agent knows, with an interface on it.
	// A zero value skips what needs one.
	Subnet    engine.Network
	Interface engine.Interface
	// Public is a free range for the internet network.
	Public netip.Prefix
	// Volume is a volume that the engine's agent knows.
	Volume engine.Volume
}

// patience bounds every wait: engines under load are slow.
const patience = 30 * time.Second

// Run runs the suite. open is called once; what it returns stands empty.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	s := suite{open(t)}
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"Empty", s.empty},
		{"Removes of nothing", s.removesOfNothing},
		{"Network", s.network},
		{"Network at once", s.networkAtOnce},
		{"Network of another range", s.networkReplaced},
		{"Volume", s.volume},
		{"Edge", s.edge},
		{"Instance", s.instance},
		{"Start at once", s.startAtOnce},
		{"Hash", s.hash},
		{"Missing network", s.missingNetwork},
		{"Watch", s.watch},
		{"Images", s.images},
		{"Cancelled", s.cancelled},
	} {
		t.Run(c.name, c.test)
		s.sweep(t)
	}
}

type suite struct{ Subject }

func (s suite) observe(t *testing.T) *engine.Observed {
	t.Helper()
	o, err := s.Engine.Observe(t.Context())
	if err != nil {
		t.Fatal("observe:", err)
	}
	return o
}

// sweep removes everything, so that each test begins with nothing.
func (s suite) sweep(t *testing.T) {
	t.Helper()
	o := s.observe(t)
	for name := range o.Containers {
		must(t, s.Engine.Remove(t.Context(), name))
	}
	for name := range o.Networks {
		must(t, s.Engine.RemoveNetwork(t.Context(), name))
	}
	for name, v := range o.Volumes {
		if v.Kind != engine.KindGuest {
			must(t, s.Engine.RemoveVolume(t.Context(), name))
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// twice: every method may be called again.
func twice(t *testing.T, f func() error) {
	t.Helper()
	for i := range 2 {
		if err := f(); err != nil {
			t.Fatalf("call %d: %v", i+1, err)
		}
	}
}

func (s suite) internet() engine.Network {
	return engine.Network{Name: s.Site.Internet(), Kind: engine.KindInternet, CIDR: s.Public}
}

func (s suite) edgeContainer() engine.Container {
	const id = "igw-0123456789abcdef0"
	return engine.Container{
		Name: s.Site.Edge(id), Kind: engine.KindEdge, ID: id, Hash: "1", Image: s.Image, Hostname: id,
		Interfaces: []engine.Interface{{Network: s.Site.Internet()}},
		Limits:     engine.Limits{MemoryMiB: 64, PIDs: 64},
	}
}

func (s suite) empty(t *testing.T) {
	o := s.observe(t)
	for name, v := range o.Volumes {
		if v.Kind == engine.KindGuest { // the box's own
			delete(o.Volumes, name)
		}
	}
	want := &engine.Observed{
		Run: o.Run, Networks: map[string]engine.ObservedObject{}, Volumes: map[string]engine.ObservedObject{},
		Containers: map[string]engine.ObservedContainer{},
	}
	if d := cmp.Diff(want, o); d != "" {
		t.Errorf("a new site (-want +got):\n%s", d)
	}
	if again := s.observe(t).Run; again != o.Run {
		t.Errorf("Run changed from %q to %q without a restart", o.Run, again)
	}
}

func (s suite) removesOfNothing(t *testing.T) {
	ctx, name := t.Context(), string(s.Site)+"-nothing"
	must(t, s.Engine.RemoveNetwork(ctx, name))
	must(t, s.Engine.RemoveVolume(ctx, name))
	must(t, s.Engine.Stop(ctx, name, 1))
	must(t, s.Engine.Remove(ctx, name))
}

func (s suite) network(t *testing.T) {
	for _, n := range []engine.Network{s.internet(), s.Subnet} {
		if n.Name == "" {
			continue
		}
		twice(t, func() error { return s.Engine.EnsureNetwork(t.Context(), n) })
		want := map[string]engine.ObservedObject{n.Name: {Name: n.Name, Kind: n.Kind, ID: n.ID}}
		if d := cmp.Diff(want, s.observe(t).Networks); d != "" {
			t.Errorf("after EnsureNetwork (-want +got):\n%s", d)
		}
		twice(t, func() error { return s.Engine.RemoveNetwork(t.Context(), n.Name) })
		if o := s.observe(t); len(o.Networks) != 0 {
			t.Errorf("after RemoveNetwork stand %v", o.Networks)
		}
	}
}

// networkAtOnce: several at once end with one network, removed by one call.
func (s suite) networkAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _ = s.Engine.EnsureNetwork(t.Context(), s.internet()) })
	}
	wg.Wait()
	must(t, s.Engine.EnsureNetwork(t.Context(), s.internet()))
	must(t, s.Engine.RemoveNetwork(t.Context(), s.Site.Internet()))
	if o := s.observe(t); len(o.Networks) != 0 {
		t.Errorf("a second network of the name stands: %v", o.Networks)
	}
}

func (s suite) networkReplaced(t *testing.T) {
	ctx := t.Context()
	must(t, s.Engine.EnsureNetwork(ctx, s.internet()))
	other := s.internet()
	other.CIDR = netip.PrefixFrom(sim.AddrAt(s.Public, 0).Prev(), 24).Masked()
	must(t, s.Engine.EnsureNetwork(ctx, other))
	must(t, s.Engine.EnsureNetwork(ctx, s.internet()))
	must(t, s.Engine.Start(ctx, s.edgeContainer()))
	if err := s.Engine.EnsureNetwork(ctx, other); err == nil {
		t.Error("a network in use was replaced")
	}
	if !s.observe(t).Containers[s.edgeContainer().Name].Running {
		t.Error("the container on the network does not run any more")
	}
}

func (s suite) volume(t *testing.T) {
	if s.Volume.Name == "" {
		t.Skip("no volume to test with")
	}
	twice(t, func() error { return s.Engine.EnsureVolume(t.Context(), s.Volume) })
	want := engine.ObservedObject{Name: s.Volume.Name, Kind: engine.KindVolume, ID: s.Volume.ID}
	if d := cmp.Diff(want, s.observe(t).Volumes[s.Volume.Name]); d != "" {
		t.Errorf("after EnsureVolume (-want +got):\n%s", d)
	}
	twice(t, func() error { return s.Engine.RemoveVolume(t.Context(), s.Volume.Name) })
	if _, stands := s.observe(t).Volumes[s.Volume.Name]; stands {
		t.Error("the volume stands after RemoveVolume")
	}
}

func (s suite) edge(t *testing.T) {
	must(t, s.Engine.EnsureNetwork(t.Context(), s.internet()))
	s.life(t, s.edgeContainer())
}

func (s suite) instanceContainer() engine.Container {
	const id = "i-0123456789abcdef0"
	c := engine.Container{
		Name: string(s.Site) + "-web-1", Kind: engine.KindInstance, ID: id, Hash: "1", Image: s.Image,
		Hostname: "ip-10-0-1-10.ec2.internal", Interfaces: []engine.Interface{s.Interface},
		Limits: engine.Limits{CPUs: 0.5, MemoryMiB: 128, PIDs: 256, Files: 1024},
		DNS:    []netip.Addr{netip.MustParseAddr("10.0.0.2")}, Env: []string{"LABSIM_INSTANCE=" + id},
	}
	if s.Volume.Name != "" {
		c.Mounts = []engine.Mount{{Volume: s.Volume.Name, Path: "/data"}}
	}
	return c
}

func (s suite) instance(t *testing.T) {
	if s.Subnet.Name == "" {
		t.Skip("no subnet to test with")
	}
	must(t, s.Engine.EnsureNetwork(t.Context(), s.Subnet))
	if s.Volume.Name != "" {
		must(t, s.Engine.EnsureVolume(t.Context(), s.Volume))
	}
	s.life(t, s.instanceContainer())
}

// life follows a container from its start to its removal.
func (s suite) life(t *testing.T, c engine.Container) {
	t.Helper()
	ctx := t.Context()
	twice(t, func() error { return s.Engine.Start(ctx, c) })
	first := s.observe(t).Containers[c.Name]
	want := engine.ObservedContainer{Name: c.Name, Kind: c.Kind, ID: c.ID, Hash: c.Hash, Running: true, PID: first.PID,
		Endpoints: first.Endpoints, Sandbox: first.Sandbox, Mounts: first.Mounts}
	if d := cmp.Diff(want, first); d != "" || first.PID == 0 {
		t.Fatalf("after Start, process %d (-want +got):\n%s", first.PID, d)
	}
	twice(t, func() error { return s.Engine.Stop(ctx, c.Name, 5) })
	if o := s.observe(t).Containers[c.Name]; o.Running || o.PID != 0 || o.Hash != c.Hash {
		t.Errorf("after Stop: %+v", o)
	}
	must(t, s.Engine.Start(ctx, c))
	if o := s.observe(t).Containers[c.Name]; !o.Running || o.PID == first.PID {
		t.Errorf("after Start again: %+v, before %+v", o, first)
	}
	roots, err := s.Engine.Roots(ctx)
	must(t, err)
	if _, weighed := roots[sim.InstanceID(c.ID)]; weighed != (c.Kind == engine.KindInstance) {
		t.Errorf("a %s is among the root disks: %v", c.Kind, roots)
	}
	twice(t, func() error { return s.Engine.Remove(ctx, c.Name) })
	if o, stands := s.observe(t).Containers[c.Name]; stands {
		t.Errorf("after Remove stands %+v", o)
	}
}

func (s suite) startAtOnce(t *testing.T) {
	must(t, s.Engine.EnsureNetwork(t.Context(), s.internet()))
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() { errs[i] = s.Engine.Start(t.Context(), s.edgeContainer()) })
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	if n := len(s.observe(t).Containers); n != 1 {
		t.Errorf("%d containers stand", n)
	}
}

func (s suite) hash(t *testing.T) {
	ctx, c := t.Context(), s.edgeContainer()
	must(t, s.Engine.EnsureNetwork(ctx, s.internet()))
	must(t, s.Engine.Start(ctx, c))
	first := s.observe(t).Containers[c.Name]
	c.Hash = "2"
	must(t, s.Engine.Start(ctx, c))
	second := s.observe(t).Containers[c.Name]
	if second.Hash != "2" || !second.Running || second.PID == first.PID {
		t.Errorf("after a start with another hash: %+v, before %+v", second, first)
	}
}

func (s suite) missingNetwork(t *testing.T) {
	c := s.edgeContainer()
	c.Interfaces[0].Network += "-missing"
	if err := s.Engine.Start(t.Context(), c); err == nil {
		t.Error("a container started on a network that does not exist")
	}
	if s.observe(t).Containers[c.Name].Running {
		t.Error("it runs")
	}
}

// watch: every change is followed by a call, after which Observe shows it.
func (s suite) watch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	called := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Engine.Watch(ctx, func() {
			select {
			case called <- struct{}{}:
			default:
			}
		})
	}()
	until := func(what string, so func(*engine.Observed) bool) {
		t.Helper()
		limit := time.After(patience)
		for {
			select {
			case <-called:
				if so(s.observe(t)) {
					return
				}
			case <-limit:
				t.Fatalf("no call after which %s", what)
			}
		}
	}
	c := s.edgeContainer()
	pid := 0
	until("anything stands", func(*engine.Observed) bool { return true })
	must(t, s.Engine.EnsureNetwork(ctx, s.internet()))
	until("the network stands", func(o *engine.Observed) bool { return len(o.Networks) == 1 })
	must(t, s.Engine.Start(ctx, c))
	until("the container runs", func(o *engine.Observed) bool { pid = o.Containers[c.Name].PID; return pid != 0 })
	must(t, s.Engine.Stop(ctx, c.Name, 5))
	until("it has ended", func(o *engine.Observed) bool { return !o.Containers[c.Name].Running })
	must(t, s.Engine.Start(ctx, c))
	until("it runs anew", func(o *engine.Observed) bool { p := o.Containers[c.Name].PID; return p != 0 && p != pid })
	must(t, s.Engine.Remove(ctx, c.Name))
	until("it is gone", func(o *engine.Observed) bool { return len(o.Containers) == 0 })
	cancel()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("Watch goes on after its context has ended")
	}
}

func (s suite) images(t *testing.T) {
	list, err := s.Engine.Images(t.Context())
	must(t, err)
	if !slices.ContainsFunc(list, func(i engine.Image) bool { return i.Ref == "labsim/linux:latest" && i.Architecture != "" }) {
		t.Errorf("the built-in image is not among %+v", list)
	}
}

func (s suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Engine.Observe(ctx); err == nil {
		t.Error("Observe works with a context that has ended")
	}
}
