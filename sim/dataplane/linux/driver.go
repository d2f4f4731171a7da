//go:build linux

package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Options of a Driver; all but Mended are required.
type Options struct {
	Site sim.Site
	// Pins holds the routers, under their VPC's id.
	Pins Pins
	// HostNS opens the engine's network namespace, where the engine expects the
	// guest's end of an interface; the driver closes what it gets.
	HostNS func() (netns.NsHandle, error)
	// Guest opens the network namespace of the guest that runs and holds the
	// interface, which the driver closes; false: there is none, or not for sure.
	// It is called while the interface's router is locked. nil: there never is.
	Guest func(sim.ENIID) (netns.NsHandle, bool)
	// Mended is told whose rules or link somebody else had taken and were put back at
	// once, or why they could not be; nil: nobody is told.
	Mended func(resource string, err error)
}

// Driver is the dataplane.Driver of Linux. It may be called concurrently: what
// concerns one VPC waits for that VPC only.
type Driver struct {
	o       Options
	setting sync.Mutex // one Set or Clear at a time
	guard   guard

	mu      sync.Mutex // guards what follows, never held across I/O
	routers map[sim.VPCID]*router
	places  map[sim.ENIID]place

	// writes counts changes made to the kernel. A Set that finds everything as
	// it should be makes none.
	writes atomic.Int64
	// blind: rules that somebody else changes are left to the next Set.
	blind atomic.Bool
}

var _ dataplane.Driver = (*Driver)(nil)

// place is where the held config has an interface.
type place struct {
	vpc sim.VPCID
	eni dataplane.ENI
}

// New returns a driver that holds no config yet and has touched nothing.
func New(o Options) (*Driver, error) {
	if o.Site == "" || o.Pins == nil || o.HostNS == nil {
		return nil, errors.New("dataplane: site, pins and host namespace are required")
	}
	d := &Driver{o: o, routers: make(map[sim.VPCID]*router)}
	d.guard.d = d
	return d, nil
}

// Set implements dataplane.Driver. The error joins what could not be
// programmed; Problems takes it apart.
func (d *Driver) Set(ctx context.Context, c *dataplane.Config) error {
	d.setting.Lock()
	defer d.setting.Unlock()
	c, err := d.guarded(c) // before any edge gets a way out
	errs := []error{err}
	d.hold(c)
	for _, v := range c.VPCs {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, d.router(v.ID).set(c.Public, v))
	}
	errs = append(errs, d.removeOthers(ctx, func(id sim.VPCID) bool {
		return slices.ContainsFunc(c.VPCs, func(v dataplane.VPC) bool { return v.ID == id })
	}))
	// Last, when no other edge answers for a moved address any more.
	for _, v := range c.VPCs {
		errs = append(errs, about(string(v.ID), d.router(v.ID).announce()))
	}
	// After an error an edge may still have its way out.
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return d.unguard(c)
}

// hold makes c the config that Join answers from.
func (d *Driver) hold(c *dataplane.Config) {
	places := make(map[sim.ENIID]place)
	for _, v := range c.VPCs {
		for _, e := range v.ENIs {
			places[e.ID] = place{v.ID, e}
		}
	}
	for _, v := range c.VPCs {
		d.router(v.ID).hold(c.Public, v)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places = places
}

func (d *Driver) router(id sim.VPCID) *router {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.routers[id]
	if r == nil {
		r = newRouter(d, id)
		d.routers[id] = r
	}
	return r
}

// all returns the routers, in no order.
func (d *Driver) all() []*router {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.routers))
}

// removeOthers removes the routers that keep doesn't want, those of an earlier
// process included.
func (d *Driver) removeOthers(ctx context.Context, keep func(sim.VPCID) bool) error {
	ids, err := d.standing()
	errs := []error{err}
	for _, id := range ids {
		if keep(id) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if err := d.router(id).remove(); err != nil {
			errs = append(errs, about(string(id), err))
			continue
		}
		d.mu.Lock()
		delete(d.routers, id)
		d.mu.Unlock()
	}
	return errors.Join(errs...)
}

