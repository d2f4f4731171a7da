package lab

import (
	"net/netip"
	"strconv"
	"strings"

	"labsim/sim"
	"labsim/sim/lab/source"
)

// extension reads x-labsim.
func (r *reader) extension(v source.Value) {
	v.Fields(map[string]source.Field{
		"internet": func(v source.Value) {
			switch s := v.Str(); s {
			case "real":
				r.lab.Internet = true
			case "none":
			default:
				v.Bad(sim.T("%s is to be real or none, not %q", v.Path, s))
			}
		},
		"vpcs":            func(v source.Value) { v.Each(r.sane("VPC", maxVPCs, r.vpc)) },
		"route_tables":    func(v source.Value) { v.Each(r.sane("route table", maxRouteTables, r.routeTable)) },
		"security_groups": func(v source.Value) { v.Each(r.sane("security group", maxGroups, r.securityGroup)) },
	}, nil)
}

func (r *reader) vpc(name string, v source.Value) {
	x := VPC{Name: name, DNSSupport: true}
	r.lines["vpc "+name] = v.Line()
	v.Fields(map[string]source.Field{
		"cidr_block":           func(v source.Value) { x.CIDR = cidr(v); r.lines["vpc "+name] = v.Line() },
		"internet_gateway":     source.SetBool(&x.InternetGateway),
		"enable_dns_hostnames": source.SetBool(&x.DNSHostnames),
		"enable_dns_support":   source.SetBool(&x.DNSSupport),
	}, nil)
	r.lab.VPCs = append(r.lab.VPCs, x)
}

func (r *reader) routeTable(name string, v source.Value) {
	x := RouteTable{Name: name}
	r.lines["route table "+name] = v.Line()
	v.Fields(map[string]source.Field{
		"vpc": source.Set(&x.VPC),
		"routes": func(v source.Value) {
			v.Each(func(dest string, t source.Value) {
				p, changed, err := sim.ParseCIDR(dest)
				if err != nil {
					t.Bad(sim.T("%s: %q is not a CIDR block such as 10.0.0.0/16", t.Path, dest))
					return
				}
				if changed {
					t.Warn(sim.T("%s: %s has bits set behind its prefix; it is taken as %s", t.Path, dest, p))
				}
				if target := t.Str(); target != "internet_gateway" {
					t.Bad(sim.T("%s: a route leads to internet_gateway, not to %q", t.Path, target))
					return
				}
				x.Routes = append(x.Routes, Route{p, "internet_gateway"})
				r.lines["route "+name+" "+p.String()] = t.Line()
			})
		},
	}, nil)
	r.lab.RouteTables = append(r.lab.RouteTables, x)
}

func (r *reader) securityGroup(name string, v source.Value) {
	x := SecurityGroup{Name: name}
	r.lines["security group "+name] = v.Line()
	rules := func(direction, peer string, dst *[]Rule) source.Field {
		return func(v source.Value) {
			v.Items(func(v source.Value) { *dst = append(*dst, r.rule(name, peer, v)...) })
		}
	}
	v.Fields(map[string]source.Field{
		"vpc":         source.Set(&x.VPC),
		"description": func(v source.Value) { x.Description = r.description(v) },
		"ingress":     rules("ingress", "from", &x.Ingress),
		"egress":      func(v source.Value) { x.EgressSet = true; rules("egress", "to", &x.Egress)(v) },
	}, nil)
	r.lab.Groups = append(r.lab.Groups, x)
}

