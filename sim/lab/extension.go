package lab

import (
	"net/netip"
	"strconv"
	"strings"

	"labsim/sim"
)

// extension reads x-labsim.
func (r *reader) extension(v value) {
	v.fields(map[string]field{
		"internet": func(v value) {
			switch s := v.str(); s {
			case "real":
				r.lab.Internet = true
			case "none":
			default:
				v.bad(sim.T("%s is to be real or none, not %q", v.path, s))
			}
		},
		"vpcs":            func(v value) { v.each(r.sane("VPC", maxVPCs, r.vpc)) },
		"route_tables":    func(v value) { v.each(r.sane("route table", maxRouteTables, r.routeTable)) },
		"security_groups": func(v value) { v.each(r.sane("security group", maxGroups, r.securityGroup)) },
	}, nil)
}

func (r *reader) vpc(name string, v value) {
	x := VPC{Name: name, DNSSupport: true}
	r.lines["vpc "+name] = v.line()
	v.fields(map[string]field{
		"cidr_block":           func(v value) { x.CIDR = cidr(v); r.lines["vpc "+name] = v.line() },
		"internet_gateway":     setBool(&x.InternetGateway),
		"enable_dns_hostnames": setBool(&x.DNSHostnames),
		"enable_dns_support":   setBool(&x.DNSSupport),
	}, nil)
	r.lab.VPCs = append(r.lab.VPCs, x)
}

func (r *reader) routeTable(name string, v value) {
	x := RouteTable{Name: name}
	r.lines["route table "+name] = v.line()
	v.fields(map[string]field{
		"vpc": set(&x.VPC),
		"routes": func(v value) {
			v.each(func(dest string, t value) {
				p, changed, err := sim.ParseCIDR(dest)
				if err != nil {
					t.bad(sim.T("%s: %q is not a CIDR block such as 10.0.0.0/16", t.path, dest))
					return
				}
				if changed {
					t.ps.warn(t.line(), sim.T("%s: %s has bits set behind its prefix; it is taken as %s", t.path, dest, p))
				}
				if target := t.str(); target != "internet_gateway" {
					t.bad(sim.T("%s: a route leads to internet_gateway, not to %q", t.path, target))
					return
				}
				x.Routes = append(x.Routes, Route{p, "internet_gateway"})
				r.lines["route "+name+" "+p.String()] = t.line()
			})
		},
	}, nil)
	r.lab.RouteTables = append(r.lab.RouteTables, x)
}

func (r *reader) securityGroup(name string, v value) {
	x := SecurityGroup{Name: name}
	r.lines["security group "+name] = v.line()
	rules := func(direction, peer string, dst *[]Rule) field {
		return func(v value) {
			v.items(func(v value) { *dst = append(*dst, r.rule(name, peer, v)...) })
		}
	}
	v.fields(map[string]field{
		"vpc":         set(&x.VPC),
		"description": func(v value) { x.Description = r.description(v) },
		"ingress":     rules("ingress", "from", &x.Ingress),
		"egress":      func(v value) { x.EgressSet = true; rules("egress", "to", &x.Egress)(v) },
	}, nil)
	r.lab.Groups = append(r.lab.Groups, x)
}

// rule reads { tcp: [22, 80], from: web }: protocols with ports, and peers. It
// stands for one EC2 rule per range and peer.
func (r *reader) rule(group, peer string, v value) []Rule {
	type traffic struct {
		proto    sim.Protocol
		from, to int
	}
	var what []traffic
	var out []Rule
	ports := func(p sim.Protocol) field {
		return func(v value) {
			v.items(func(v value) {
				from, to, ok := portRange(v.str())
				if !ok {
					v.bad(sim.T("%s: %q is neither a port, a range such as 8000-8010, nor all", v.path, v.str()))
				}
				what = append(what, traffic{p, from, to})
			})
		}
	}
	v.fields(map[string]field{
		"tcp":  ports(sim.ProtocolTCP),
		"udp":  ports(sim.ProtocolUDP),
		"icmp": func(v value) { what = append(what, traffic{sim.ProtocolICMP, icmpType(v), -1}) },
		"all":  func(v value) { what = append(what, traffic{sim.ProtocolAll, -1, -1}) },
		peer: func(v value) {
			v.items(func(v value) {
				x := Rule{Group: v.str()}
				if strings.ContainsAny(x.Group, "./") {
					x = Rule{CIDR: cidr(v)}
				} else {
					r.lines["rule "+group+" "+x.Group] = v.line()
				}
				out = append(out, x)
			})
		},
	}, nil)
	if len(what) == 0 {
		v.bad(sim.T("%s names no traffic: tcp, udp, icmp or all", v.path))
	}
	if len(out) == 0 {
		v.bad(sim.T("%s lacks %s: a CIDR block or a security group of the lab", v.path, peer))
	}
	if len(what)*len(out) > maxRules {
		v.bad(sim.T("%s stands for %d rules; a group has at most %d", v.path, len(what)*len(out), maxRules))
		return nil
	}
	var rules []Rule
	for _, t := range what {
		for _, p := range out {
			rules = append(rules, Rule{t.proto, t.from, t.to, p.CIDR, p.Group})
		}
	}
	return rules
}

