package path_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/path"
	"labsim/sim/world"
)

// seed is the lab of the seed, made by the rules of the world.
type seed struct {
	t *testing.T
	*world.World
	private     sim.RouteTable
	gateway     sim.InternetGateway
	webSG, dbSG sim.SecurityGroup
	web, db     sim.Instance
}

func newSeed(t *testing.T) *seed {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	w, err := world.New(world.Options{
		Region: "us-east-1", Zones: []sim.Zone{"us-east-1a"}, Random: rand.NewChaCha8([32]byte{7}), Now: func() time.Time { return now },
		PublicPool: world.AddrRange{First: netip.MustParseAddr("198.51.100.20"), Last: netip.MustParseAddr("198.51.100.191")},
	}, world.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	s := &seed{t: t, World: w}
	image := do(s, func(tx *world.Tx) (sim.Image, error) {
		return tx.EnsureImage(world.EnsureImage{Name: "labsim/linux", Ref: "labsim/linux:latest"})
	})
	v := do(s, func(tx *world.Tx) (sim.VPC, error) {
		return tx.CreateVPC(world.CreateVPC{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
	})
	s.gateway = do(s, func(tx *world.Tx) (sim.InternetGateway, error) {
		return tx.CreateInternetGateway(world.CreateInternetGateway{})
	})
	s.run(func(tx *world.Tx) error {
		return tx.AttachInternetGateway(world.AttachInternetGateway{InternetGateway: s.gateway.ID, VPC: v.ID})
	})
	table := func(n sim.Subnet) sim.RouteTable {
		r := do(s, func(tx *world.Tx) (sim.RouteTable, error) {
			return tx.CreateRouteTable(world.CreateRouteTable{VPC: v.ID})
		})
		do(s, func(tx *world.Tx) (sim.AssociationID, error) {
			return tx.AssociateRouteTable(world.AssociateRouteTable{RouteTable: r.ID, Subnet: n.ID})
		})
		return r
	}
	subnet := func(cidr string) sim.Subnet {
		return do(s, func(tx *world.Tx) (sim.Subnet, error) {
			return tx.CreateSubnet(world.CreateSubnet{VPC: v.ID, CIDR: netip.MustParsePrefix(cidr)})
		})
	}
	group := func(name string) sim.SecurityGroup {
		return do(s, func(tx *world.Tx) (sim.SecurityGroup, error) {
			return tx.CreateSecurityGroup(world.CreateSecurityGroup{VPC: v.ID, Name: name, Description: name})
		})
	}
	launch := func(n sim.Subnet, g sim.SecurityGroup, addr, name string, public bool) sim.Instance {
		r := do(s, func(tx *world.Tx) (world.Reservation, error) {
			return tx.RunInstances(world.RunInstances{Image: image.ID, MinCount: 1, MaxCount: 1, Subnet: n.ID, PrivateIP: netip.MustParseAddr(addr),
				SecurityGroups: []sim.SecurityGroupID{g.ID}, AssociatePublicIP: &public, Tags: sim.Tags{{Key: sim.TagName, Value: name}}})
		})
		i := r.Instances[0]
		s.run(func(tx *world.Tx) error {
			return tx.ObserveInstance(i.ID, world.Observation{State: sim.StateRunning, Boot: i.Boot})
		})
		return i
	}
	public, private := subnet("10.0.1.0/24"), subnet("10.0.2.0/24")
	s.route(table(public))
	s.private = table(private)
	s.webSG, s.dbSG = group("web"), group("db")
	s.allow(s.webSG, 80, sim.SecurityGroupRule{CIDR: sim.Everywhere})
	s.allow(s.dbSG, 5432, sim.SecurityGroupRule{Group: s.webSG.ID})
	s.web = launch(public, s.webSG, "10.0.1.10", "web", true)
	s.db = launch(private, s.dbSG, "10.0.2.10", "db", false)
	return s
}

func (s *seed) route(r sim.RouteTable) {
	s.run(func(tx *world.Tx) error {
		return tx.CreateRoute(world.CreateRoute{RouteTable: r.ID, Destination: sim.Everywhere, To: world.RouteTo{Gateway: string(s.gateway.ID)}})
	})
}

func (s *seed) allow(g sim.SecurityGroup, port int, rule sim.SecurityGroupRule) {
	rule.Protocol, rule.FromPort, rule.ToPort = sim.ProtocolTCP, port, port
	do(s, func(tx *world.Tx) ([]sim.SecurityGroupRule, error) {
		return tx.AuthorizeSecurityGroup(world.AuthorizeSecurityGroup{Group: g.ID, Rules: []sim.SecurityGroupRule{rule}})
	})
}

func (s *seed) run(f func(*world.Tx) error) {
	s.t.Helper()
	if err := s.UpdateAs("000000000000", f); err != nil {
		s.t.Fatal(err)
	}
}

func do[T any](s *seed, f func(*world.Tx) (T, error)) (out T) {
	s.t.Helper()
	s.run(func(tx *world.Tx) (err error) { out, err = f(tx); return err })
	return out
}

// reach asks for the verdict and for the packet's fate in the compiled config.
func (s *seed) reach(from, to path.Endpoint, port int) path.Verdict {
	s.t.Helper()
	q := path.Query{From: from, To: to, Protocol: sim.ProtocolTCP, Port: port}
	v := path.Trace(s.View(), q)
	k := kernel{c: dataplane.Compile(s.View(), dataplane.CompileOptions{Site: "labsim", Region: "us-east-1", Public: sim.DefaultPublic}), live: map[sim.InstanceID]bool{}}
	for id, i := range s.View().Instances.All() {
		k.live[id] = i.Status.State == sim.StateRunning
	}
	if fate := k.ask(s.View(), q); fate != v.Allowed {
		s.t.Errorf("Trace says %v, the dataplane %v, of %s\n%s", v.Allowed, fate, show(q), describe(v))
	}
	return v
}

// Each fix that a verdict proposes takes one obstacle away, and after the last
// one the packet passes.
func TestFixesMend(t *testing.T) {
	s := newSeed(t)
	internet, db := path.Endpoint{Internet: true}, path.Endpoint{Instance: s.db.ID}
	want := []path.Kind{path.KindPublic, path.KindRoute, path.KindIngress}
	for step, mend := range []func(){
		func() {
			a := do(s, func(tx *world.Tx) (sim.Address, error) { return tx.AllocateAddress(world.AllocateAddress{}) })
			do(s, func(tx *world.Tx) (sim.Address, error) {
				return tx.AssociateAddress(world.AssociateAddress{Allocation: a.Allocation, Instance: s.db.ID})
			})
			want = []path.Kind{path.KindIngress, path.KindRoute} // the groups are asked before the way back
		},
		func() { s.route(s.private); want = []path.Kind{path.KindIngress} },
		func() { s.allow(s.dbSG, 5432, sim.SecurityGroupRule{CIDR: sim.Everywhere}); want = nil },
	} {
		v := s.reach(internet, db, 5432)
		if d := cmp.Diff(want, kinds(v)); d != "" || len(v.Fix) != len(want) {
			t.Fatalf("step %d: %d fixes, obstacles (-want +got):\n%s", step, len(v.Fix), d)
		}
		mend()
	}
	if v := s.reach(internet, db, 5432); !v.Allowed {
		t.Errorf("after all fixes:\n%s", describe(v))
	}
}

func kinds(v path.Verdict) (out []path.Kind) {
	for _, h := range v.Decisive {
		out = append(out, h.Kind)
	}
	return out
}

func TestSeed(t *testing.T) {
	s := newSeed(t)
	internet, web, db := path.Endpoint{Internet: true}, path.Endpoint{Instance: s.web.ID}, path.Endpoint{Instance: s.db.ID}
	for _, c := range []struct {
		from, to path.Endpoint
		port     int
		want     bool
	}{
		{internet, web, 80, true}, {internet, web, 81, false}, {web, db, 5432, true}, {web, db, 22, false},
		{db, web, 80, true}, {db, internet, 443, false}, {web, internet, 443, false}, {internet, db, 5432, false},
	} {
		if v := s.reach(c.from, c.to, c.port); v.Allowed != c.want {
			t.Errorf("%+v -> %+v port %d: %v, want %v\n%s", c.from, c.to, c.port, v.Allowed, c.want, describe(v))
		}
	}
	do(s, func(tx *world.Tx) ([]world.StateChange, error) {
		return tx.StopInstances(world.StopInstances{IDs: []sim.InstanceID{s.db.ID}})
	})
	if v := s.reach(web, db, 5432); v.Allowed || v.Decisive[0].Kind != path.KindInstance {
		t.Errorf("db is being stopped, and yet:\n%s", describe(v))
	}
}