// standing returns whose routers are known or pinned, those of an earlier process
// included. What it could find it returns with an error, too.
func (d *Driver) standing() (ids []sim.VPCID, err error) {
	names, err := d.o.Pins.List()
	for _, name := range names {
		ids = append(ids, sim.VPCID(name))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.routers {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// Clear removes every router of the site with its interfaces, and what it has in
// the engine's namespace.
func (d *Driver) Clear(ctx context.Context) error {
	d.setting.Lock()
	defer d.setting.Unlock()
	d.hold(&dataplane.Config{})
	if err := d.removeOthers(ctx, func(sim.VPCID) bool { return false }); err != nil {
		return err
	}
	return d.guard.remove()
}

// Close ends the watch over the rules, and leaves what stands in the kernel. A Driver
// of an earlier process must not mend what a later one makes.
func (d *Driver) Close() {
	d.blind.Store(true)
	d.guard.mu.Lock()
	d.guard.unwatch()
	d.guard.mu.Unlock()
	for _, r := range d.all() {
		r.mu.Lock()
		r.unwatch()
		r.mu.Unlock()
	}
}

// Join makes the interface, replacing what is left of an earlier one, and
// returns the name of the guest's end, which lies in the engine's namespace.
// Rules are in force before its link is up.
func (d *Driver) Join(ctx context.Context, id sim.ENIID) (guestLink string, err error) {
	d.mu.Lock()
	p, ok := d.places[id]
	d.mu.Unlock()
	if !ok {
		return "", fmt.Errorf("network interface %s is not known to labsim: interfaces are made by labsim up, not by the engine", id)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := d.router(p.vpc).join(p.eni); err != nil {
		return "", about(string(id), err)
	}
	return d.o.Site.GuestLink(id), nil
}

// Leave removes the interface, whether the held config has it or not.
func (d *Driver) Leave(_ context.Context, id sim.ENIID) error {
	d.mu.Lock()
	p, ok := d.places[id]
	d.mu.Unlock()
	ids, err := []sim.VPCID{p.vpc}, error(nil)
	if !ok {
		ids, err = d.standing()
	}
	errs := []error{err}
	for _, v := range ids {
		errs = append(errs, d.router(v).leave(id))
	}
	return about(string(id), errors.Join(errs...))
}

// Rejoin puts the interface's link back, where the router lacks it and its guest
// has just been heard of: the Set before did not know the guest.
func (d *Driver) Rejoin(id sim.ENIID) error {
	d.mu.Lock()
	p, ok := d.places[id]
	d.mu.Unlock()
	if !ok {
		return nil
	}
	return d.router(p.vpc).rejoin()
}

// In runs f on a thread in the VPC's namespace; sockets that it opens stay there.
func (d *Driver) In(v sim.VPCID, f func() error) error {
	ns, err := d.o.Pins.Open(string(v))
	if err != nil {
		return about(string(v), err)
	}
	defer ns.Close()
	return inNS(ns, f)
}

// Counters implements dataplane.Driver.
func (d *Driver) Counters(_ context.Context, v sim.VPCID) ([]dataplane.Counter, error) {
	ns, err := d.o.Pins.Open(string(v))
	if err != nil {
		return nil, about(string(v), err)
	}
	defer ns.Close()
	out, err := d.exceeded(ns)
	if err != nil {
		return nil, about(string(v), err)
	}
	for _, family := range []nftables.TableFamily{nftables.TableFamilyINet, nftables.TableFamilyARP} {
		values, err := counters(ns, family, "vpc")
		if err != nil {
			return nil, about(string(v), err)
		}
		for id, c := range values {
			out = append(out, dataplane.Counter{ID: id, Packets: c.Packets, Bytes: c.Bytes})
		}
	}
	slices.SortFunc(out, func(a, b dataplane.Counter) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// Status is what stands in the kernel right now.
type Status struct {
	Links    []sim.ENIID             // interfaces whose router end is up, sorted
	Gateways []sim.InternetGatewayID // gateways whose translation is in force, sorted
	Machine  []netip.Addr            // as dataplane.Report has them, sorted
}

// Status looks at all routers of the held config.
func (d *Driver) Status(context.Context) (Status, error) {
	var s Status
	machine, err := d.machine()
	s.Machine = machine
	errs := []error{err}
	for _, r := range d.all() {
		links, gateway, err := r.status()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, about(string(r.id), err))
		}
		s.Links = append(s.Links, links...)
		if gateway != "" {
			s.Gateways = append(s.Gateways, gateway)
		}
	}
	slices.Sort(s.Links)
	slices.Sort(s.Gateways)
	return s, errors.Join(errs...)
}

// resourceError is an error about one resource of the config.
type resourceError struct {
	resource string
	err      error
}

func (e *resourceError) Error() string { return e.resource + ": " + e.err.Error() }
func (e *resourceError) Unwrap() error { return e.err }

func about(resource string, err error) error {
	if err == nil {
		return nil
	}
	return &resourceError{resource, err}
}

// Problems takes an error of Set apart: one for each resource that is named.
func Problems(err error) []dataplane.Problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []dataplane.Problem
		for _, e := range joined.Unwrap() {
			all = append(all, Problems(e)...)
		}
		return all
	}
	if re, ok := err.(*resourceError); ok {
		inner := Problems(re.err)
		for i := range inner {
			if inner[i].Resource == "" {
				inner[i].Resource = re.resource
			}
		}
		return inner
	}
	return []dataplane.Problem{{Message: err.Error()}}
}

// prefix32 is the address alone.
func prefix32(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 32) }
