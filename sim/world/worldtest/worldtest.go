package worldtest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"labsim/sim"
	"labsim/sim/world"
)

// Account owns all resources.
const Account sim.AccountID = "000000000000"

// Rows are the rows of a world in the making. Its tables may be changed
// directly, which the property tests do.
type Rows struct {
	VPCs      map[sim.VPCID]sim.VPC
	Subnets   map[sim.SubnetID]sim.Subnet
	Gateways  map[sim.InternetGatewayID]sim.InternetGateway
	Tables    map[sim.RouteTableID]sim.RouteTable
	Groups    map[sim.SecurityGroupID]sim.SecurityGroup
	Addresses map[sim.AllocationID]sim.Address
	ENIs      map[sim.ENIID]sim.ENI
	Keys      map[sim.KeyPairID]sim.KeyPair
	Images    map[sim.ImageID]sim.Image
	Instances map[sim.InstanceID]sim.Instance
	Volumes   map[sim.VolumeID]sim.Volume

	lab string
}

// NewRows returns rows that hold nothing but the image ami-linux.
func NewRows() *Rows {
	return &Rows{
		VPCs: map[sim.VPCID]sim.VPC{}, Subnets: map[sim.SubnetID]sim.Subnet{},
		Gateways: map[sim.InternetGatewayID]sim.InternetGateway{}, Tables: map[sim.RouteTableID]sim.RouteTable{},
		Groups: map[sim.SecurityGroupID]sim.SecurityGroup{}, Addresses: map[sim.AllocationID]sim.Address{},
		ENIs: map[sim.ENIID]sim.ENI{}, Keys: map[sim.KeyPairID]sim.KeyPair{},
		Instances: map[sim.InstanceID]sim.Instance{}, Volumes: map[sim.VolumeID]sim.Volume{},
		Images: map[sim.ImageID]sim.Image{"ami-linux": {ID: "ami-linux", Owner: sim.AmazonAccount, Name: "labsim/linux",
			Architecture: "x86_64", Ref: "labsim/linux:latest", RootDevice: "/dev/xvda"}},
	}
}

// Parse reads a world from text, see the package.
func Parse(text string) (*world.State, error) {
	r := NewRows()
	if err := r.Read(text); err != nil {
		return nil, err
	}
	return r.State()
}

// Read adds what text says.
func (r *Rows) Read(text string) error {
	for n, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if err := r.line(parse(f)); err != nil {
			return fmt.Errorf("line %d, %q: %w", n+1, line, err)
		}
	}
	return nil
}

// State makes the world of the rows.
func (r *Rows) State() (*world.State, error) {
	w, err := world.New(world.Options{Region: "us-east-1"}, r.changes())
	if err != nil {
		return nil, err
	}
	return w.View(), nil
}

func (r *Rows) changes() iter.Seq2[world.Change, error] {
	return func(yield func(world.Change, error) bool) {
		_ = each("vpc", r.VPCs, yield) && each("subnet", r.Subnets, yield) && each("internet-gateway", r.Gateways, yield) &&
			each("route-table", r.Tables, yield) && each("security-group", r.Groups, yield) && each("address", r.Addresses, yield) &&
			each("eni", r.ENIs, yield) && each("key-pair", r.Keys, yield) && each("image", r.Images, yield) &&
			each("instance", r.Instances, yield) && each("volume", r.Volumes, yield)
	}
}

func each[K ~string, V any](table string, rows map[K]V, yield func(world.Change, error) bool) bool {
	for id, row := range rows {
		data, err := json.Marshal(row)
		if !yield(world.Change{Table: table, ID: string(id), Data: data}, err) {
			return false
		}
	}
	return true
}

// words is a line: the words by position, and options (key=value, or key alone
// after the positions).
type words struct {
	verb string
	pos  []string
	opt  map[string]string
}

func parse(f []string) words {
	w := words{verb: f[0], opt: map[string]string{}}
	for _, x := range f[1:] {
		if k, v, ok := strings.Cut(x, "="); ok {
			w.opt[k] = v
		} else {
			w.pos = append(w.pos, x)
		}
	}
	return w
}

func (w words) at(i int) string {
	if i < len(w.pos) {
		return w.pos[i]
	}
	return ""
}

func (w words) has(flag string) bool {
	for _, p := range w.pos {
		if p == flag {
			return true
		}
	}
	return false
}

func (w words) or(key, other string) string {
	if v, ok := w.opt[key]; ok {
		return v
	}
	return other
}

func (r *Rows) tags(name string) sim.Tags {
	t := sim.Tags{}.With(sim.TagName, name)
	if r.lab != "" {
		t = t.With(sim.TagLab, r.lab)
	}
	return t
}

func mac(name string) string {
	h := sha256.Sum256([]byte(name))
	return fmt.Sprintf("0a:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
}

func ports(s string) (proto sim.Protocol, from, to int, err error) {
	name, rest, some := strings.Cut(s, "/")
	proto, ok := map[string]sim.Protocol{"all": sim.ProtocolAll, "icmp": sim.ProtocolICMP, "tcp": sim.ProtocolTCP, "udp": sim.ProtocolUDP}[name]
	if !ok {
		n, err := strconv.Atoi(name)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("protocol %q", name)
		}
		proto = sim.Protocol(n)
	}
	if !some {
		return proto, -1, -1, nil
	}
	sep := "-"
	if proto == sim.ProtocolICMP {
		sep = "/"
	}
	a, b, two := strings.Cut(rest, sep)
	if !two {
		b = a
	}
	if from, err = strconv.Atoi(a); err != nil {
		return
	}
	to, err = strconv.Atoi(b)
	return
}

func addr(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}
