package lab

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"labsim/sim"
)

const mappingNode = yaml.MappingNode

// dependency: depends_on of one service.
type dependency struct {
	from, to string
	line     int
}

// maxUserData is EC2's limit, in bytes before encoding (EC2 User Guide, "Instance user data").
const maxUserData = 16 << 10

var projectName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
})

// check looks at the lab as a whole: what is named exists, addresses fit.
func (r *reader) check() {
	l := r.lab
	if !projectName().MatchString(l.Name) || len(l.Name) > 64 {
		r.ps.Add(r.at("name"), sim.T("name: %q can't name a lab: a to z, 0 to 9, - and _, at most 64, beginning with a letter or digit", l.Name))
	}
	r.sort()
	r.checkVPCs()
	for i := range l.RouteTables {
		r.checkRouteTable(&l.RouteTables[i])
	}
	for i := range l.Groups {
		r.checkGroup(&l.Groups[i])
	}
	for i := range l.Subnets {
		r.checkSubnet(i)
	}
	for i := range l.Instances {
		r.checkInstance(&l.Instances[i])
	}
	r.checkAddresses()
	r.checkVolumes()
	r.checkCycles()
}

func (r *reader) sort() {
	l := r.lab
	slices.SortFunc(l.VPCs, func(a, b VPC) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.RouteTables, func(a, b RouteTable) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Groups, func(a, b SecurityGroup) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Subnets, func(a, b Subnet) int { return cmp.Compare(a.CIDR.Addr().String(), b.CIDR.Addr().String()) })
	slices.SortFunc(l.Volumes, func(a, b Volume) int { return cmp.Compare(a.Name, b.Name) })
	// instances stay in the order of the file: it is the order in which they are shown
}

func (r *reader) checkVPCs() {
	if len(r.lab.VPCs) == 0 {
		r.ps.Add(0, sim.T("the lab has no VPC: x-labsim.vpcs names none"))
	}
	for _, v := range r.lab.VPCs {
		line := r.at("vpc " + v.Name)
		if !v.CIDR.IsValid() {
			r.ps.Add(line, sim.T("VPC %s lacks cidr_block", v.Name))
		} else if sim.CheckVPCCIDR(v.CIDR) != nil {
			r.ps.Add(line, sim.T("VPC %s: %s is not between /16 and /28, or reserved", v.Name, v.CIDR))
		}
	}
}

// home resolves a vpc: key that may be left out where there is one VPC.
func (r *reader) home(kind, name string, vpc *string) {
	if *vpc == "" && len(r.lab.VPCs) == 1 {
		*vpc = r.lab.VPCs[0].Name
		return
	}
	if _, ok := r.lab.vpc(*vpc); !ok && len(r.lab.VPCs) > 0 {
		r.unknown(r.at(kind+" "+name), sim.T("VPC"), *vpc, names(r.lab.VPCs, func(v VPC) string { return v.Name }))
	}
}

// unknown reports a name that stands for nothing, with the nearest that does.
func (r *reader) unknown(line int, what sim.Text, name string, known []string) {
	if r.ps.Many() {
		return
	}
	if near, ok := sim.Nearest(name, known); ok {
		r.ps.Add(line, sim.T("there is no %s %q; did you mean %s?", what, name, near))
		return
	}
	r.ps.Add(line, sim.T("there is no %s %q; the lab has %v", what, name, known))
}

func (r *reader) checkRouteTable(t *RouteTable) {
	r.home("route table", t.Name, &t.VPC)
	vpc, _ := r.lab.vpc(t.VPC)
	seen := map[netip.Prefix]bool{}
	for _, x := range t.Routes {
		line := r.at("route " + t.Name + " " + x.Destination.String())
		switch {
		case seen[x.Destination]:
			r.ps.Add(line, sim.T("route table %s has two routes for %s", t.Name, x.Destination))
		case !vpc.InternetGateway:
			r.ps.Add(line, sim.T("route table %s leads to an internet gateway that VPC %s does not have: internet_gateway: true", t.Name, t.VPC))
		case vpc.CIDR.IsValid() && x.Destination == vpc.CIDR:
			r.ps.Add(line, sim.T("route table %s: %s is the VPC's own block; its route is local", t.Name, x.Destination))
		}
		seen[x.Destination] = true
	}
}

