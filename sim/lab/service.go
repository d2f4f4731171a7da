package lab

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"labsim/sim"
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
	"extra_hosts": isEC2, "mac_address": isEC2, "container_name": isEC2, "domainname": dnsName, "hostname": dnsName,
	"restart": lifecycle, "deploy": lifecycle, "scale": lifecycle, "healthcheck": isEC2, "profiles": lifecycle,
	"stop_signal": lifecycle, "stop_grace_period": lifecycle, "init": lifecycle,
	"mem_limit": byType, "cpus": byType, "cpuset": byType, "memswap_limit": byType, "mem_reservation": byType,
	"pids_limit": byType, "shm_size": byType, "ulimits": byType, "cpu_shares": byType, "cpu_quota": byType, "gpus": byType,
	"develop": isEC2, "logging": isEC2, "platform": isEC2, "pull_policy": isEC2, "read_only": isEC2, "stdin_open": isEC2, "tty": isEC2, "cap_drop": isEC2,
}

// service reads an instance: services.NAME.
func (r *reader) service(name string, v value) {
	x := Instance{Name: name, Type: "t3.micro", Tags: map[string]string{}}
	r.lines["instance "+name] = v.line()
	r.lines["networks of "+name] = v.line()
	v.fields(map[string]field{
		"image":      func(v value) { x.Image = v.str(); r.lines["image of "+name] = v.line() },
		"networks":   func(v value) { r.legs(&x, v) },
		"volumes":    func(v value) { v.items(func(v value) { r.mount(&x, v) }) },
		"depends_on": func(v value) { r.dependsOn(name, v) },
		"labels":     func(v value) { r.labels(x.Tags, v) },
		// Compose has ways of its own to write these: its reader is asked later.
		"command": r.process(name), "entrypoint": r.process(name), "environment": r.process(name),
		"working_dir": r.process(name), "user": r.process(name),
		"x-labsim-instance": func(v value) {
			v.fields(map[string]field{
				"instance_type": func(v value) { x.Type = v.str(); r.lines["type of "+name] = v.line() },
				"key_name":      func(v value) { x.KeyName = r.keyName(v) },
				"security_groups": func(v value) {
					x.Groups = v.strings()
					r.lines["groups of "+name] = v.line()
				},
				"user_data":                   func(v value) { x.UserData = v.str(); r.lines["user data of "+name] = v.line() },
				"associate_public_ip_address": func(v value) { b := v.boolean(); x.PublicIP = &b },
			}, nil)
		},
	}, refusedService)
	r.lab.Instances = append(r.lab.Instances, x)
}

// legs reads networks: of a service, a list or a mapping.
func (r *reader) legs(x *Instance, v value) {
	leg := func(subnet string, line int) {
		if x.Subnet != "" {
			v.ps.add(line, sim.T("%s: an instance has one network interface so far: %s or %s, not both", v.path, x.Subnet, subnet))
		}
		x.Subnet = subnet
		r.lines["networks of "+x.Name] = line
	}
	if v.node.Kind != mappingNode {
		v.items(func(v value) { leg(v.str(), v.line()) })
		return
	}
	v.each(func(subnet string, v value) {
		leg(subnet, v.line())
		v.fields(map[string]field{"ipv4_address": func(v value) {
			a, err := netip.ParseAddr(v.str())
			if err != nil || !a.Is4() {
				v.bad(sim.T("%s: %q is not an IPv4 address", v.path, v.str()))
			}
			x.PrivateIP = a
			r.lines["address of "+x.Name] = v.line()
		}}, map[string]sim.Text{"ipv6_address": isEC2, "mac_address": isEC2, "driver_opts": isEC2, "aliases": isEC2,
			"link_local_ips": isEC2, "priority": isEC2, "gw_priority": isEC2, "interface_name": isEC2})
	})
}

// mount reads one of volumes: of a service, NAME:/path or the long form.
func (r *reader) mount(x *Instance, v value) {
	var m Mount
	if v.node.Kind == mappingNode {
		v.fields(map[string]field{
			"type": func(v value) {
				if v.str() != "volume" {
					v.bad(sim.T("%s is refused: %s", v.path, reachesHost))
				}
			},
			"source": set(&m.Volume), "target": set(&m.Path),
		}, map[string]sim.Text{"bind": reachesHost, "read_only": isEC2, "volume": isEC2, "tmpfs": isEC2, "image": reachesHost, "cluster": reachesHost, "consistency": isEC2})
	} else {
		source, path, ok := strings.Cut(v.str(), ":")
		if !ok {
			v.bad(sim.T("%s: a volume is mounted as NAME:/path, not %q", v.path, v.str()))
			return
		}
		m = Mount{source, path}
	}
	switch {
	case strings.HasPrefix(m.Volume, ".") || strings.HasPrefix(m.Volume, "/") || strings.HasPrefix(m.Volume, "~"):
		v.bad(sim.T("%s is refused: %s", m.Volume, reachesHost))
		return
	case !mountPoint(m.Path):
		v.bad(sim.T("%s: %q can't be a mount point", v.path, m.Path))
	}
	r.lines["mount "+x.Name+" "+m.Volume] = v.line()
	x.Mounts = append(x.Mounts, m)
}

func (r *reader) dependsOn(name string, v value) {
	after := func(other string, line int) {
		r.depends = append(r.depends, dependency{name, other, line})
	}
	if v.node.Kind != mappingNode {
		v.items(func(v value) { after(v.str(), v.line()) })
		return
	}
	v.each(func(other string, v value) {
		after(other, v.line())
		v.fields(map[string]field{"condition": func(v value) {
			if s := v.str(); s != "service_started" {
				v.bad(sim.T("%s: an instance knows service_started only, not %q", v.path, s))
			}
		}, "required": func(value) {}, "restart": func(value) {}}, nil)
	})
}

// labels become the instance's tags; a list of KEY=VALUE or a mapping.
func (r *reader) labels(tags map[string]string, v value) {
	label := func(k, val string, at value) {
		switch own := reservedTag(k); {
		case own != "":
			at.bad(sim.T("%s: a label can't be named %q: %s is not for users", v.path, k, own))
		case k == "" || len(tags) >= maxLabels || utf8.RuneCountInString(k) > sim.MaxTagKeyLen || utf8.RuneCountInString(val) > sim.MaxTagValueLen:
			at.bad(sim.T("%s: an instance has at most %d labels, of 1 to %d characters with values of at most %d", v.path, maxLabels, sim.MaxTagKeyLen, sim.MaxTagValueLen))
		default:
			tags[k] = val
		}
	}
	if v.node.Kind == mappingNode {
		v.each(func(k string, val value) { label(k, val.str(), val) })
		return
	}
	v.items(func(x value) {
		k, val, _ := strings.Cut(x.str(), "=")
		label(k, val, x)
	})
}
