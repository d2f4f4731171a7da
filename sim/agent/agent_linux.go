package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/dataplane/linux"
	"labsim/sim/ebs"
	"labsim/sim/idle"
	"labsim/sim/limit"
)

// Driver is what the agent needs of the dataplane; linux.Driver is one.
type Driver interface {
	dataplane.Driver
	// Join makes an interface and returns the name of the guest's end, which lies
	// in the engine's network namespace.
	Join(ctx context.Context, id sim.ENIID) (guestLink string, err error)
	// Leave removes an interface; one that isn't there is no error.
	Leave(ctx context.Context, id sim.ENIID) error
	// Rejoin puts the link of an interface back, where its router lacks it and
	// Agent.holder names a guest.
	Rejoin(id sim.ENIID) error
	// In runs f on a thread in the VPC's namespace.
	In(v sim.VPCID, f func() error) error
	Status(ctx context.Context) (linux.Status, error)
	// Drift compares the kernel with the config of the last Set. joined are the
	// interfaces that guests hold, with their network namespaces where known.
	Drift(ctx context.Context, joined map[sim.ENIID]*os.File) ([]dataplane.Drift, error)
	// Clear removes all routers.
	Clear(ctx context.Context) error
}

// Agent is one node's.
type Agent struct {
	site    sim.Site
	build   string
	node    string
	data    string // directory
	runDir  string // directory on the engine's machine
	mounts  string // what is mounted below it reaches the engine
	engine  *engine
	driver  Driver
	volumes *ebs.Store
	records *records
	sole    io.Closer // open as long as the process lives

	current atomic.Pointer[heldConfig]
	setting sync.Mutex    // orders configs; held while one is applied
	applied chan struct{} // closed when the first config has been applied
	once    sync.Once     // closes applied
	ends    chan error    // buffered: why the process has to end

	mu       sync.Mutex // guards what follows, never held across I/O
	version  uint64     // of the config tried last
	problems []dataplane.Problem

	guestMount *guestMount
	etc        *etcFiles
	guests     *guests
	services   *services
	changes    *broadcast

	pools    pools
	provoked limit.Log // for what guests can make the agent say
}

// options of an Agent; tests give their own.
type options struct {
	site        sim.Site
	build, node string
	data        string // the site's data directory
	runDir      string // the site's directory of sockets and pins
	mounts      string // what is mounted below it reaches the engine
	engine      *engine
	driver      Driver
	files       int // descriptors that the process may have
}

// newAgent loads what an earlier process has kept. It touches neither the
// network nor Docker.
func newAgent(o options) (*Agent, error) {
	a := &Agent{
		site: o.site, build: o.build, node: o.node, data: o.data, runDir: o.runDir, mounts: o.mounts,
		engine: o.engine, driver: o.driver,
		applied: make(chan struct{}), ends: make(chan error, 1),
		changes: newBroadcast(), pools: newBudget(o.files).pools(),
	}
	a.guestMount = &guestMount{source: a.guestDir(), target: filepath.Join(o.mounts, "guest")}
	a.etc = newEtcFiles(o.runDir, o.engine.in)
	a.guests = newGuests(a)
	a.services = newServices(a)
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return nil, err
	}
	var err error
	a.volumes, err = ebs.Open(filepath.Join(o.data, "ebs"), filepath.Join(o.mounts, "vols"), a.changed)
	if err != nil {
		return nil, err
	}
	var c dataplane.Config
	if err := readConfig(a.configFile(), &c); err != nil {
		log.Printf("starting without a config: %v", err)
		c = dataplane.Config{}
	}
	if c.Site != "" && c.Site != string(o.site) {
		log.Printf("starting without a config: the one here is of the site %s", c.Site)
		c = dataplane.Config{}
	}
	a.current.Store(hold(&c))
	a.records = openRecords(filepath.Join(o.data, "endpoints.json"), len(a.held().enis) > 0)
	// Before any hook may mount something.
	if err := a.reconcileMounts(); err != nil {
		log.Printf("volumes: %v", err)
	}
	return a, nil
}

func (a *Agent) configFile() string { return filepath.Join(a.data, "config.json") }
func (a *Agent) guestDir() string   { return filepath.Join(a.data, "guest") }

func (a *Agent) held() *heldConfig { return a.current.Load() }

// changed tells those who read reports that there is a new one.
func (a *Agent) changed() { a.changes.send() }

// startAgain ends the process once it has answered what it is asked now; Docker
// starts another. It returns err.
func (a *Agent) startAgain(err error) error {
	select {
	case a.ends <- err:
	default:
	}
	return err
}

// hooks are Docker's.
func (a *Agent) hooks() map[string]hook {
	all := map[string]hook{}
	for _, group := range []map[string]hook{a.networkHooks(), a.ipamHooks(), a.volumeHooks()} {
		for name, h := range group {
			all[name] = h
		}
	}
	return all
}

// resume applies the config that an earlier process kept.
func (a *Agent) resume(ctx context.Context) {
	a.setting.Lock()
	defer a.setting.Unlock()
	// Without a config nothing is known, so nothing is taken away either.
	if a.held().config.Site != "" {
		a.apply(ctx)
	}
	a.once.Do(func() { close(a.applied) })
}

