package exercise

import (
	"slices"
	"strings"

	"labsim/sim"
)

// Kind is a kind of resource, by the name that EC2's tags have for it.
type Kind string

// Kinds, with the attributes that checks may ask for.
const (
	KindVPC             Kind = "vpc"
	KindSubnet          Kind = "subnet"
	KindInternetGateway Kind = "internet-gateway"
	KindRouteTable      Kind = "route-table"
	KindSecurityGroup   Kind = "security-group"
	KindInstance        Kind = "instance"
	KindVolume          Kind = "volume"
	KindKeyPair         Kind = "key-pair"
	KindAddress         Kind = "elastic-ip"
)

// text is the kind's name for the user.
func (k Kind) text() sim.Text {
	switch k {
	case KindVPC:
		return sim.T("VPC")
	case KindSubnet:
		return sim.T("subnet")
	case KindInternetGateway:
		return sim.T("internet gateway")
	case KindRouteTable:
		return sim.T("route table")
	case KindSecurityGroup:
		return sim.T("security group")
	case KindInstance:
		return sim.T("instance")
	case KindVolume:
		return sim.T("volume")
	case KindKeyPair:
		return sim.T("key pair")
	}
	return sim.T("Elastic IP address")
}

// attributes lists, by kind, what a condition may name besides id and name.
var attributes = map[Kind][]string{
	KindVPC:             {"cidr", "free-cidr", "gateway", "default-group"},
	KindSubnet:          {"cidr", "vpc", "zone", "public", "route-table", "association", "public-ip-on-launch"},
	KindInternetGateway: {"vpc"},
	KindRouteTable:      {"vpc", "main", "gateway"},
	KindSecurityGroup:   {"vpc"},
	KindInstance:        {"state", "type", "family", "vpc", "subnet", "private-ip", "public-ip", "key", "security-groups", "open-to-all", "volumes", "image"},
	KindVolume:          {"size", "type", "state", "instance", "zone"},
	KindKeyPair:         {},
	KindAddress:         {"public-ip", "instance"},
}

// Resource is one that the API describes.
type Resource struct {
	Kind  Kind
	ID    string
	Name  string
	attrs map[string]attribute
}

// attribute has several values where EC2 has several: security groups.
type attribute struct {
	values []string
	// why says what makes it so, for those that follow from something else.
	why sim.Text
}

// Label is what a user calls it.
func (r *Resource) Label() string {
	if r.Name == "" || r.Name == r.ID {
		return r.ID
	}
	return r.Name + " (" + r.ID + ")"
}

// Get returns the first value of an attribute, or "".
func (r *Resource) Get(name string) string {
	switch name {
	case "", "id":
		return r.ID
	case "name":
		return r.Name
	}
	return first(r.attrs[name].values)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// values returns all values of an attribute, of id and name the one.
func (r *Resource) values(name string) []string {
	if name == "name" || name == "id" {
		return []string{r.Get(name)}
	}
	return r.attrs[name].values
}

func (r *Resource) set(name string, values ...string) {
	r.explain(name, sim.Text{}, values...)
}

func (r *Resource) explain(name string, why sim.Text, values ...string) {
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	r.attrs[name] = attribute{values, why}
}

// variable is how a script calls a role's attribute: $public_route_table.
func variable(role, attribute string) string {
	if attribute == "" || attribute == "id" {
		return strings.ReplaceAll(role, "-", "_")
	}
	return strings.ReplaceAll(role+"_"+attribute, "-", "_")
}
