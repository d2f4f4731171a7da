package path

import (
	"strconv"

	"labsim/sim"
)

// name returns the Name tag, or else the id.
func name[ID ~string](tags sim.Tags, id ID) string {
	if n := tags.Value(sim.TagName); n != "" {
		return n
	}
	return string(id)
}

// label names an end as its owner does.
func (t *tracer) label(a at) string { return name(a.instance.Tags, a.instance.ID) }

// traffic names the query's packet: tcp/5432.
func (t *tracer) traffic() string { return traffic(t.q.Protocol, t.q.Port, t.q.Port) }

// service names what a rule is about: tcp/5432, tcp/1-1024, all traffic.
func service(r sim.SecurityGroupRule) any {
	if r.Protocol == sim.ProtocolAll {
		return sim.T("all traffic")
	}
	return traffic(r.Protocol, r.FromPort, r.ToPort)
}

func traffic(p sim.Protocol, from, to int) string {
	switch p {
	case sim.ProtocolICMP:
		return "icmp"
	case sim.ProtocolTCP:
		return "tcp" + ports(from, to)
	case sim.ProtocolUDP:
		return "udp" + ports(from, to)
	}
	return "protocol " + strconv.Itoa(int(p))
}

func ports(from, to int) string {
	switch {
	case from == -1:
		return ""
	case from == to:
		return "/" + strconv.Itoa(from)
	}
	return "/" + strconv.Itoa(from) + "-" + strconv.Itoa(to)
}