// portRange reads 80, 8000-8010 or all.
func portRange(s string) (from, to int, ok bool) {
	if s == "all" {
		return 0, 65535, true
	}
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	from, err1 := strconv.Atoi(a)
	to, err2 := strconv.Atoi(b)
	return from, to, err1 == nil && err2 == nil && from >= 0 && from <= to && to <= 65535
}

func icmpType(v value) int {
	switch s := v.str(); s {
	case "all":
		return -1
	case "echo":
		return 8
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 255 {
			v.bad(sim.T("%s is to be all, echo or a type of 0 to 255, not %q", v.path, s))
		}
		return n
	}
}

// network reads a subnet: networks.NAME.
func (r *reader) network(name string, v value) {
	x := Subnet{Name: name, Zone: "a"}
	r.lines["subnet "+name] = v.line()
	only := sim.T("subnets are made by labsim, from ipam and x-labsim-subnet")
	v.fields(map[string]field{
		"driver": func(v value) {
			if s := v.str(); s != "labsim:latest" {
				v.bad(sim.T("%s: a subnet's driver is labsim:latest, not %q; it may be left out", v.path, s))
			}
		},
		"ipam": func(v value) { x.CIDR = r.ipam(name, v) },
		"x-labsim-subnet": func(v value) {
			v.fields(map[string]field{
				"vpc": set(&x.VPC), "zone": set(&x.Zone), "route_table": set(&x.RouteTable),
				"map_public_ip_on_launch": setBool(&x.MapPublicIP),
			}, nil)
		},
	}, map[string]sim.Text{"external": only, "driver_opts": only, "internal": only, "attachable": only,
		"enable_ipv6": only, "enable_ipv4": only, "labels": only, "name": only})
	r.lab.Subnets = append(r.lab.Subnets, x)
}

func (r *reader) ipam(name string, v value) (p netip.Prefix) {
	v.fields(map[string]field{
		"driver": func(value) {},
		"config": func(v value) {
			v.items(func(v value) {
				v.fields(map[string]field{"subnet": func(v value) {
					if p.IsValid() {
						v.bad(sim.T("%s: a subnet has one CIDR block", v.path))
					}
					p = cidr(v)
					r.lines["subnet "+name] = v.line()
				}}, map[string]sim.Text{"gateway": sim.T("the router of a subnet is always its first address")})
			})
		},
	}, nil)
	return p
}

// volume reads volumes.NAME.
func (r *reader) volume(name string, v value) {
	x := Volume{Name: name, Size: 1, Type: "gp3"}
	r.lines["volume "+name] = v.line()
	only := sim.T("volumes are made by labsim, from x-labsim-volume")
	v.fields(map[string]field{
		"driver": func(v value) {
			if s := v.str(); s != "labsim:latest" {
				v.bad(sim.T("%s: a volume's driver is labsim:latest, not %q; it may be left out", v.path, s))
			}
		},
		"x-labsim-volume": func(v value) {
			v.fields(map[string]field{"size": setInt(&x.Size), "type": set(&x.Type)}, nil)
		},
	}, map[string]sim.Text{"external": only, "driver_opts": only, "name": only, "labels": only})
	r.lab.Volumes = append(r.lab.Volumes, x)
}