func (r *reader) checkGroup(g *SecurityGroup) {
	r.home("security group", g.Name, &g.VPC)
	line := r.at("security group " + g.Name)
	if len(g.Ingress) > maxRules || len(g.Egress) > maxRules {
		r.ps.Add(line, sim.T("security group %s has more than %d rules in one direction", g.Name, maxRules))
	}
	if g.Name == "default" || strings.HasPrefix(g.Name, "sg-") {
		r.ps.Add(line, sim.T("%q can't name a security group: EC2 keeps default and names that begin with sg-", g.Name))
	}
	if g.Description == "" {
		g.Description = g.Name
	}
	for _, x := range slices.Concat(g.Ingress, g.Egress) {
		if x.Group == "" {
			continue
		}
		peer, ok := r.lab.group(x.Group)
		at := r.at("rule " + g.Name + " " + x.Group)
		if !ok {
			r.unknown(at, sim.T("security group"), x.Group, names(r.lab.Groups, func(g SecurityGroup) string { return g.Name }))
		} else if peer.VPC != "" && g.VPC != "" && peer.VPC != g.VPC {
			r.ps.Add(at, sim.T("security group %s is in another VPC than %s", x.Group, g.Name))
		}
	}
}

func (r *reader) checkSubnet(i int) {
	s := &r.lab.Subnets[i]
	r.home("subnet", s.Name, &s.VPC)
	line := r.at("subnet " + s.Name)
	if !s.CIDR.IsValid() {
		r.ps.Add(line, sim.T("subnet %s lacks its CIDR block: ipam: { config: [ { subnet: 10.0.1.0/24 } ] }", s.Name))
		return
	}
	if !validZone(s.Zone) {
		r.ps.Add(line, sim.T("subnet %s: the zone is a, b or c, not %q", s.Name, s.Zone))
	}
	if vpc, ok := r.lab.vpc(s.VPC); ok && vpc.CIDR.IsValid() {
		if sim.CheckSubnetCIDR(s.CIDR, []netip.Prefix{vpc.CIDR}, nil) != nil {
			r.ps.Add(line, sim.T("subnet %s: %s is not within %s of VPC %s, or not between /16 and /28", s.Name, s.CIDR, vpc.CIDR, s.VPC))
		}
	}
	for _, o := range r.lab.Subnets[:i] {
		if o.VPC == s.VPC && o.CIDR.IsValid() && o.CIDR.Overlaps(s.CIDR) {
			r.ps.Add(line, sim.T("subnet %s: %s overlaps with %s of subnet %s", s.Name, s.CIDR, o.CIDR, o.Name))
		}
	}
	if s.RouteTable == "" {
		return
	}
	if t, ok := r.lab.routeTable(s.RouteTable); !ok {
		r.unknown(line, sim.T("route table"), s.RouteTable, names(r.lab.RouteTables, func(t RouteTable) string { return t.Name }))
	} else if t.VPC != s.VPC {
		r.ps.Add(line, sim.T("subnet %s: route table %s is in another VPC", s.Name, s.RouteTable))
	}
}

func validZone(z string) bool {
	return len(z) == 1 && z >= "a" && z <= "c"
}

func (r *reader) checkInstance(x *Instance) {
	line := r.at("instance " + x.Name)
	if x.Image == "" {
		r.ps.Add(line, sim.T("instance %s lacks image", x.Name))
	}
	subnet, ok := r.lab.subnet(x.Subnet)
	if x.Subnet == "" {
		r.ps.Add(line, sim.T("instance %s is in no subnet: networks names none", x.Name))
	} else if !ok {
		r.unknown(r.at("networks of "+x.Name), sim.T("subnet"), x.Subnet, names(r.lab.Subnets, func(s Subnet) string { return s.Name }))
	}
	for _, name := range x.Groups {
		at := r.at("groups of " + x.Name)
		if g, found := r.lab.group(name); !found {
			r.unknown(at, sim.T("security group"), name, names(r.lab.Groups, func(g SecurityGroup) string { return g.Name }))
		} else if ok && g.VPC != subnet.VPC {
			r.ps.Add(at, sim.T("security group %s is in another VPC than %s", name, x.Name))
		}
	}
	if x.PrivateIP.IsValid() && ok && subnet.CIDR.IsValid() && sim.CheckSubnetAddr(x.PrivateIP, subnet.CIDR) != nil {
		r.ps.Add(r.at("address of "+x.Name), sim.T("%s can't have %s: in %s usable are %s to %s", x.Name, x.PrivateIP, subnet.CIDR,
			sim.AddrAt(subnet.CIDR, 4), sim.AddrAt(subnet.CIDR, uint32(sim.UsableAddrs(subnet.CIDR)+3))))
	}
	if n := len(x.userData()); n > maxUserData {
		r.ps.Add(cmp.Or(r.at("user data of "+x.Name), r.at("process of "+x.Name)), sim.T("the user data of %s has %d bytes, EC2 allows %d", x.Name, n, maxUserData))
	}
	if _, ok := sim.InstanceTypeNamed(x.Type); !ok {
		r.unknown(r.at("type of "+x.Name), sim.T("instance type"), x.Type, sim.InstanceTypeNames())
	}
}

