package ec2_test

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// lab is the API over a real world, and a client of it.
type lab struct {
	t     testing.TB
	world *world.World
	url   string
	ec2.Client
	image string
}

var clock = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newLab(t testing.TB, o ec2.Options) *lab {
	t.Helper()
	w, image := newWorld(t)
	s := httptest.NewServer(ec2.NewHandler(w, o))
	t.Cleanup(s.Close)
	return &lab{t: t, world: w, image: image, url: s.URL, Client: ec2.Client{Endpoint: s.URL}}
}

// newWorld has the built-in image and is the same each time.
func newWorld(t testing.TB) (w *world.World, image string) {
	t.Helper()
	w, err := world.New(world.Options{Region: "us-east-1", Zones: []sim.Zone{"us-east-1a", "us-east-1b", "us-east-1c"}, Random: rand.NewChaCha8([32]byte{1}),
		PublicPool: world.AddrRange{First: netip.MustParseAddr("198.51.100.20"), Last: netip.MustParseAddr("198.51.100.191")},
		Now:        func() time.Time { return clock }}, world.Nothing)
	if err == nil {
		err = w.Update(func(tx *world.Tx) error {
			i, err := tx.EnsureImage(world.EnsureImage{Name: "labsim/linux", Description: "labsim's own Linux", Ref: "labsim/linux:latest"})
			image = string(i.ID)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w, image
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// call does an operation that must succeed.
func call[Out any](l *lab, action string, in any) *Out {
	l.t.Helper()
	out := new(Out)
	if err := l.Do(context.Background(), action, in, out); err != nil {
		l.t.Fatalf("%s: %v", action, err)
	}
	return out
}

// do does an operation that must succeed and answers with nothing but that.
func (l *lab) do(action string, in any) {
	l.t.Helper()
	l.must(l.Do(context.Background(), action, in, nil))
}

// fails does an operation that must fail with that code.
func (l *lab) fails(code, action string, in any) {
	l.t.Helper()
	if err := l.Do(context.Background(), action, in, nil); sim.ErrorCode(err) != code {
		l.t.Errorf("%s: %v, want %s", action, err, code)
	}
}

func (l *lab) vpc(cidr string, tags ...wire.Tag) string {
	l.t.Helper()
	in := &wire.CreateVpcRequest{CidrBlock: &cidr}
	if len(tags) > 0 {
		in.TagSpecifications = []wire.TagSpecification{{ResourceType: new("vpc"), Tags: tags}}
	}
	return *call[wire.CreateVpcResult](l, "CreateVpc", in).Vpc.VpcId
}

func (l *lab) subnet(vpc, cidr string) string {
	l.t.Helper()
	return *call[wire.CreateSubnetResult](l, "CreateSubnet", &wire.CreateSubnetRequest{VpcId: &vpc, CidrBlock: &cidr}).Subnet.SubnetId
}

func (l *lab) run(subnet string, count int, change ...func(*wire.RunInstancesRequest)) []wire.Instance {
	l.t.Helper()
	in := &wire.RunInstancesRequest{ImageId: &l.image, MinCount: &count, MaxCount: &count, SubnetId: &subnet, InstanceType: new("t3.micro")}
	for _, f := range change {
		f(in)
	}
	return call[wire.Reservation](l, "RunInstances", in).Instances
}

// observe lets all instances be in a state, as the reconciler would.
func (l *lab) observe(state sim.InstanceState) {
	l.t.Helper()
	l.must(l.world.Update(func(tx *world.Tx) error {
		for id, i := range tx.Instances.All() {
			if err := tx.ObserveInstance(id, world.Observation{State: state, Boot: i.Boot, Ready: state == sim.StateRunning}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func tag(key, value string) wire.Tag { return wire.Tag{Key: &key, Value: &value} }

func filter(name string, values ...string) wire.Filter {
	return wire.Filter{Name: &name, Values: values}
}
