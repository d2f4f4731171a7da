package lab

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"labsim/sim"
	"labsim/sim/lab/source"
)

// Reasons why an instance can't have what Compose offers.
var (
	reachesHost = sim.T("a lab file comes from a stranger and must not reach into your machine")
	isEC2       = sim.T("an instance has no such thing; EC2's own means are in x-labsim-instance")
	noBuild     = sim.T("an instance starts from an image (AMI) that exists; build it first and name it in image")
	lifecycle   = sim.T("EC2 decides about an instance's life: labsim start, stop, reboot, terminate")
	openPort    = sim.T("an instance publishes no ports on the host; open the port in a security group (x-labsim.security_groups) and use its public address, or labsim open NAME:PORT")
	byType      = sim.T("the size of an instance follows from instance_type")
	dnsName     = sim.T("EC2 names an instance after its private address: ip-10-0-1-10")
)

var refusedService = map[string]sim.Text{
	"privileged": reachesHost, "devices": reachesHost, "device_cgroup_rules": reachesHost, "network_mode": reachesHost,
	"pid": reachesHost, "ipc": reachesHost, "uts": reachesHost, "userns_mode": reachesHost, "cgroup": reachesHost,
	"cgroup_parent": reachesHost, "cap_add": reachesHost, "security_opt": reachesHost, "sysctls": reachesHost,
	"env_file": reachesHost, "label_file": reachesHost, "configs": reachesHost, "secrets": reachesHost,
	"extends": reachesHost, "volumes_from": reachesHost, "credential_spec": reachesHost, "runtime": reachesHost,
	"use_api_socket": reachesHost, "external_links": reachesHost, "tmpfs": isEC2, "provider": reachesHost,
	"build": noBuild, "ports": openPort, "expose": openPort, "links": isEC2, "dns": isEC2, "dns_search": isEC2, "dns_opt": isEC2,
	"extra_hosts": isEC2, "mac_address": isEC2, "container_name": isEC2, "domainname": dnsName,
	"restart": lifecycle, "deploy": lifecycle, "scale": lifecycle, "healthcheck": isEC2, "profiles": lifecycle,
	"stop_signal": lifecycle, "stop_grace_period": lifecycle, "init": lifecycle,
	"mem_limit": byType, "cpus": byType, "cpuset": byType, "memswap_limit": byType, "mem_reservation": byType,
	"pids_limit": byType, "shm_size": byType, "ulimits": byType, "cpu_shares": byType, "cpu_quota": byType, "gpus": byType,
	"develop": isEC2, "logging": isEC2, "platform": isEC2, "pull_policy": isEC2, "read_only": isEC2, "stdin_open": isEC2, "tty": isEC2, "cap_drop": isEC2,
}

// service reads an instance: services.NAME.
func (r *reader) service(name string, v source.Value) {
	x := Instance{Name: name, Type: "t3.micro", Tags: map[string]string{}}
	r.lines["instance "+name] = v.Line()
	r.lines["networks of "+name] = v.Line()
	v.Fields(map[string]source.Field{
		"image":      func(v source.Value) { x.Image = v.Str(); r.lines["image of "+name] = v.Line() },
		"networks":   func(v source.Value) { r.legs(&x, v) },
		"volumes":    func(v source.Value) { v.Items(func(v source.Value) { r.mount(&x, v) }) },
		"depends_on": func(v source.Value) { r.dependsOn(name, v) },
		"labels":     func(v source.Value) { r.labels(x.Tags, v) },
		"hostname": func(v source.Value) {
			if x.Hostname = v.Str(); !sim.IsHostname(x.Hostname) {
				v.Bad(sim.T("%s: %q can't be the name of a host", v.Path, x.Hostname))
			}
		},
		// Compose has ways of its own to write these: its reader is asked later.
		"command": r.process(name), "entrypoint": r.process(name), "environment": r.process(name),
		"working_dir": r.process(name), "user": r.process(name),
		"x-labsim-instance": func(v source.Value) {
			v.Fields(map[string]source.Field{
				"instance_type": func(v source.Value) { x.Type = v.Str(); r.lines["type of "+name] = v.Line() },
				"key_name":      func(v source.Value) { x.KeyName = r.keyName(v) },
				"security_groups": func(v source.Value) {
					x.Groups = v.Strings()
					r.lines["groups of "+name] = v.Line()
				},
				"user_data":                   func(v source.Value) { x.UserData = v.Str(); r.lines["user data of "+name] = v.Line() },
				"associate_public_ip_address": func(v source.Value) { b := v.Boolean(); x.PublicIP = &b },
			}, nil)
		},
	}, refusedService)
	r.lab.Instances = append(r.lab.Instances, x)
}

