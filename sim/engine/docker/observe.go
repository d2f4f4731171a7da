package docker

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"labsim/sim"
	"labsim/sim/engine"
)

// ours filters for the site's label.
func (e *Engine) ours(more ...string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", sim.LabelSite+"="+string(e.site)))
	for _, label := range more {
		f.Add("label", label)
	}
	return f
}

// reconciled are the kinds that the reconciler makes and removes; control, its
// network and its state are Install's.
func reconciled(k engine.Kind) bool {
	switch k {
	case engine.KindSubnet, engine.KindInternet, engine.KindInstance, engine.KindEdge, engine.KindVolume, engine.KindGuest:
		return true
	}
	return false
}

// Observe asks three lists at once. A process id is inspected only for what
// runs, and remembered while Watch would tell of its end.
func (e *Engine) Observe(ctx context.Context) (*engine.Observed, error) {
	o := &engine.Observed{
		Networks:   map[string]engine.ObservedObject{},
		Volumes:    map[string]engine.ObservedObject{},
		Containers: map[string]engine.ObservedContainer{},
	}
	err := all(
		func() error { return e.observeNetworks(ctx, o) },
		func() error { return e.observeVolumes(ctx, o.Volumes) },
		func() error { return e.observeContainers(ctx, o.Containers) },
	)
	if err != nil {
		return nil, err
	}
	return o, nil
}

// observeNetworks lists all networks, as Docker's own bridge tells the engine's life.
func (e *Engine) observeNetworks(ctx context.Context, o *engine.Observed) error {
	list, err := e.c.NetworkList(ctx, network.ListOptions{})
	for _, n := range list {
		if n.Name == network.NetworkBridge {
			o.Run = n.ID
		}
		if k := engine.Kind(n.Labels[sim.LabelKind]); n.Labels[sim.LabelSite] == string(e.site) && reconciled(k) {
			o.Networks[n.Name] = engine.ObservedObject{Name: n.Name, Kind: k, ID: n.Labels[sim.LabelID]}
		}
	}
	return err
}

// observeVolumes asks the site's own driver alone. Docker would ask all of them, and
// wait 15 s for one that is on its way out, as that of another site may be.
func (e *Engine) observeVolumes(ctx context.Context, into map[string]engine.ObservedObject) error {
	f := e.ours()
	f.Add("driver", e.site.Plugin())
	list, err := e.c.VolumeList(ctx, volume.ListOptions{Filters: f})
	for _, v := range list.Volumes {
		if k := engine.Kind(v.Labels[sim.LabelKind]); reconciled(k) {
			into[v.Name] = engine.ObservedObject{Name: v.Name, Kind: k, ID: v.Labels[sim.LabelID]}
		}
	}
	return err
}

func (e *Engine) observeContainers(ctx context.Context, into map[string]engine.ObservedContainer) error {
	list, err := e.c.ContainerList(ctx, container.ListOptions{All: true, Filters: e.ours()})
	if err != nil {
		return err
	}
	processes, err := e.processes.of(ctx, e, list)
	if err != nil {
		return err
	}
	for _, c := range list {
		k := engine.Kind(c.Labels[sim.LabelKind])
		if !reconciled(k) || len(c.Names) == 0 {
			continue
		}
		p := processes[c.ID]
		o := engine.ObservedContainer{
			Name: strings.TrimPrefix(c.Names[0], "/"), Kind: k, ID: c.Labels[sim.LabelID],
			Hash: c.Labels[sim.LabelHash], PID: p.pid, ExitCode: cmp.Or(p.exit, exitCode(c.Status)),
		}
		for _, m := range c.Mounts {
			if m.Type == mount.TypeVolume {
				o.Mounts = append(o.Mounts, engine.Mount{Volume: m.Name, Path: m.Destination, ReadOnly: !m.RW})
			}
		}
		// A container that ended between list and inspect does not run.
		if o.Running = c.State == container.StateRunning && o.PID != 0; o.Running {
			o.Endpoints, o.Sandbox = endpoints(c), p.sandbox
		}
		into[o.Name] = o
	}
	return nil
}

// endpoints are what joins a container to networks now.
func endpoints(c container.Summary) map[string]string {
	if c.NetworkSettings == nil {
		return nil
	}
	out := map[string]string{}
	for name, n := range c.NetworkSettings.Networks {
		if n != nil && n.EndpointID != "" {
			out[name] = n.EndpointID
		}
	}
	return out
}

