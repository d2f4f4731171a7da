package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/engine"
	"labsim/sim/plan"
	"labsim/sim/world"
)

// setTimeout bounds one hand-over of a config: a whole dataplane takes a second.
const setTimeout = time.Minute

// compile compiles what the node has to program, or returns nil where that is
// what was compiled last: a config follows from the world and the edges alone.
func compile(r *reconciler, s *world.State, o *engine.Observed) *dataplane.Config {
	pids := map[sim.InternetGatewayID]int{}
	for _, c := range o.Containers {
		if c.Kind == engine.KindEdge && c.Running {
			pids[sim.InternetGatewayID(c.ID)] = c.PID
		}
	}
	config := dataplane.Compile(s, dataplane.CompileOptions{Site: r.site, Region: r.region, Public: r.public, EdgePIDs: pids})
	if r.config.lost() {
		config.Engine = told(s, o)
	}
	return config
}

// told is what the engine has told the agent of the containers that stand.
func told(s *world.State, o *engine.Observed) *dataplane.Engine {
	out := &dataplane.Engine{Volumes: map[string]sim.VolumeID{}}
	for _, c := range o.Containers {
		i, ok := s.Instances.Get(sim.InstanceID(c.ID))
		if !ok {
			continue
		}
		for id, e := range s.ENIsOfInstance(i.ID) {
			for network, endpoint := range c.Endpoints {
				if o.Networks[network].ID == string(e.Subnet) {
					out.Endpoints = append(out.Endpoints, dataplane.Endpoint{ID: endpoint, ENI: id, Sandbox: c.Sandbox})
				}
			}
		}
		for _, m := range c.Mounts {
			for _, d := range i.BlockDevices {
				if v := s.Volumes.Row(d.Volume); m.Path != "" && v.Tags.Value(sim.TagMount) == m.Path {
					out.Volumes[m.Volume] = v.ID
				}
			}
		}
	}
	slices.SortFunc(out.Endpoints, func(a, b dataplane.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// configurer hands the newest config to the node, one at a time.
type configurer struct {
	node  Node
	wake  func() // told of every change of view
	log   *slog.Logger
	dirty chan struct{} // buffered: one waits

	setting sync.Mutex // one hand-over at a time; taken before mu

	mu      sync.Mutex
	wanted  wanted
	held    wanted // acknowledged by the agent on session heldBy
	heldBy  uint64
	answer  dataplane.Report // to the hand-over of held
	state   NodeState
	there   chan struct{} // closed while the agent is connected
	away    chan struct{} // closed while it is not
	problem string
	retryAt time.Time
	wait    time.Duration
}

// wanted is a config and its content without the version, by which two configs
// of different worlds are told to be the same.
type wanted struct {
	config  *dataplane.Config
	content string
	needs   int // the revision that an agent has to read
}

func newConfigurer(n Node, wake func(), log *slog.Logger) *configurer {
	k := &configurer{node: n, wake: wake, log: log, dirty: make(chan struct{}, 1), there: make(chan struct{}), away: make(chan struct{})}
	close(k.away)
	return k
}

// want makes c the config to hand over.
func (k *configurer) want(c *dataplane.Config) {
	unversioned := *c
	unversioned.Version = 0
	data, err := json.Marshal(unversioned)
	if err != nil {
		panic("config does not encode: " + err.Error()) // plain data always does
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if content := string(data); content != k.wanted.content {
		k.wanted = wanted{config: c, content: content, needs: dataplane.Needs(c)}
		k.retryAt, k.wait = time.Time{}, 0
		k.touch()
	}
}

// view returns what the plan needs to know of the node, and its session.
func (k *configurer) view() (plan.Node, uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := plan.Node{Report: k.report(), Unread: k.unread()}
	if n.Unread == "" && k.state.Session != 0 && k.heldBy == k.state.Session {
		n.Config = k.held.config
		n.Current = k.held.content == k.wanted.content
	}
	return n, k.state.Session
}

// report returns what the node said last. Which of the answer to a hand-over and
// a report of the stream is newer can't be told, but a report about the config
// that is held follows the answer soon. k.mu is held.
func (k *configurer) report() dataplane.Report {
	streamed := k.state.Report
	if k.state.Session != 0 && k.heldBy == k.state.Session && streamed.Version != k.answer.Version {
		return k.answer
	}
	return streamed
}

// unread says why the agent that is connected can't be given the config, or "". What
// it still holds is not what the world asks for, so nothing starts by it. k.mu is held.
func (k *configurer) unread() string {
	if k.state.Session == 0 || k.wanted.needs <= k.state.Reads {
		return ""
	}
	return fmt.Sprintf("the agent is too old: it reads configs of revision %d, and this one needs %d", k.state.Reads, k.wanted.needs)
}

// lost reports whether the agent has lost what the engine told it.
func (k *configurer) lost() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.report().Lost
}

// now returns the node's state and what is wrong with its config.
func (k *configurer) now() (state NodeState, problem string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state, cmp.Or(k.unread(), k.problem)
}

// connected is closed once the agent is connected, disconnected once it is not.
func (k *configurer) connected() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.there
}

// disconnected: see connected.
func (k *configurer) disconnected() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.away
}

func (k *configurer) touch() {
	select {
	case k.dirty <- struct{}{}:
	default:
	}
}

func (k *configurer) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := k.node.Watch(ctx, k.noticed); err != nil && ctx.Err() == nil {
				k.log.Warn("the agent's reports broke off", "error", err)
			}
			sleep(ctx, time.Second)
		}
	})
	for {
		var timer <-chan time.Time
		if at := k.handOver(ctx); !at.IsZero() {
			timer = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return
		case <-k.dirty:
		case <-timer:
		}
	}
}