// legs reads networks: of a service, a list or a mapping.
func (r *reader) legs(x *Instance, v source.Value) {
	leg := func(subnet string, line int) {
		if x.Subnet != "" {
			r.ps.Add(line, sim.T("%s: an instance has one network interface so far: %s or %s, not both", v.Path, x.Subnet, subnet))
		}
		x.Subnet = subnet
		r.lines["networks of "+x.Name] = line
	}
	if v.Node().Kind != mappingNode {
		v.Items(func(v source.Value) { leg(v.Str(), v.Line()) })
		return
	}
	v.Each(func(subnet string, v source.Value) {
		leg(subnet, v.Line())
		v.Fields(map[string]source.Field{"ipv4_address": func(v source.Value) {
			a, err := netip.ParseAddr(v.Str())
			if err != nil || !a.Is4() {
				v.Bad(sim.T("%s: %q is not an IPv4 address", v.Path, v.Str()))
			}
			x.PrivateIP = a
			r.lines["address of "+x.Name] = v.Line()
		}}, map[string]sim.Text{"ipv6_address": isEC2, "mac_address": isEC2, "driver_opts": isEC2, "aliases": isEC2,
			"link_local_ips": isEC2, "priority": isEC2, "gw_priority": isEC2, "interface_name": isEC2})
	})
}

// mount reads one of volumes: of a service, NAME:/path or the long form.
func (r *reader) mount(x *Instance, v source.Value) {
	var m Mount
	if v.Node().Kind == mappingNode {
		v.Fields(map[string]source.Field{
			"type": func(v source.Value) {
				if v.Str() != "volume" {
					v.Bad(sim.T("%s is refused: %s", v.Path, reachesHost))
				}
			},
			"source": source.Set(&m.Volume), "target": source.Set(&m.Path),
		}, map[string]sim.Text{"bind": reachesHost, "read_only": isEC2, "volume": isEC2, "tmpfs": isEC2, "image": reachesHost, "cluster": reachesHost, "consistency": isEC2})
	} else {
		source, path, ok := strings.Cut(v.Str(), ":")
		if !ok {
			v.Bad(sim.T("%s: a volume is mounted as NAME:/path, not %q", v.Path, v.Str()))
			return
		}
		m = Mount{source, path}
	}
	switch {
	case strings.HasPrefix(m.Volume, ".") || strings.HasPrefix(m.Volume, "/") || strings.HasPrefix(m.Volume, "~"):
		v.Bad(sim.T("%s is refused: %s", m.Volume, reachesHost))
		return
	case !sim.IsMountPoint(m.Path):
		v.Bad(sim.T("%s: %q can't be a mount point", v.Path, m.Path))
	}
	r.lines["mount "+x.Name+" "+m.Volume] = v.Line()
	x.Mounts = append(x.Mounts, m)
}

func (r *reader) dependsOn(name string, v source.Value) {
	after := func(other string, line int) {
		r.depends = append(r.depends, dependency{name, other, line})
	}
	if v.Node().Kind != mappingNode {
		v.Items(func(v source.Value) { after(v.Str(), v.Line()) })
		return
	}
	v.Each(func(other string, v source.Value) {
		after(other, v.Line())
		v.Fields(map[string]source.Field{"condition": func(v source.Value) {
			if s := v.Str(); s != "service_started" {
				v.Bad(sim.T("%s: an instance knows service_started only, not %q", v.Path, s))
			}
		}, "required": func(source.Value) {}, "restart": func(source.Value) {}}, nil)
	})
}

// labels become the instance's tags; a list of KEY=VALUE or a mapping.
func (r *reader) labels(tags map[string]string, v source.Value) {
	label := func(k, val string, at source.Value) {
		switch own := reservedTag(k); {
		case own != "":
			at.Bad(sim.T("%s: a label can't be named %q: %s is not for users", v.Path, k, own))
		case k == "" || len(tags) >= maxLabels || utf8.RuneCountInString(k) > sim.MaxTagKeyLen || utf8.RuneCountInString(val) > sim.MaxTagValueLen:
			at.Bad(sim.T("%s: an instance has at most %d labels, of 1 to %d characters with values of at most %d", v.Path, maxLabels, sim.MaxTagKeyLen, sim.MaxTagValueLen))
		case sim.Tag{Key: k, Value: val}.Check() != nil:
			at.Bad(sim.T("%s: neither a label nor its value can have control characters: %s", v.Path, k+"="+val))
		default:
			tags[k] = val
		}
	}
	if v.Node().Kind == mappingNode {
		v.Each(func(k string, val source.Value) { label(k, val.Str(), val) })
		return
	}
	v.Items(func(x source.Value) {
		k, val, _ := strings.Cut(x.Str(), "=")
		label(k, val, x)
	})
}
