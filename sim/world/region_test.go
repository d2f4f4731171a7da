package world

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"labsim/sim"
)

const alice, bob sim.AccountID = "000000000000", "111111111111"

// region is a world for tests: its clock goes on by a second per transaction,
// its random is the same each time.
type region struct {
	*World
	t   testing.TB
	now time.Time
}

func newRegion(t testing.TB) *region { return newRegionWith(t, Options{}) }

func newRegionWith(t testing.TB, o Options) *region {
	t.Helper()
	r := &region{t: t, now: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}
	o.Region, o.Zones = "us-east-1", []sim.Zone{"us-east-1a", "us-east-1b", "us-east-1c"}
	if !o.PublicPool.First.IsValid() {
		o.PublicPool = AddrRange{addr("198.51.100.20"), addr("198.51.100.191")}
	}
	o.Now = func() time.Time { r.now = r.now.Add(time.Second); return r.now }
	o.Random = rand.NewChaCha8([32]byte{1})
	w, err := New(o, Nothing)
	if err != nil {
		t.Fatal(err)
	}
	r.World = w
	return r
}

// as runs one operation of an account that must succeed.
func as[T any](r *region, who sim.AccountID, f func(*Tx) (T, error)) T {
	r.t.Helper()
	var out T
	err := r.UpdateAs(who, func(tx *Tx) (err error) { out, err = f(tx); return err })
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func do[T any](r *region, f func(*Tx) (T, error)) T { r.t.Helper(); return as(r, alice, f) }

// run is do for operations without a result.
func (r *region) run(f func(*Tx) error) {
	r.t.Helper()
	if err := r.UpdateAs(alice, f); err != nil {
		r.t.Fatal(err)
	}
}

// refused runs an operation that must fail with a code and a part of a message,
// and must change nothing.
func (r *region) refused(code, text string, f func(*Tx) error) {
	r.t.Helper()
	before := r.View()
	err := r.UpdateAs(alice, f)
	if sim.ErrorCode(err) != code || !strings.Contains(errText(err), text) {
		r.t.Errorf("got %v, want %s: ...%s...", err, code, text)
	}
	if r.View() != before {
		r.t.Errorf("%s: the refused operation changed the state", code)
	}
}

func errText(err error) string {
	var e *sim.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}

// drop turns an operation with a result into one without.
func drop[T any](f func(*Tx) (T, error)) func(*Tx) error {
	return func(tx *Tx) error { _, err := f(tx); return err }
}

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ptr[T any](v T) *T            { return &v }

// The parts of a small lab.

func (r *region) vpc(cidr string) sim.VPC {
	r.t.Helper()
	return do(r, func(tx *Tx) (sim.VPC, error) { return tx.CreateVPC(CreateVPC{CIDR: prefix(cidr)}) })
}

func (r *region) subnet(v sim.VPC, cidr string) sim.Subnet {
	r.t.Helper()
	return do(r, func(tx *Tx) (sim.Subnet, error) { return tx.CreateSubnet(CreateSubnet{VPC: v.ID, CIDR: prefix(cidr)}) })
}

// public lets launches into a subnet have public addresses.
func (r *region) public(n sim.Subnet) {
	r.t.Helper()
	r.run(func(tx *Tx) error {
		return tx.ModifySubnetAttribute(ModifySubnetAttribute{Subnet: n.ID, MapPublicIP: ptr(true)})
	})
}

// online attaches a new gateway to a VPC.
func (r *region) online(v sim.VPC) sim.InternetGateway {
	r.t.Helper()
	g := do(r, func(tx *Tx) (sim.InternetGateway, error) { return tx.CreateInternetGateway(CreateInternetGateway{}) })
	r.run(func(tx *Tx) error { return tx.AttachInternetGateway(AttachInternetGateway{g.ID, v.ID}) })
	return g
}

func (r *region) group(v sim.VPC, name string) sim.SecurityGroup {
	r.t.Helper()
	return do(r, func(tx *Tx) (sim.SecurityGroup, error) {
		return tx.CreateSecurityGroup(CreateSecurityGroup{VPC: v.ID, Name: name, Description: "for a test"})
	})
}

func (r *region) ami() sim.ImageID {
	r.t.Helper()
	i := do(r, func(tx *Tx) (sim.Image, error) {
		return tx.EnsureImage(EnsureImage{Name: "labsim/linux", Ref: "labsim/linux:latest"})
	})
	return i.ID
}

// launch launches one instance; change may be nil.
func (r *region) launch(n sim.Subnet, change func(*RunInstances)) sim.Instance {
	r.t.Helper()
	in := RunInstances{Image: r.ami(), MinCount: 1, MaxCount: 1, Subnet: n.ID}
	if change != nil {
		change(&in)
	}
	return do(r, func(tx *Tx) (Reservation, error) { return tx.RunInstances(in) }).Instances[0]
}

func (r *region) observe(id sim.InstanceID, o Observation) {
	r.t.Helper()
	if err := r.Update(func(tx *Tx) error { return tx.ObserveInstance(id, o) }); err != nil {
		r.t.Fatal(err)
	}
}

// running launches an instance and sees it running.
func (r *region) running(n sim.Subnet, change func(*RunInstances)) sim.Instance {
	r.t.Helper()
	i := r.launch(n, change)
	r.observe(i.ID, Observation{State: sim.StateRunning, Boot: 1})
	return r.instance(i.ID)
}

// stopped does the same and stops it.
func (r *region) stopped(n sim.Subnet, change func(*RunInstances)) sim.Instance {
	r.t.Helper()
	i := r.running(n, change)
	do(r, func(tx *Tx) ([]StateChange, error) {
		return tx.StopInstances(StopInstances{IDs: []sim.InstanceID{i.ID}})
	})
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 1})
	return r.instance(i.ID)
}

func (r *region) instance(id sim.InstanceID) sim.Instance { return r.View().Instances.Row(id) }
func (r *region) eni(id sim.InstanceID) sim.ENI {
	e, _ := r.View().PrimaryENI(id)
	return e
}
