package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// simulated is a region: the real API over a real world. What would be the machine are a few
// lines that let every instance be what it is asked to be.
type simulated struct {
	t     testing.TB
	world *world.World
	api   ec2.Client
	calls []string
	// fail lets a call fail; done says whether it has worked before it fails.
	fail  func(n int, action string) (fails, done bool)
	files map[string]string // keys that were saved
}

var errCut = errors.New("the line is cut")

func newRegion(t testing.TB) *simulated {
	t.Helper()
	w, err := world.New(world.Options{Region: "us-east-1", Zones: []sim.Zone{"us-east-1a", "us-east-1b", "us-east-1c"}, Random: rand.NewChaCha8([32]byte{1}),
		PublicPool: world.AddrRange{First: netip.MustParseAddr("198.51.100.20"), Last: netip.MustParseAddr("198.51.100.191")},
		Now:        func() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }}, world.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Update(func(tx *world.Tx) error {
		_, err := tx.EnsureImage(world.EnsureImage{Name: "labsim/linux", Description: "labsim's own Linux", Ref: "labsim/linux:latest"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(ec2.NewHandler(w, ec2.Options{}))
	t.Cleanup(s.Close)
	return &simulated{t: t, world: w, api: ec2.Client{Endpoint: s.URL}, files: map[string]string{}}
}

// Do implements API.
func (r *simulated) Do(ctx context.Context, action string, in, out any) error {
	r.calls = append(r.calls, action)
	if r.fail != nil {
		if fails, done := r.fail(len(r.calls), action); fails {
			if done {
				_ = r.api.Do(ctx, action, in, nil)
			}
			return errCut
		}
	}
	return r.api.Do(ctx, action, in, out)
}

// machine makes true what the world asks for.
func (r *simulated) machine() {
	r.t.Helper()
	if err := r.world.Update(func(tx *world.Tx) error {
		for id, n := range tx.Subnets.All() {
			if !n.Status.Ready {
				if err := tx.ObserveSubnet(id, true); err != nil {
					return err
				}
			}
		}
		want := map[sim.DesiredState]sim.InstanceState{sim.DesiredRunning: sim.StateRunning, sim.DesiredStopped: sim.StateStopped, sim.DesiredTerminated: sim.StateTerminated}
		for id, i := range tx.Instances.All() {
			if err := tx.ObserveInstance(id, world.Observation{State: want[i.Desired], Boot: i.Boot}); err != nil {
				return err
			}
		}
		var gone []sim.VolumeID
		for id, v := range tx.Volumes.All() {
			if !v.Status.Ready {
				if err := tx.ObserveVolume(id, world.VolumeObservation{Ready: true}); err != nil {
					return err
				}
			}
			if v.Status.Deleting {
				gone = append(gone, id)
			}
		}
		for _, id := range gone {
			if err := tx.VolumeGone(id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *simulated) options() Options {
	return Options{
		Region:  "us-east-1",
		SaveKey: func(name, pem string) error { r.files[name] = pem; return nil },
		HasKey:  func(name string) bool { return r.files[name] != "" },
		Wait: func(ctx context.Context, done func(context.Context) (bool, error)) error {
			for range 10 {
				if ok, err := done(ctx); ok || err != nil {
					return err
				}
				r.machine()
			}
			return errors.New("it never becomes so")
		},
	}
}

// try brings a lab up as far as the API lets it.
func (r *simulated) try(l *Lab) error {
	c, err := Diff(context.Background(), r, l, r.options())
	for step := 0; err == nil && step <= StepInstances; step++ {
		err = c.Apply(context.Background(), r, step, r.options())
	}
	if err == nil {
		r.machine()
	}
	return err
}

// up brings a lab up and returns what had to be changed.
func (r *simulated) up(l *Lab) []string {
	r.t.Helper()
	list := r.diff(l)
	if err := r.try(l); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// diff lists what differs.
func (r *simulated) diff(l *Lab) []string {
	r.t.Helper()
	c, err := Diff(context.Background(), r, l, r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	byStep(c.List)
	return lines(c.List)
}

func lines(list []Change) []string {
	out := []string{}
	for _, x := range list {
		s := fmt.Sprintf("%d %s %s %s", x.Step, x.Verb, x.Kind, x.Name)
		if x.DestroysData {
			s += " (data)"
		}
		if x.ByHand {
			s += " (by hand)"
		}
		out = append(out, s)
	}
	return out
}

// down takes a lab down and returns what Down listed.
func (r *simulated) down(name string, volumes bool) *Removal {
	r.t.Helper()
	c, err := Down(context.Background(), r, name, volumes)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Apply(context.Background(), r, 0, r.options()); err != nil {
		r.t.Fatal(err)
	}
	r.machine()
	for _, k := range c.Keys {
		delete(r.files, k)
	}
	return c
}

// must makes a call by hand.
func (r *simulated) must(action string, in, out any) {
	r.t.Helper()
	if err := r.api.Do(context.Background(), action, in, out); err != nil {
		r.t.Fatalf("%s: %v", action, err)
	}
}

// account looks at a lab as Diff does.
func (r *simulated) account(lab string) *account {
	r.t.Helper()
	_, a, err := observe(context.Background(), &r.api, lab)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// standing describes everything in the region, without ids, so that two regions
// can be compared.
func (r *simulated) standing() []string {
	s := r.world.View()
	name := func(t sim.Tags) string { return t.Value(sim.TagName) }
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, v := range s.VPCs.All() {
		add("vpc %s %s dns=%t names=%t", name(v.Tags), v.CIDR(), v.DNSSupport, v.DNSHostnames)
	}
	for _, n := range s.Subnets.All() {
		add("subnet %s %s %s public=%t in %s", name(n.Tags), n.CIDR, n.Zone, n.MapPublicIP, name(s.VPCs.Row(n.VPC).Tags))
	}
	for _, g := range s.InternetGateways.All() {
		add("gateway %s at %s", name(g.Tags), name(s.VPCs.Row(g.VPC).Tags))
	}
	for _, t := range s.RouteTables.All() {
		var routes, subnets []string
		for _, x := range t.Routes {
			routes = append(routes, x.Destination.String())
		}
		for _, a := range t.Associations {
			if a.Subnet != "" {
				subnets = append(subnets, name(s.Subnets.Row(a.Subnet).Tags))
			}
		}
		slices.Sort(routes)
		slices.Sort(subnets)
		add("table %s %v of %v", name(t.Tags), routes, subnets)
	}
	for _, g := range s.SecurityGroups.All() {
		add("group %s with %d rules", g.Name, len(r.rulesOf(g.ID)))
	}
	for _, i := range s.Instances.All() {
		if i.Status.State != sim.StateTerminated {
			var e sim.ENI
			for _, e = range s.ENIsOfInstance(i.ID) {
			}
			add("instance %s %s %s %s public=%t volumes=%d", name(i.Tags), i.Type, i.Status.State, e.PrivateIP, e.PublicIP.IsValid(), len(i.BlockDevices))
		}
	}
	for _, v := range s.Volumes.All() {
		add("volume %s %d %s at %s", name(v.Tags), v.Size, v.Type, v.Tags.Value(sim.TagMount))
	}
	for _, k := range s.KeyPairs.All() {
		add("key %s saved=%t", k.Name, r.files[k.Name] != "")
	}
	slices.Sort(out)
	return out
}

func (r *simulated) rulesOf(id sim.SecurityGroupID) []wire.SecurityGroupRule {
	r.t.Helper()
	var out wire.DescribeSecurityGroupRulesResult
	r.must("DescribeSecurityGroupRules", &wire.DescribeSecurityGroupRulesRequest{Filters: []wire.Filter{{Name: ptr("group-id"), Values: []string{string(id)}}}}, &out)
	return out.SecurityGroupRules
}

// load reads a lab that must be without fault.
func load(t testing.TB, text string) *Lab {
	t.Helper()
	l, ps := Load("lab.yaml", []byte(text))
	if len(ps) > 0 {
		t.Fatalf("problems in the lab: %v", ps)
	}
	return l
}

// edit replaces a part of a text that must be there.
func edit(t testing.TB, text string, replace ...string) string {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("the lab lacks %q", replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}
