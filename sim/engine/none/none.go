package none

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"labsim/sim"
	"labsim/sim/engine"
)

// Engine is an engine in memory. Make it with New.
type Engine struct {
	mu         sync.Mutex
	networks   map[string]engine.Network
	volumes    map[string]engine.Volume
	containers map[string]*simulated
	lastPID    int
	changed    chan struct{} // closed at the next change
}

// simulated is a container and what would be its process.
type simulated struct {
	engine.Container
	pid  int // 0: does not run
	exit int
}

var _ engine.Engine = (*Engine)(nil)

// New returns an engine on which nothing stands.
func New() *Engine {
	return &Engine{
		networks:   map[string]engine.Network{},
		volumes:    map[string]engine.Volume{},
		containers: map[string]*simulated{},
		lastPID:    1000,
		changed:    make(chan struct{}),
	}
}

// tell wakes who watches. The caller holds mu.
func (e *Engine) tell() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// Observe returns what stands. The engine has one life, so that Run never changes.
func (e *Engine) Observe(ctx context.Context) (*engine.Observed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	o := &engine.Observed{
		Run:        "none",
		Networks:   map[string]engine.ObservedObject{},
		Volumes:    map[string]engine.ObservedObject{},
		Containers: map[string]engine.ObservedContainer{},
	}
	for name, n := range e.networks {
		o.Networks[name] = engine.ObservedObject{Name: name, Kind: n.Kind, ID: n.ID}
	}
	for name, v := range e.volumes {
		o.Volumes[name] = engine.ObservedObject{Name: name, Kind: v.Kind, ID: v.ID}
	}
	for name, c := range e.containers {
		o.Containers[name] = engine.ObservedContainer{
			Name: name, Kind: c.Kind, ID: c.ID, Hash: c.Hash, Running: c.pid != 0, PID: c.pid, ExitCode: c.exit,
		}
	}
	return o, nil
}

// Watch calls f at once and after every change, until ctx ends.
func (e *Engine) Watch(ctx context.Context, f func()) error {
	for {
		e.mu.Lock()
		changed := e.changed
		e.mu.Unlock()
		f()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// EnsureNetwork makes the network, or replaces one of another range that nothing is on.
func (e *Engine) EnsureNetwork(_ context.Context, n engine.Network) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	have, stands := e.networks[n.Name]
	if stands && have.Kind == n.Kind && have.ID == n.ID && have.CIDR == n.CIDR {
		return nil
	}
	if stands {
		if user := e.userOf(n.Name); user != "" {
			return fmt.Errorf("network %s stands with another range and is in use by %s", n.Name, user)
		}
	}
	n.Labels = maps.Clone(n.Labels)
	e.networks[n.Name] = n
	e.tell()
	return nil
}

// userOf returns a running container on the network, or "". The caller holds mu.
func (e *Engine) userOf(network string) string {
	for name, c := range e.containers {
		if c.pid != 0 && slices.ContainsFunc(c.Interfaces, func(i engine.Interface) bool { return i.Network == network }) {
			return name
		}
	}
	return ""
}

// RemoveNetwork removes a network that nothing is on.
func (e *Engine) RemoveNetwork(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, stands := e.networks[name]; !stands {
		return nil
	}
	if user := e.userOf(name); user != "" {
		return fmt.Errorf("network %s is in use by %s", name, user)
	}
	delete(e.networks, name)
	e.tell()
	return nil
}

// EnsureVolume makes the volume.
func (e *Engine) EnsureVolume(_ context.Context, v engine.Volume) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if have, stands := e.volumes[v.Name]; stands && have.ID == v.ID && have.Kind == v.Kind {
		return nil
	}
	v.Labels = maps.Clone(v.Labels)
	e.volumes[v.Name] = v
	e.tell()
	return nil
}

// RemoveVolume removes a volume that no container has.
func (e *Engine) RemoveVolume(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, stands := e.volumes[name]; !stands {
		return nil
	}
	for user, c := range e.containers {
		if slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool { return m.Volume == name }) {
			return fmt.Errorf("volume %s is in use by %s", name, user)
		}
	}
	delete(e.volumes, name)
	e.tell()
	return nil
}

// Start pretends to run the container. What it needs has to stand, as on a real engine.
func (e *Engine) Start(_ context.Context, c engine.Container) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range c.Interfaces {
		if _, stands := e.networks[i.Network]; !stands {
			return fmt.Errorf("container %s: network %s not found", c.Name, i.Network)
		}
	}
	have := e.containers[c.Name]
	if have != nil && have.Hash == c.Hash {
		if have.pid != 0 {
			return nil
		}
		have.Limits = c.Limits
	} else {
		have = &simulated{Container: c}
		e.containers[c.Name] = have
	}
	e.lastPID++
	have.pid, have.exit = e.lastPID, 0
	e.tell()
	return nil
}

// Stop ends the pretence of a process.
func (e *Engine) Stop(_ context.Context, name string, _ int) error {
	e.Exit(name, 0)
	return nil
}

// Exit makes a running container's process end with that code, as if by itself.
func (e *Engine) Exit(name string, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.containers[name]; c != nil && c.pid != 0 {
		c.pid, c.exit = 0, code
		e.tell()
	}
}

// Remove removes the container, whether or not it runs.
func (e *Engine) Remove(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, stands := e.containers[name]; stands {
		delete(e.containers, name)
		e.tell()
	}
	return nil
}

// Disk knows of none: nothing takes room.
func (e *Engine) Disk() (sim.Disk, error) { return sim.Disk{}, nil }

// Roots has instances that write nothing.
func (e *Engine) Roots(context.Context) (map[sim.InstanceID]uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[sim.InstanceID]uint64{}
	for _, c := range e.containers {
		if c.Kind == engine.KindInstance {
			out[sim.InstanceID(c.ID)] = 0
		}
	}
	return out, nil
}

// Images has the built-in image only.
func (e *Engine) Images(context.Context) ([]engine.Image, error) {
	return []engine.Image{{
		Ref: "labsim/linux:latest", Digest: "none", Architecture: runtime.GOARCH,
		Labels: map[string]string{sim.LabelBuild: "none"},
	}}, nil
}
