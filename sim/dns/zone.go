package dns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Zone is what the resolver of one VPC knows. It never changes.
type Zone struct {
	region sim.Region
	public netip.Prefix
	real   bool // the VPC's internet is the machine's
	cidrs  []netip.Prefix
	addrs  map[string]netip.Addr // by name, in lower case, without a dot at the end
	names  map[netip.Addr]string // private ones
}

// NewZone returns the zone of a VPC of c.
func NewZone(c *dataplane.Config, v dataplane.VPC) *Zone {
	z := &Zone{region: c.Region, public: c.Public, cidrs: v.CIDRs, addrs: map[string]netip.Addr{}, names: map[netip.Addr]string{}}
	z.real = v.Gateway != nil && v.Gateway.Internet
	for _, n := range v.Names {
		name := strings.ToLower(n.Name)
		z.addrs[name] = n.Addr
		if z.private(name) {
			z.names[n.Addr] = name
		}
	}
	return z
}

// fate is what a resolver can say of a name.
type fate int

const (
	unreachable fate = iota // nobody here knows
	found
	noData // the name exists, and has no such record
	absent
)

// forward returns the address of a name.
func (z *Zone) forward(name string) (netip.Addr, fate) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if a, ok := z.addrs[name]; ok {
		return a, found
	}
	switch {
	case name == "": // the root
		return netip.Addr{}, unreachable
	case name == sim.PrivateDomain(z.region):
		return netip.Addr{}, noData
	case z.private(name) || dns.CountLabel(name) == 1 || isSpecial(name):
		return netip.Addr{}, absent
	}
	if a, ok := z.publicName(name); ok {
		return a, found
	}
	return netip.Addr{}, unreachable
}

func (z *Zone) private(name string) bool {
	domain := sim.PrivateDomain(z.region)
	return name != domain && within(name, domain)
}

// within reports whether a name is a domain or lies in it. A label may hold a dot,
// written \. (RFC 1035, 5.1): the text's end alone doesn't tell.
func within(name, domain string) bool {
	return dns.IsSubDomain(dns.Fqdn(domain), dns.Fqdn(name))
}

// publicName reads the address out of a public name of the site's range.
func (z *Zone) publicName(name string) (netip.Addr, bool) {
	label, _, _ := strings.Cut(name, ".")
	a, err := netip.ParseAddr(strings.ReplaceAll(strings.TrimPrefix(label, "ec2-"), "-", "."))
	ok := err == nil && z.public.IsValid() && z.public.Contains(a) && sim.PublicDNSName(z.region, a) == name
	return a, ok
}

const reverseDomain = "in-addr.arpa."

// reverse returns the name of an address, given as 10.1.0.10.in-addr.arpa.
// Private addresses that nobody has don't exist; nor does a part of an address.
func (z *Zone) reverse(name string) (string, fate) {
	labels := dns.SplitDomainName(name)
	if len(labels) != 4+dns.CountLabel(reverseDomain) {
		return "", absent
	}
	a, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
	if err != nil {
		return "", absent
	}
	if n, ok := z.names[a]; ok {
		return n, found
	}
	if z.public.IsValid() && z.public.Contains(a) {
		return sim.PublicDNSName(z.region, a), found
	}
	if z.inside(a) || !sim.OnInternet(a) {
		return "", absent
	}
	return "", unreachable
}

func (z *Zone) inside(a netip.Addr) bool {
	for _, c := range z.cidrs {
		if c.Contains(a) {
			return true
		}
	}
	return false
}
