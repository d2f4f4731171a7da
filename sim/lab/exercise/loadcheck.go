package exercise

import (
	"math"
	"net/netip"
	"strings"

	"labsim/sim"
	"labsim/sim/lab/source"
	"labsim/sim/path"
)

func (r *reader) check(v source.Value) Check {
	c := Check{Line: v.Line()}
	kinds := 0
	one := func(f source.Field) source.Field { return func(v source.Value) { kinds++; f(v) } }
	v.Fields(map[string]source.Field{
		"name": name(&c.Name),
		"say":  r.words(&c.Say),
		"hints": func(v source.Value) {
			v.Items(r.upTo(maxHints, func(v source.Value) { c.Hints = append(c.Hints, r.hint(v)) }))
		},
		"solve": text(&c.Solve),
		"fix":   func(v source.Value) { c.Fix = v.Strings(); harmless(v, strings.Join(c.Fix, "")) },
		"exists": one(func(v source.Value) {
			c.Exists = v.Str()
			r.refs = append(r.refs, reference{at: v, text: "$" + v.Str()})
		}),
		"count":       one(func(v source.Value) { c.Count = r.count(v) }),
		"attribute":   one(func(v source.Value) { c.Attribute = r.attribute(v) }),
		"reachable":   one(func(v source.Value) { c.Packet = r.packet(v, true) }),
		"unreachable": one(func(v source.Value) { c.Packet = r.packet(v, false) }),
		"http":        one(func(v source.Value) { c.HTTP = r.http(v) }),
		"exec":        one(func(v source.Value) { c.Exec = r.exec(v) }),
	}, nil)
	if c.Name == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "name"))
	}
	if c.Say == nil {
		v.Bad(sim.T("%s lacks %s", v.Path, "say"))
	}
	if kinds != 1 {
		v.Bad(sim.T("%s is to have one of exists, count, attribute, reachable, unreachable, http and exec, not %d", v.Path, kinds))
	}
	return c
}

func (r *reader) hint(v source.Value) Words {
	var w Words
	r.words(&w)(v)
	return w
}

func text(dst *Script) source.Field {
	return func(v source.Value) {
		*dst = Script{Text: v.Str(), Line: v.Line()}
		if v.Literal() { // the text begins on the line after the |
			dst.Line++
		}
	}
}

func (r *reader) count(v source.Value) *Count {
	c := &Count{AtMost: -1}
	v.Each(func(key string, v source.Value) {
		switch key {
		case "kind":
			c.Kind = r.kind(v)
		case "at_least":
			c.AtLeast = v.Integer()
		case "at_most":
			c.AtMost = v.Integer()
		}
	})
	c.Where = r.conditions(c.Kind, v, "kind", "at_least", "at_most")
	if c.AtMost >= 0 && c.AtLeast > c.AtMost {
		v.Bad(sim.T("%s wants at least %d and at most %d", v.Path, c.AtLeast, c.AtMost))
	}
	return c
}

func (r *reader) attribute(v source.Value) *Attribute {
	a := &Attribute{}
	v.Each(func(key string, v source.Value) {
		if key == "of" {
			a.Of = v.Str()
			r.refs = append(r.refs, reference{at: v, text: "$" + a.Of})
		}
	})
	k := Kind("")
	if x, ok := r.Exercise.role(a.Of); ok {
		k = x.Kind
	}
	a.Wants = r.conditions(k, v, "of")
	return a
}

func (r *reader) packet(v source.Value, open bool) *Packet {
	p := &Packet{Open: open}
	port := func(name string) source.Field {
		return func(v source.Value) {
			var err error
			if p.Protocol, p.Port, err = path.ParseTraffic(name + "/" + v.Str()); err != nil {
				v.Bad(sim.T("%s is to be a port, from 1 to 65535", v.Path))
			}
		}
	}
	v.Fields(map[string]source.Field{
		"from": r.sender(&p.From),
		"to":   r.receiver(&p.To),
		"tcp":  port("tcp"),
		"udp":  port("udp"),
		"icmp": func(v source.Value) { p.Protocol = sim.ProtocolICMP },
	}, nil)
	if p.From == "" || p.To == "" || p.Protocol == 0 {
		v.Bad(sim.T("%s wants from, to, and one of tcp, udp and icmp", v.Path))
	}
	return p
}

// receivers have an address that a packet can go to.
var receivers = []Kind{KindInstance, KindAddress}

// sender reads who sends a packet: the internet side, or an instance's role.
func (r *reader) sender(dst *string) source.Field {
	instance := r.byRole(dst, KindInstance)
	return func(v source.Value) {
		if *dst = v.Str(); *dst != internet {
			instance(v)
		}
	}
}

// receiver reads where a packet goes: to a role, $ROLE.public-ip, or an address.
func (r *reader) receiver(dst *string) source.Field {
	whose := r.byRole(dst, receivers...)
	return func(v source.Value) {
		*dst = v.Str()
		role, attribute, has := strings.Cut(*dst, ".")
		if addr, err := netip.ParseAddr(*dst); err == nil {
			if !addr.Is4() || !addr.IsGlobalUnicast() && !addr.IsLinkLocalUnicast() {
				v.Bad(sim.T("%s: a packet goes to an IPv4 address of one machine, not to %s", v.Path, addr))
			}
			return
		}
		if has && attribute != "public-ip" && attribute != "private-ip" {
			v.Bad(sim.T("%s is a role, $ROLE.public-ip, $ROLE.private-ip or an address", v.Path))
			return
		}
		if !has {
			whose(v)
			return
		}
		*dst = "$" + strings.TrimPrefix(*dst, "$")
		r.refs = append(r.refs, reference{at: v, text: "$" + strings.TrimPrefix(role, "$") + "." + attribute, kinds: receivers})
	}
}

// byRole reads a role, with or without its $, of one of some kinds.
func (r *reader) byRole(dst *string, kinds ...Kind) source.Field {
	return func(v source.Value) {
		name := strings.TrimPrefix(v.Str(), "$")
		*dst = "$" + name
		if !roleName().MatchString(name) {
			v.Bad(sim.T("%s is a role, not an address or anything else", v.Path))
			return
		}
		r.refs = append(r.refs, reference{at: v, text: *dst, kinds: kinds})
	}
}

func (r *reader) http(v source.Value) *HTTP {
	h := &HTTP{Port: 80, Path: "/"}
	v.Fields(map[string]source.Field{
		"to": r.byRole(&h.To, receivers...), "port": source.SetInt(&h.Port), "path": source.Set(&h.Path), "contains": source.Set(&h.Contains),
	}, nil)
	if h.To == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "to"))
	}
	if h.Port < 1 || h.Port > math.MaxUint16 {
		v.Bad(sim.T("%s is to be a port, from 1 to 65535", v.Path+".port"))
	}
	if !strings.HasPrefix(h.Path, "/") {
		v.Bad(sim.T("%s begins with /", v.Path+".path"))
	}
	return h
}

func (r *reader) exec(v source.Value) *Exec {
	e := &Exec{}
	v.Fields(map[string]source.Field{"in": r.byRole(&e.In, KindInstance), "run": source.Set(&e.Run), "contains": source.Set(&e.Contains)}, nil)
	if e.In == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "in"))
	}
	if e.Run == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "run"))
	}
	return e
}