var exited = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^Exited \((-?\d+)\)`)
})

// exitCode reads the list's status ("Exited (137) 3 minutes ago"), which spares an inspect.
func exitCode(status string) int {
	m := exited().FindStringSubmatch(status)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// process is what only an inspect tells of a container that runs.
type process struct {
	pid     int
	sandbox string
	exit    int // of one that has ended since the list
}

// processCache remembers processes by container while a Watch runs: its events
// strike out what starts and ends. Without a Watch nothing is remembered.
type processCache struct {
	mu       sync.Mutex
	watchers int
	changes  int // raised by every event, so that an answer older than it is not kept
	known    map[string]process
}

func (p *processCache) watch(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers += n
	p.known = map[string]process{}
}

func (p *processCache) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, id)
	p.changes++
}

func (p *processCache) get(id string) (found process, changes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[id], p.changes
}

func (p *processCache) put(id string, found process, changes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watchers > 0 && p.changes == changes {
		p.known[id] = found
	}
}

// inspectAtOnce bounds the requests in flight; an engine serves little faster with more.
const inspectAtOnce = 4

// of returns the processes of the running containers in list.
func (p *processCache) of(ctx context.Context, e *Engine, list []container.Summary) (map[string]process, error) {
	found := map[string]process{}
	var mu sync.Mutex
	var ask []func() error
	for _, c := range list {
		if c.State != container.StateRunning || !reconciled(engine.Kind(c.Labels[sim.LabelKind])) {
			continue
		}
		known, changes := p.get(c.ID)
		if known.pid != 0 {
			found[c.ID] = known
			continue
		}
		ask = append(ask, func() error {
			in, err := e.c.ContainerInspect(ctx, c.ID)
			if notFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			is := process{exit: in.State.ExitCode}
			if in.State.Running && in.State.Pid != 0 {
				is = process{pid: in.State.Pid}
				if in.NetworkSettings != nil {
					is.sandbox = in.NetworkSettings.SandboxKey
				}
				p.put(c.ID, is, changes)
			}
			mu.Lock()
			found[c.ID] = is
			mu.Unlock()
			return nil
		})
	}
	return found, atMost(inspectAtOnce, ask)
}

// Watch follows the engine's events. Events of networks and volumes carry no
// labels, so the filter is here: by driver, and by label for containers.
func (e *Engine) Watch(ctx context.Context, f func()) error {
	e.processes.watch(1)
	defer e.processes.watch(-1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, errs := e.c.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", "container"), filters.Arg("type", "network"),
		filters.Arg("type", "volume"), filters.Arg("type", "plugin"),
	)})
	// What happened before the stream stood has to be seen too.
	f()
	for {
		select {
		case m := <-messages:
			if e.concerns(m) {
				e.processes.forget(m.Actor.ID)
				f()
			}
		case err := <-errs:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("events of %s: %w", e.at.Host, err)
		}
	}
}

func (e *Engine) concerns(m events.Message) bool {
	a := m.Actor.Attributes
	switch m.Type {
	case events.ContainerEventType:
		// Execs and health checks change nothing that Observe returns.
		return a[sim.LabelSite] == string(e.site) && !strings.HasPrefix(string(m.Action), "exec_") &&
			!strings.HasPrefix(string(m.Action), "health_")
	case events.NetworkEventType:
		return a["type"] == e.site.Plugin() || a["name"] == e.site.Internet()
	case events.VolumeEventType:
		return a["driver"] == e.site.Plugin()
	case events.PluginEventType:
		return true // its name is what Docker was asked by: a name or an id
	}
	return false
}

// labelAMI marks an image that serves as an AMI.
const labelAMI = "labsim.ami"

// Images lists images with the label labsim.ami, and the system image of the
// current build (older ones have lost their tag "latest").
func (e *Engine) Images(ctx context.Context) ([]engine.Image, error) {
	var out []engine.Image
	seen := map[string]bool{}
	for _, label := range []string{labelAMI, sim.LabelBuild} {
		list, err := e.c.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			ref := bestRef(s.RepoTags, label == sim.LabelBuild)
			if ref == "" || seen[s.ID] || isRoot(s) {
				continue
			}
			seen[s.ID] = true
			in, err := e.c.ImageInspect(ctx, s.ID)
			if notFound(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			out = append(out, engine.Image{Ref: ref, Digest: s.ID, Architecture: in.Architecture, Labels: s.Labels})
		}
	}
	slices.SortFunc(out, func(a, b engine.Image) int { return strings.Compare(a.Ref, b.Ref) })
	return out, nil
}

// bestRef prefers the tag "latest", which names what the user means.
func bestRef(tags []string, latestOnly bool) string {
	slices.Sort(tags)
	for _, t := range tags {
		if strings.HasSuffix(t, ":latest") {
			return t
		}
	}
	if latestOnly || len(tags) == 0 || tags[0] == "<none>:<none>" {
		return ""
	}
	return tags[0]
}