// rule reads { tcp: [22, 80], from: web }: protocols with ports, and peers. It
// stands for one EC2 rule per range and peer.
func (r *reader) rule(group, peer string, v source.Value) []Rule {
	type traffic struct {
		proto    sim.Protocol
		from, to int
	}
	var what []traffic
	var out []Rule
	ports := func(p sim.Protocol) source.Field {
		return func(v source.Value) {
			v.Items(func(v source.Value) {
				from, to, ok := portRange(v.Str())
				if !ok {
					v.Bad(sim.T("%s: %q is neither a port, a range such as 8000-8010, nor all", v.Path, v.Str()))
				}
				what = append(what, traffic{p, from, to})
			})
		}
	}
	v.Fields(map[string]source.Field{
		"tcp":  ports(sim.ProtocolTCP),
		"udp":  ports(sim.ProtocolUDP),
		"icmp": func(v source.Value) { what = append(what, traffic{sim.ProtocolICMP, icmpType(v), -1}) },
		"all":  func(v source.Value) { what = append(what, traffic{sim.ProtocolAll, -1, -1}) },
		peer: func(v source.Value) {
			v.Items(func(v source.Value) {
				x := Rule{Group: v.Str()}
				if strings.ContainsAny(x.Group, "./") {
					x = Rule{CIDR: cidr(v)}
				} else {
					r.lines["rule "+group+" "+x.Group] = v.Line()
				}
				out = append(out, x)
			})
		},
	}, nil)
	if len(what) == 0 {
		v.Bad(sim.T("%s names no traffic: tcp, udp, icmp or all", v.Path))
	}
	if len(out) == 0 {
		v.Bad(sim.T("%s lacks %s: a CIDR block or a security group of the lab", v.Path, peer))
	}
	if len(what)*len(out) > maxRules {
		v.Bad(sim.T("%s stands for %d rules; a group has at most %d", v.Path, len(what)*len(out), maxRules))
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

func icmpType(v source.Value) int {
	switch s := v.Str(); s {
	case "all":
		return -1
	case "echo":
		return 8
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 255 {
			v.Bad(sim.T("%s is to be all, echo or a type of 0 to 255, not %q", v.Path, s))
		}
		return n
	}
}

// network reads a subnet: networks.NAME.
func (r *reader) network(name string, v source.Value) {
	x := Subnet{Name: name, Zone: "a"}
	r.lines["subnet "+name] = v.Line()
	only := sim.T("subnets are made by labsim, from ipam and x-labsim-subnet")
	v.Fields(map[string]source.Field{
		"driver": func(v source.Value) {
			if s := v.Str(); s != "labsim:latest" {
				v.Bad(sim.T("%s: a subnet's driver is labsim:latest, not %q; it may be left out", v.Path, s))
			}
		},
		"ipam": func(v source.Value) { x.CIDR = r.ipam(name, v) },
		"x-labsim-subnet": func(v source.Value) {
			v.Fields(map[string]source.Field{
				"vpc": source.Set(&x.VPC), "zone": source.Set(&x.Zone), "route_table": source.Set(&x.RouteTable),
				"map_public_ip_on_launch": source.SetBool(&x.MapPublicIP),
			}, nil)
		},
	}, map[string]sim.Text{"external": only, "driver_opts": only, "internal": only, "attachable": only,
		"enable_ipv6": only, "enable_ipv4": only, "labels": only, "name": only})
	r.lab.Subnets = append(r.lab.Subnets, x)
}

func (r *reader) ipam(name string, v source.Value) (p netip.Prefix) {
	v.Fields(map[string]source.Field{
		"driver": func(source.Value) {},
		"config": func(v source.Value) {
			v.Items(func(v source.Value) {
				v.Fields(map[string]source.Field{"subnet": func(v source.Value) {
					if p.IsValid() {
						v.Bad(sim.T("%s: a subnet has one CIDR block", v.Path))
					}
					p = cidr(v)
					r.lines["subnet "+name] = v.Line()
				}}, map[string]sim.Text{"gateway": sim.T("the router of a subnet is always its first address")})
			})
		},
	}, nil)
	return p
}

// volume reads volumes.NAME.
func (r *reader) volume(name string, v source.Value) {
	x := Volume{Name: name, Size: 1, Type: "gp3"}
	r.lines["volume "+name] = v.Line()
	only := sim.T("volumes are made by labsim, from x-labsim-volume")
	v.Fields(map[string]source.Field{
		"driver": func(v source.Value) {
			if s := v.Str(); s != "labsim:latest" {
				v.Bad(sim.T("%s: a volume's driver is labsim:latest, not %q; it may be left out", v.Path, s))
			}
		},
		"x-labsim-volume": func(v source.Value) {
			v.Fields(map[string]source.Field{"size": source.SetInt(&x.Size), "type": source.Set(&x.Type)}, nil)
		},
	}, map[string]sim.Text{"external": only, "driver_opts": only, "name": only, "labels": only})
	r.lab.Volumes = append(r.lab.Volumes, x)
}
