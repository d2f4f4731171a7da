package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"labsim/sim"
	"labsim/sim/world"
)

const account sim.AccountID = "000000000000"

var (
	public = sim.DefaultPublic
	// The engine's machine has, besides the first address of the public range, one
	// on a network where stranger stands for the internet. Stranger's address is the
	// evaluator's own choice for "the internet".
	machineAddr = netip.MustParseAddr("203.0.113.254")
	stranger    = netip.MustParseAddr("203.0.113.1")
)

// firstEdge is where the addresses of edges begin in the public range.
const firstEdge = 193

// How a world lives: it is changed by some steps, and some packets are sent in it, in turn.
const (
	changes  = 4
	perWorld = 40 // packets
)

// A maker makes a random world by the calls of sim/world, and changes it.
type maker struct {
	*world.World
	rand     *rand.Rand
	image    sim.ImageID
	launched map[sim.VPCID]int // instances that a VPC ever had
	hangs    map[sim.InstanceID]bool
	// told lists the steps since the last call of news, by ids.
	told []string
}

// newMaker makes a world of two VPCs, mostly of one CIDR block.
func newMaker(seed uint64) (*maker, error) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	start := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	w, err := world.New(world.Options{Region: "us-east-1", Zones: []sim.Zone{"us-east-1a"},
		Random: rand.NewChaCha8(key), Now: func() time.Time { return start },
		PublicPool: world.AddrRange{First: sim.AddrAt(public, 20), Last: sim.AddrAt(public, 191)}}, world.Nothing)
	if err != nil {
		return nil, err
	}
	m := &maker{World: w, rand: rand.New(rand.NewPCG(seed, 0)), launched: map[sim.VPCID]int{}, hangs: map[sim.InstanceID]bool{}}
	if err := m.UpdateAs(account, m.begin); err != nil {
		return nil, err
	}
	m.change(10)
	m.told = nil
	return m, nil
}

// change has n steps taken that the world's rules allow.
func (m *maker) change(n int) {
	for done, tried := 0, 0; done < n && tried < 20*n; tried++ {
		var told string
		step := m.draw(m.rand.IntN(oftenInAll))
		err := m.UpdateAs(account, func(tx *world.Tx) (err error) {
			if told, err = step.do(draw{tx, m}); err != nil {
				return err
			}
			return m.converge(tx)
		})
		if refused := new(sim.Error); errors.As(err, &refused) || errors.Is(err, errNothing) {
			continue
		}
		if err != nil {
			panic(fmt.Sprintf("step %s: %v", step.name, err)) // a world without a disk has no other errors
		}
		m.told = append(m.told, step.name+" "+told)
		done++
	}
}

// news returns the steps since it was called last.
func (m *maker) news() []string {
	told := m.told
	m.told = nil
	return told
}

// converge lets every instance get where it is wanted, unless its start hangs.
func (m *maker) converge(tx *world.Tx) error {
	type seen struct {
		id   sim.InstanceID
		want sim.InstanceState
		boot int
	}
	var all []seen
	for id, i := range tx.Instances.All() {
		if i.Status.State != sim.StatePending || !m.hangs[id] {
			all = append(all, seen{id, sim.InstanceState(i.Desired), i.Boot})
		}
	}
	for _, x := range all {
		if err := tx.ObserveInstance(x.id, world.Observation{State: x.want, Boot: x.boot}); err != nil {
			return err
		}
	}
	return nil
}

// begin makes what each world has.
func (m *maker) begin(tx *world.Tx) error {
	d := draw{tx, m}
	image, err := tx.EnsureImage(world.EnsureImage{Name: "labsim/linux", Ref: "labsim/linux:latest"})
	if err != nil {
		return err
	}
	m.image = image.ID
	if err := d.vpc("a", "10.0.0.0/16"); err != nil {
		return err
	}
	if err := d.vpc("b", pick(d, "10.0.0.0/16", "10.0.0.0/16", "10.0.0.0/16", "10.1.0.0/16")); err != nil {
		return err
	}
	for range 2 {
		if _, err := tx.AllocateAddress(world.AllocateAddress{}); err != nil {
			return err
		}
	}
	return m.converge(tx)
}

// vpc makes one with what a packet can meet in it. The names of what is in it begin
// with its own.
func (d draw) vpc(name, cidr string) error {
	block := netip.MustParsePrefix(cidr)
	v, err := d.CreateVPC(world.CreateVPC{CIDR: block, Tags: named(name)})
	if err != nil {
		return err
	}
	g, err := d.CreateInternetGateway(world.CreateInternetGateway{Tags: named(name)})
	if err != nil {
		return err
	}
	err = errors.Join(
		d.CreateTags(world.CreateTags{Resources: []string{string(d.MainRouteTable(v.ID).ID)}, Tags: named(name + "m")}),
		d.AttachInternetGateway(world.AttachInternetGateway{InternetGateway: g.ID, VPC: v.ID}))
	if err != nil {
		return err
	}
	for n := range uint32(2) {
		if err := d.newSubnet(v, g.ID, fmt.Sprint(name, n+1), netip.PrefixFrom(sim.AddrAt(block, (n+1)<<8), 24)); err != nil {
			return err
		}
	}
	for _, x := range []string{"x", "y", "z"} {
		if _, err := d.CreateSecurityGroup(world.CreateSecurityGroup{VPC: v.ID, Name: name + x, Description: "probe", Tags: named(name + x)}); err != nil {
			return err
		}
	}
	for range 3 {
		if _, err := d.launch(v); err != nil {
			return err
		}
	}
	return d.fillGroups(v)
}

// newSubnet makes a subnet with a table of its own, which mostly leads to the internet.
func (d draw) newSubnet(v sim.VPC, g sim.InternetGatewayID, name string, cidr netip.Prefix) error {
	n, err := d.CreateSubnet(world.CreateSubnet{VPC: v.ID, CIDR: cidr, Tags: named(name)})
	if err != nil {
		return err
	}
	t, err := d.CreateRouteTable(world.CreateRouteTable{VPC: v.ID, Tags: named(name)})
	if err != nil {
		return err
	}
	if _, err = d.AssociateRouteTable(world.AssociateRouteTable{RouteTable: t.ID, Subnet: n.ID}); err != nil || d.chance(1, 5) {
		return err
	}
	return d.CreateRoute(world.CreateRoute{RouteTable: t.ID, Destination: sim.Everywhere, To: world.RouteTo{Gateway: string(g)}})
}

// fillGroups gives each group rules of both ways. What EC2 begins with, all may go
// out, is mostly taken away, so that packets meet a group that refuses.
func (d draw) fillGroups(v sim.VPC) error {
	for _, g := range d.groupsOf(v.ID) {
		if d.chance(2, 3) {
			var ids []sim.SecurityGroupRuleID
			for _, r := range g.Rules {
				ids = append(ids, r.ID)
			}
			if _, err := d.RevokeSecurityGroup(world.RevokeSecurityGroup{Group: g.ID, Egress: true, RuleIDs: ids}); err != nil {
				return err
			}
		}
		for range 4 {
			_, err := d.authorizeIn(g)
			if refused := new(sim.Error); err != nil && !errors.As(err, &refused) {
				return err
			}
		}
	}
	return nil
}

func named(name string) sim.Tags { return sim.Tags{{Key: sim.TagName, Value: name}} }