// set takes a config over: it is on disk before it is in force, and in force
// before set returns.
func (a *Agent) set(ctx context.Context, c *dataplane.Config) (dataplane.Report, error) {
	if c.Site != string(a.site) {
		return dataplane.Report{}, fmt.Errorf("a config of the site %q came to the agent of %q", c.Site, a.site)
	}
	a.setting.Lock()
	defer a.setting.Unlock()
	b, err := json.Marshal(c)
	if err != nil {
		return dataplane.Report{}, err
	}
	old, _ := json.Marshal(a.held().config)
	kept := make(chan error, 1)
	go func() { // the disk takes as long as the kernel
		var err error
		if string(old) != string(b) {
			err = ebs.WriteFile(a.configFile(), b, 0o600)
		}
		kept <- err
	}()
	a.current.Store(hold(c))
	adoptErr := a.adopt(c.Engine)
	a.apply(ctx)
	if adoptErr != nil {
		a.addProblem(dataplane.Problem{Message: fmt.Sprintf("what the engine knows of containers could not be kept on disk: %v", adoptErr)})
	}
	if err := <-kept; err != nil { // in force all the same: it may be what closes a door
		a.addProblem(dataplane.Problem{Message: fmt.Sprintf("the config could not be kept on disk: %v", err)})
	}
	a.once.Do(func() { close(a.applied) })
	a.changed()
	return a.report(ctx), nil
}

// adopt fills the record that was lost from what the engine knows.
func (a *Agent) adopt(e *dataplane.Engine) error {
	if e == nil || !a.records.lost() {
		return nil
	}
	return a.records.update(func(r *record) { r.adopt(e, a.site.GuestVolume()) })
}

// apply makes the held config so. a.setting is held.
func (a *Agent) apply(ctx context.Context) {
	defer idle.Soon()
	h := a.held()
	problems := linux.Problems(a.driver.Set(ctx, h.config))
	problems = append(problems, a.etc.set(h)...)
	problems = append(problems, a.services.set(h)...)
	problems = append(problems, a.volumes.Set(h.config.Volumes)...)
	for _, p := range problems {
		log.Printf("config %d: %s: %s", h.config.Version, p.Resource, p.Message)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version, a.problems = h.config.Version, problems
}

func (a *Agent) addProblem(p dataplane.Problem) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.problems = append(slices.Clip(a.problems), p)
}

// report says what is so.
func (a *Agent) report(ctx context.Context) dataplane.Report {
	a.mu.Lock()
	r := dataplane.Report{Version: a.version, Errors: slices.Clone(a.problems)}
	a.mu.Unlock()
	status, err := a.driver.Status(ctx)
	r.Errors = append(r.Errors, linux.Problems(err)...)
	r.Links, r.Gateways, r.Machine = status.Links, status.Gateways, status.Machine
	r.Guests = a.guests.list()
	r.Volumes = a.volumes.Status()
	r.Lost = a.records.lost()
	return r
}

// drift looks what has changed behind the agent's back.
func (a *Agent) drift(ctx context.Context) ([]dataplane.Drift, error) {
	joined := map[sim.ENIID]*os.File{}
	held := a.held()
	for id := range a.records.joined() {
		joined[id] = nil
		if eni, ok := held.eni(id); ok && eni.Instance != "" {
			if ns, err := a.namespace(eni.Instance); err == nil { // else it isn't connected: nothing is known
				defer ns.Close()
				joined[id] = ns
			}
		}
	}
	// A guest that is here and on no network any more was disconnected.
	here := map[sim.InstanceID]bool{}
	for _, g := range a.guests.list() {
		here[g.Instance] = true
	}
	for id, eni := range held.enis {
		if _, ok := joined[id]; !ok && here[eni.Instance] {
			joined[id] = nil
		}
	}
	drift, err := a.driver.Drift(ctx, joined)
	return append(drift, a.volumes.Drift()...), err
}

// reconcileMounts compares the users of volumes that are on record with what is
// mounted: a mount without a user is taken away (a crash between mounting and
// writing it down), a user of what isn't mounted is forgotten (a reboot).
func (a *Agent) reconcileMounts() error {
	mounted := a.volumes.Mounted()
	err := a.records.update(func(r *record) {
		for name, v := range r.Volumes {
			if !v.Guest && !slices.Contains(mounted, v.ID) {
				v.Users = nil
				r.Volumes[name] = v
			}
		}
	})
	errs := []error{err}
	if a.records.lost() { // who uses what is not known yet
		return err
	}
	for _, id := range mounted {
		used := false
		for _, v := range a.records.volumes() {
			used = used || v.ID == id && len(v.Users) > 0
		}
		if !used {
			errs = append(errs, a.volumes.Unmount(id))
		}
	}
	return errors.Join(errs...)
}

// leave removes everything of the site from the engine's machine but the data
// of the volumes, and that too if asked.
func (a *Agent) leave(ctx context.Context, withData bool) error {
	a.setting.Lock()
	defer a.setting.Unlock()
	a.services.set(hold(&dataplane.Config{}))
	a.etc.set(hold(&dataplane.Config{})) // what stays of it, emptyDir complains of
	errs := []error{
		a.driver.Clear(ctx),
		a.volumes.Clear(),
		a.guests.close(),
		a.guestMount.unmount(),
	}
	if withData {
		errs = append(errs, a.volumes.Purge())
	}
	a.current.Store(hold(&dataplane.Config{}))
	errs = append(errs, a.records.update(func(r *record) { *r = record{}; r.fill() }))
	for _, path := range []string{a.configFile(), a.records.path, a.guestDir()} {
		errs = append(errs, os.RemoveAll(path))
	}
	errs = append(errs, a.engine.emptyDir(a.runDir))
	return errors.Join(errs...)
}
