package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"labsim/sim"
)

// Model is what a picture shows, in the order in which it shows it.
type Model struct {
	Internet string // the addresses of the internet side: 198.51.100.0/24
	VPCs     []VPC
	Flows    []Flow
	// Simulated stands on the picture of a region in which nothing runs.
	Simulated bool `json:",omitempty"`
}

// VPC is a network with its parts.
type VPC struct {
	ID, Name, CIDR string
	Gateway        string `json:",omitempty"` // id of the attached internet gateway, or ""
	Subnets        []Subnet
}

// Subnet is public where its route table leads to the internet gateway.
type Subnet struct {
	ID, Name, CIDR, Zone string
	Public               bool `json:",omitempty"`
	Instances            []Instance
}

// Instance is one that is not terminated.
type Instance struct {
	ID, Name, Type, State, PrivateIP string
	PublicIP                         string   `json:",omitempty"`
	Volumes                          []Volume `json:",omitempty"`
}

// Volume is one that is attached.
type Volume struct {
	ID, Name string
	GiB      int
	Mount    string `json:",omitempty"` // where the guest finds it
}

// Flow says that From reaches To.
type Flow struct {
	From  string // an instance's id; "" is the internet
	To    string
	Ports []string // 22, udp/53, icmp
}

// label is what stands at a flow's arrow.
func (f Flow) label() string { return sim.Printable(strings.Join(f.Ports, ", ")) }

func (v VPC) title() string { return join(v.Name, v.ID, v.CIDR) }

// title of a subnet says first what makes the difference; a name that only says
// it again is left out.
func (s Subnet) title(say func(sim.Text) string) string {
	kind, again := sim.T("private subnet"), "private"
	if s.Public {
		kind, again = sim.T("public subnet"), "public"
	}
	name := s.Name
	if name == again {
		name = ""
	}
	return join(say(kind), name, s.CIDR)
}

func (i Instance) name() string { return sim.Printable(cmp.Or(i.Name, i.ID)) }

// facts are the lines below an instance's name.
func (i Instance) facts() []string {
	address := i.PrivateIP
	if i.PublicIP != "" {
		address += " / " + i.PublicIP
	}
	kind := i.Type
	if i.State != string(sim.StateRunning) {
		kind += " · " + i.State
	}
	return []string{sim.Printable(kind), sim.Printable(address)}
}

// facts are a volume's name and size, and where it is mounted.
func (v Volume) facts() (string, string) {
	return sim.Printable(cmp.Or(v.Name, v.ID)), sim.Printable(strings.TrimSpace(fmt.Sprintf("%d GiB  %s", v.GiB, v.Mount)))
}

// join joins the words that are there.
func join(words ...string) string {
	return sim.Printable(strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "  "))
}