func (k *configurer) noticed(s NodeState) {
	k.mu.Lock()
	switch was := k.state.Session != 0; {
	case !was && s.Session != 0:
		k.away = make(chan struct{})
		close(k.there)
	case was && s.Session == 0:
		k.there = make(chan struct{})
		close(k.away)
	}
	k.state = s
	if s.Session != k.heldBy {
		k.retryAt, k.wait = time.Time{}, 0
	}
	k.mu.Unlock()
	k.touch()
	k.wake()
}

// handOver sets the newest config if the agent does not hold it, or could not do
// all of it. It returns when to try again; zero: when something changes.
func (k *configurer) handOver(ctx context.Context) (again time.Time) {
	k.setting.Lock()
	defer k.setting.Unlock()
	k.mu.Lock()
	w, session := k.wanted, k.state.Session
	holds := k.heldBy == session && k.held.content == w.content
	if holds {
		k.problem = firstProblem(k.report())
		if k.problem != "" && k.retryAt.IsZero() {
			k.wait = backoff(k.wait)
			k.retryAt = time.Now().Add(k.wait)
		}
	}
	retryAt, problem, unread := k.retryAt, k.problem, k.unread()
	k.mu.Unlock()
	switch {
	case w.config == nil || session == 0 || unread != "" || holds && problem == "":
		return time.Time{}
	case time.Now().Before(retryAt):
		return retryAt
	}
	ctx, cancel := context.WithTimeout(ctx, setTimeout)
	defer cancel()
	report, err := k.node.Set(ctx, w.config)
	defer k.wake()

	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state.Session != session {
		return time.Now() // it has connected anew meanwhile and may hold another one
	}
	k.retryAt = time.Time{}
	if err == nil {
		k.held, k.heldBy, k.answer = w, session, report
		return time.Now() // look at what it says
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // else control was told to end
		k.log.Warn("the agent did not take the config", "error", err)
	}
	k.problem = err.Error()
	if k.wanted.content != w.content {
		return time.Now()
	}
	k.wait = backoff(k.wait)
	k.retryAt = time.Now().Add(k.wait)
	return k.retryAt
}

// repair hands the node the config that it holds already: what was changed behind
// its back is put right. The error says what could not be.
func (k *configurer) repair(ctx context.Context) error {
	k.setting.Lock()
	defer k.setting.Unlock()
	k.mu.Lock()
	c, session, unread := k.wanted.config, k.state.Session, k.unread()
	k.mu.Unlock()
	switch {
	case session == 0 || c == nil:
		return errNoAgent
	case unread != "":
		return errors.New(unread)
	}
	ctx, cancel := context.WithTimeout(ctx, setTimeout)
	defer cancel()
	report, err := k.node.Set(ctx, c)
	if p := firstProblem(report); err == nil && p != "" {
		return errors.New(p)
	}
	return err
}

// tryAgain hands the config over at once if something was wrong with it. What the
// agent has said of it until then is forgotten.
func (k *configurer) tryAgain() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.problem == "" {
		return
	}
	k.problem, k.heldBy = "", 0
	k.retryAt, k.wait = time.Time{}, 0
	said := &k.state.Report
	said.Version, said.Errors = 0, nil // of no config: the next answer is newer
	said.Volumes = slices.Clone(said.Volumes)
	for i := range said.Volumes {
		said.Volumes[i].Error = ""
	}
	k.touch()
}

// firstProblem says what the agent could not do, or "".
func firstProblem(r dataplane.Report) string {
	if len(r.Errors) == 0 {
		return ""
	}
	return strings.TrimPrefix(r.Errors[0].Resource+": ", ": ") + r.Errors[0].Message
}

// backoff doubles a pause, from a quarter of a second to half a minute.
func backoff(d time.Duration) time.Duration {
	return min(max(2*d, 250*time.Millisecond), resync)
}
