package world

import (
	"iter"

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
}

// Setting is a fact of the region that is no resource (see Tx for the names).
type Setting struct{ Value string }

func newState() *State {
	return &State{
		VPCs:             newTable[sim.VPCID, sim.VPC]("vpc"),
		Subnets:          newTable[sim.SubnetID, sim.Subnet]("subnet", func(s sim.Subnet) []string { return []string{string(s.VPC)} }),
		InternetGateways: newTable[sim.InternetGatewayID, sim.InternetGateway]("internet-gateway", func(g sim.InternetGateway) []string { return some(string(g.VPC)) }),
		RouteTables:      newTable[sim.RouteTableID, sim.RouteTable]("route-table", func(t sim.RouteTable) []string { return []string{string(t.VPC)} }),
		SecurityGroups:   newTable[sim.SecurityGroupID, sim.SecurityGroup]("security-group", func(g sim.SecurityGroup) []string { return []string{string(g.VPC)} }),
		Addresses:        newTable[sim.AllocationID, sim.Address]("address", func(a sim.Address) []string { return some(string(a.ENI)) }),
		ENIs: newTable[sim.ENIID, sim.ENI]("eni",
			func(e sim.ENI) []string { return []string{string(e.VPC)} },
			func(e sim.ENI) []string { return []string{string(e.Subnet)} },
			func(e sim.ENI) []string { return some(string(e.Attachment.Instance)) },
			func(e sim.ENI) []string { return strs(e.SecurityGroups) }),
		KeyPairs: newTable[sim.KeyPairID, sim.KeyPair]("key-pair", func(k sim.KeyPair) []string { return []string{string(k.Owner) + "/" + k.Name} }),
		Images:   newTable[sim.ImageID, sim.Image]("image"),
		Instances: newTable[sim.InstanceID, sim.Instance]("instance",
			func(i sim.Instance) []string { return []string{string(i.VPC)} },
			volumesOf),
		Volumes:  newTable[sim.VolumeID, sim.Volume]("volume"),
		Tokens:   newTable[string, Token]("token"),
		Settings: newTable[string, Setting]("setting"),
	}
}

// Begun reports whether the region may be made so on its machine. A new one has to
// look there first: where its state was lost, what stands would go because it knows
// nothing of it.
func (s *State) Begun() bool { return s.Settings.Row(settingBegun).Value != notYet }

// Site returns whose state it is; "": nobody has said so yet.
func (s *State) Site() sim.Site { return sim.Site(s.Settings.Row(settingSite).Value) }

// Empty reports whether there is no row at all.
func (s *State) Empty() bool {
	for _, t := range s.tables() {
		for range t.ids() {
			return false
		}
	}
	return true
}

// tables lists every table, for what is done to all of them alike.
func (s *State) tables() []table {
	return []table{s.VPCs, s.Subnets, s.InternetGateways, s.RouteTables, s.SecurityGroups, s.Addresses,
		s.ENIs, s.KeyPairs, s.Images, s.Instances, s.Volumes, s.Tokens, s.Settings}
}

type table interface {
	tableName() string
	ids() iter.Seq[string]
	encode(id string) ([]byte, error)
	decode(id string, data []byte) error
}

func (s *State) copy() *State {
	return &State{
		Version: s.Version,
		VPCs:    s.VPCs.copy(), Subnets: s.Subnets.copy(), InternetGateways: s.InternetGateways.copy(),
		RouteTables: s.RouteTables.copy(), SecurityGroups: s.SecurityGroups.copy(), Addresses: s.Addresses.copy(),
		ENIs: s.ENIs.copy(), KeyPairs: s.KeyPairs.copy(), Images: s.Images.copy(), Instances: s.Instances.copy(),
		Volumes: s.Volumes.copy(), Tokens: s.Tokens.copy(), Settings: s.Settings.copy(),
	}
}

// SubnetsOf yields the subnets of a VPC.
func (s *State) SubnetsOf(v sim.VPCID) iter.Seq2[sim.SubnetID, sim.Subnet] {
	return s.Subnets.by(0, string(v))
}

// GatewayOf returns the internet gateway that is attached to a VPC.
func (s *State) GatewayOf(v sim.VPCID) (sim.InternetGateway, bool) {
	for _, g := range s.InternetGateways.by(0, string(v)) {
		return g, true
	}
	return sim.InternetGateway{}, false
}

// RouteTablesOf yields the route tables of a VPC.
func (s *State) RouteTablesOf(v sim.VPCID) iter.Seq2[sim.RouteTableID, sim.RouteTable] {
	return s.RouteTables.by(0, string(v))
}

// RouteTableFor returns the table that serves a subnet: the one that is
// associated with it, or else the VPC's main table.
func (s *State) RouteTableFor(sub sim.Subnet) sim.RouteTable {
	var main sim.RouteTable
	for _, t := range s.RouteTablesOf(sub.VPC) {
		for _, a := range t.Associations {
			if a.Subnet == sub.ID {
				return t
			}
		}
		if t.Main() {
			main = t
		}
	}
	return main
}

// SecurityGroupsOf yields the security groups of a VPC.
func (s *State) SecurityGroupsOf(v sim.VPCID) iter.Seq2[sim.SecurityGroupID, sim.SecurityGroup] {
	return s.SecurityGroups.by(0, string(v))
}

// ENIsOfVPC yields the interfaces of a VPC.
func (s *State) ENIsOfVPC(v sim.VPCID) iter.Seq2[sim.ENIID, sim.ENI] { return s.ENIs.by(0, string(v)) }

// ENIsOfSubnet yields the interfaces of a subnet.
func (s *State) ENIsOfSubnet(n sim.SubnetID) iter.Seq2[sim.ENIID, sim.ENI] {
	return s.ENIs.by(1, string(n))
}

// ENIsOfInstance yields the interfaces that are attached to an instance.
func (s *State) ENIsOfInstance(i sim.InstanceID) iter.Seq2[sim.ENIID, sim.ENI] {
	return s.ENIs.by(2, string(i))
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
	return s.ENIs.by(3, string(g))
}

// InstancesOf yields the instances of a VPC, terminated ones included.
func (s *State) InstancesOf(v sim.VPCID) iter.Seq2[sim.InstanceID, sim.Instance] {
	return s.Instances.by(0, string(v))
}

// KeyPairNamed returns an account's key pair of that name.
func (s *State) KeyPairNamed(owner sim.AccountID, name string) (sim.KeyPair, bool) {
	for _, k := range s.KeyPairs.by(0, string(owner)+"/"+name) {
		return k, true
	}
	return sim.KeyPair{}, false
}

// AttachmentOf returns the instance and the block device that hold a volume.
func (s *State) AttachmentOf(v sim.VolumeID) (sim.Instance, sim.BlockDevice, bool) {
	for _, i := range s.Instances.by(1, string(v)) {
		for _, d := range i.BlockDevices {
			if d.Volume == v {
				return i, d, true
			}
		}
	}
	return sim.Instance{}, sim.BlockDevice{}, false
}

func volumesOf(i sim.Instance) []string {
	var out []string
	for _, d := range i.BlockDevices {
		out = append(out, string(d.Volume))
	}
	return out
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func strs[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, x := range in {
		out[i] = string(x)
	}
	return out
}
