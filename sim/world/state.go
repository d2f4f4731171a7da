package world

import (
	"iter"
	"time"

	"labsim/sim"
)

// State is a region's whole state. What View returns never changes.
type State struct {
	Version Version

	VPCs             *Table[sim.VPCID, sim.VPC]
	Subnets          *Table[sim.SubnetID, sim.Subnet]
	InternetGateways *Table[sim.InternetGatewayID, sim.InternetGateway]
	RouteTables      *Table[sim.RouteTableID, sim.RouteTable]
	SecurityGroups   *Table[sim.SecurityGroupID, sim.SecurityGroup]
	Addresses        *Table[sim.AllocationID, sim.Address]
	ENIs             *Table[sim.ENIID, sim.ENI]
	KeyPairs         *Table[sim.KeyPairID, sim.KeyPair]
	Images           *Table[sim.ImageID, sim.Image]
	Instances        *Table[sim.InstanceID, sim.Instance]
	Volumes          *Table[sim.VolumeID, sim.Volume]
	Tokens           *Table[string, Token]
	Settings         *Table[string, Setting]
}

// Version counts the transactions committed.
type Version uint64

// Token is a ClientToken that was used: the same call again gets the same
// answer, another call with it is refused (EC2 API Reference, "Ensuring
// idempotency").
type Token struct {
	Request  string // hash of the request
	Resource string // what was made
	Used     time.Time
}

// Setting is a fact of the region that is no resource (see Tx for the names).
type Setting struct{ Value string }

func newState() *State {
	s := &State{}
	for _, k := range kinds {
		k.create(s)
	}
	return s
}

// Begun reports whether the region may be made so on its machine. A new one has to
// look there first: where its state was lost, what stands would go because it knows
// nothing of it.
func (s *State) Begun() bool { return s.Settings.Row(settingBegun).Value != notYet }

// Site returns whose state it is; "": nobody has said so yet.
func (s *State) Site() sim.Site { return sim.Site(s.Settings.Row(settingSite).Value) }

// Empty reports whether there is no row at all.
func (s *State) Empty() bool {
	for t := range s.tables() {
		for range t.ids() {
			return false
		}
	}
	return true
}

// tables yields every table, for what is done to all of them alike.
func (s *State) tables() iter.Seq[table] {
	return func(yield func(table) bool) {
		for _, k := range kinds {
			if !yield(k.rowsIn(s)) {
				return
			}
		}
	}
}

type table interface {
	tableName() string
	ids() iter.Seq[string]
	hasRow(id string) bool
	encode(id string) ([]byte, error)
	decode(id string, data []byte) error
}

func (s *State) copy() *State {
	c := &State{Version: s.Version}
	for _, k := range kinds {
		k.share(s, c)
	}
	return c
}

// SubnetsOf yields the subnets of a VPC.
func (s *State) SubnetsOf(v sim.VPCID) iter.Seq2[sim.SubnetID, sim.Subnet] {
	return s.Subnets.by(subnetsByVPC, string(v))
}

// GatewayOf returns the internet gateway that is attached to a VPC.
func (s *State) GatewayOf(v sim.VPCID) (sim.InternetGateway, bool) {
	return s.InternetGateways.first(gatewaysByVPC, string(v))
}

// RouteTablesOf yields the route tables of a VPC.
func (s *State) RouteTablesOf(v sim.VPCID) iter.Seq2[sim.RouteTableID, sim.RouteTable] {
	return s.RouteTables.by(routeTablesByVPC, string(v))
}

// RouteTableFor returns the table that serves a subnet: the one that is
// associated with it, or else the VPC's main table.
func (s *State) RouteTableFor(sub sim.Subnet) sim.RouteTable {
	if t, ok := s.RouteTables.first(routeTablesBySubnet, string(sub.ID)); ok {
		return t
	}
	return s.MainRouteTable(sub.VPC)
}

// SecurityGroupsOf yields the security groups of a VPC.
func (s *State) SecurityGroupsOf(v sim.VPCID) iter.Seq2[sim.SecurityGroupID, sim.SecurityGroup] {
	return s.SecurityGroups.by(groupsByVPC, string(v))
}

// ENIsOfVPC yields the interfaces of a VPC.
func (s *State) ENIsOfVPC(v sim.VPCID) iter.Seq2[sim.ENIID, sim.ENI] {
	return s.ENIs.by(enisByVPC, string(v))
}

// ENIsOfSubnet yields the interfaces of a subnet.
func (s *State) ENIsOfSubnet(n sim.SubnetID) iter.Seq2[sim.ENIID, sim.ENI] {
	return s.ENIs.by(enisBySubnet, string(n))
}

// ENIsOfInstance yields the interfaces that are attached to an instance.
func (s *State) ENIsOfInstance(i sim.InstanceID) iter.Seq2[sim.ENIID, sim.ENI] {
	return s.ENIs.by(enisByInstance, string(i))
}

// PrimaryENI returns the interface with device index 0 of an instance.
func (s *State) PrimaryENI(i sim.InstanceID) (sim.ENI, bool) {
	for _, e := range s.ENIsOfInstance(i) {
		if e.Attachment.DeviceIndex == 0 {
			return e, true
		}
	}
	return sim.ENI{}, false
}

// ENIsOfGroup yields the interfaces that carry a security group.
func (s *State) ENIsOfGroup(g sim.SecurityGroupID) iter.Seq2[sim.ENIID, sim.ENI] {
	return s.ENIs.by(enisByGroup, string(g))
}

// InstancesOf yields the instances of a VPC, terminated ones included.
func (s *State) InstancesOf(v sim.VPCID) iter.Seq2[sim.InstanceID, sim.Instance] {
	return s.Instances.by(instancesByVPC, string(v))
}

// KeyPairNamed returns an account's key pair of that name.
func (s *State) KeyPairNamed(owner sim.AccountID, name string) (sim.KeyPair, bool) {
	return s.KeyPairs.first(keyPairsByName, keyPairKey(owner, name))
}

// AttachmentOf returns the instance and the block device that hold a volume.
func (s *State) AttachmentOf(v sim.VolumeID) (sim.Instance, sim.BlockDevice, bool) {
	for _, i := range s.Instances.by(instancesByVolume, string(v)) {
		for _, d := range i.BlockDevices {
			if d.Volume == v {
				return i, d, true
			}
		}
	}
	return sim.Instance{}, sim.BlockDevice{}, false
}