func (r *reader) checkAddresses() {
	taken := map[string]string{}
	for _, x := range r.lab.Instances {
		if !x.PrivateIP.IsValid() {
			continue
		}
		key := x.Subnet + " " + x.PrivateIP.String()
		if other, ok := taken[key]; ok {
			r.ps.Add(r.at("address of "+x.Name), sim.T("%s can't have %s: it is taken by %s", x.Name, x.PrivateIP, other))
		}
		taken[key] = x.Name
	}
}

func (r *reader) checkVolumes() {
	user := map[string]string{}
	for _, x := range r.lab.Instances {
		paths := map[string]bool{}
		for _, m := range x.Mounts {
			line := r.at("mount " + x.Name + " " + m.Volume)
			if _, ok := r.lab.volume(m.Volume); !ok {
				r.unknown(line, sim.T("volume"), m.Volume, names(r.lab.Volumes, func(v Volume) string { return v.Name }))
			}
			if other, ok := user[m.Volume]; ok {
				r.ps.Add(line, sim.T("volume %s is attached to %s already: an EBS volume has one instance", m.Volume, other))
			}
			if paths[m.Path] {
				r.ps.Add(line, sim.T("%s mounts two volumes at %s", x.Name, m.Path))
			}
			user[m.Volume], paths[m.Path] = x.Name, true
		}
	}
	for i := range r.lab.Volumes {
		v := &r.lab.Volumes[i]
		if v.Size < 1 || v.Size > 16384 {
			r.ps.Add(r.at("volume "+v.Name), sim.T("volume %s: the size is 1 to 16384 GiB, not %d", v.Name, v.Size))
		}
		if !slices.Contains([]string{"gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"}, v.Type) {
			r.ps.Add(r.at("volume "+v.Name), sim.T("volume %s: there is no type %q", v.Name, v.Type))
		}
		v.Zone = "a"
		if x, ok := named(r.lab.Instances, func(x Instance) string { return x.Name }, user[v.Name]); ok {
			if s, ok := r.lab.subnet(x.Subnet); ok {
				v.Zone = s.Zone
			}
		}
	}
}

// checkCycles sorts the instances so that each comes after what it depends on.
func (r *reader) checkCycles() {
	after := map[string][]dependency{}
	all := names(r.lab.Instances, func(x Instance) string { return x.Name })
	for _, d := range r.depends {
		if !slices.Contains(all, d.to) {
			r.unknown(d.line, sim.T("instance"), d.to, all)
			continue
		}
		after[d.from] = append(after[d.from], d)
	}
	state := map[string]int{} // 1: being visited, 2: done
	var ordered []string
	var visit func(name string)
	visit = func(name string) {
		state[name] = 1
		for _, d := range after[name] {
			switch state[d.to] {
			case 0:
				visit(d.to)
			case 1:
				r.ps.Add(d.line, sim.T("depends_on goes in a circle: %s and %s wait for each other", d.from, d.to))
			}
		}
		state[name] = 2
		ordered = append(ordered, name)
	}
	for _, n := range all {
		if state[n] == 0 {
			visit(n)
		}
	}
	slices.SortStableFunc(r.lab.Instances, func(a, b Instance) int {
		return cmp.Compare(slices.Index(ordered, a.Name), slices.Index(ordered, b.Name))
	})
}

func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = name(x)
	}
	return out
}
