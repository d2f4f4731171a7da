package exercise

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/lab/source"
	"labsim/sim/path"
)

// Load reads a checks.yaml. It returns all problems of the file; where one of
// them is Fatal, the exercise can't be used.
func Load(name, file string, data []byte) (*Exercise, []source.Problem) {
	ps := &source.Problems{File: file}
	root, ok := source.Parse(data, ps)
	if !ok {
		return nil, ps.Sorted()
	}
	r := &reader{Exercise: &Exercise{Name: name}, ps: ps}
	root.Path = "file"
	root.Fields(map[string]source.Field{
		"title": r.words(&r.Title),
		"about": r.words(&r.About),
		"start": func(v source.Value) {
			r.Finished = v.Str() == "finished"
			if !r.Finished && v.Str() != "empty" {
				v.Bad(sim.T("%s is empty or finished", v.Path))
			}
		},
		"reasons": func(v source.Value) { r.Symptoms = !v.Boolean() },
		"compose": source.Set(&r.Compose),
		"roles":   func(v source.Value) { v.Each(r.role) },
		"steps":   func(v source.Value) { v.Items(r.step) },
		"faults":  func(v source.Value) { v.Items(r.fault) },
	}, nil)
	ps.Settle()
	r.lint()
	return r.Exercise, ps.Sorted()
}

// reader fills an exercise from its file.
type reader struct {
	*Exercise
	ps *source.Problems
	// refs are the $ROLE.ATTRIBUTE of the file, with their places.
	refs []reference
}

type reference struct {
	at   source.Value
	text string
	role string // the role that it is a condition of; "": of none
}

// languages are what every text of a lab is written in.
var languages = []string{"en", "ko"}

func (r *reader) words(dst *Words) source.Field {
	return func(v source.Value) {
		w := Words{}
		fields := map[string]source.Field{}
		for _, l := range languages {
			fields[l] = func(v source.Value) { w[l] = strings.TrimSpace(v.Str()); harmless(v, w[l]) }
		}
		v.Fields(fields, nil)
		for _, l := range languages {
			if w[l] == "" {
				v.Bad(sim.T("%s lacks its text in %s", v.Path, l))
			}
		}
		*dst = w
	}
}

// harmless refuses what could drive the terminal that it is printed on: a lab comes
// from a stranger.
func harmless(v source.Value, s string) {
	if sim.Printable(s) != s {
		v.Bad(sim.T("%s has a character that could drive a terminal", v.Path))
	}
}

// name reads what steps, checks and faults are called.
func name(dst *string) source.Field {
	return func(v source.Value) { *dst = v.Str(); harmless(v, *dst) }
}

func (r *reader) kind(v source.Value) Kind {
	k := Kind(v.Str())
	if _, ok := attributes[k]; !ok {
		known := slices.Sorted(maps.Keys(attributes))
		v.Bad(sim.T("%s: there is no kind %q; known are %v", v.Path, string(k), known))
	}
	return k
}

// role reads KIND and what must hold of it: { kind: subnet, vpc: $vpc }.
func (r *reader) role(name string, v source.Value) {
	x := Role{Name: name}
	v.Each(func(key string, v source.Value) {
		switch key {
		case "kind":
			x.Kind = r.kind(v)
		case "say":
			r.words(&x.Say)(v)
		}
	})
	before := len(r.refs)
	x.Where = r.conditions(x.Kind, v, "kind", "say")
	for i := range r.refs[before:] {
		r.refs[before+i].role = name
	}
	if x.Kind == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "kind"))
	}
	if x.Say == nil {
		v.Bad(sim.T("%s lacks %s", v.Path, "say"))
	}
	r.Roles = append(r.Roles, x)
}

// conditions reads ATTRIBUTE: VALUE, but for some keys.
func (r *reader) conditions(k Kind, v source.Value, but ...string) []Condition {
	var out []Condition
	v.Each(func(key string, v source.Value) {
		if slices.Contains(but, key) {
			return
		}
		known := append([]string{"id", "name"}, attributes[k]...)
		c := Condition{Attribute: key, Want: v.Str()}
		if k != "" && !slices.Contains(known, key) {
			r.unknown(v, k, key, known, but)
		}
		if slices.Contains(booleans, key) && c.Want != "true" && c.Want != "false" {
			v.Bad(sim.T("%s is true or false", v.Path))
		}
		r.refer(v, c.Want)
		out = append(out, c)
	})
	return out
}

// booleans are the attributes that are true or false.
var booleans = []string{"public", "main", "public-ip-on-launch"}

// unknown complains of a key that is no attribute; keys are the others that could be meant.
func (r *reader) unknown(v source.Value, k Kind, key string, known, keys []string) {
	if near, ok := sim.Nearest(key, slices.Concat(known, keys)); ok {
		v.Bad(sim.T("%s: kind %s has no %s; did you mean %s? Known are %v", v.Path, string(k), key, near, known))
		return
	}
	v.Bad(sim.T("%s: kind %s has no %s; known are %v", v.Path, string(k), key, known))
}

// refer notes a $ROLE.ATTRIBUTE, to be looked up once all roles are known.
func (r *reader) refer(v source.Value, s string) {
	if strings.HasPrefix(s, "$") {
		r.refs = append(r.refs, reference{at: v, text: s})
	}
}

func (r *reader) step(v source.Value) {
	var s Step
	v.Fields(map[string]source.Field{
		"name":   name(&s.Name),
		"title":  r.words(&s.Title),
		"checks": func(v source.Value) { v.Items(func(v source.Value) { s.Checks = append(s.Checks, r.check(v)) }) },
	}, nil)
	if s.Name == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "name"))
	}
	if len(s.Checks) == 0 {
		v.Bad(sim.T("%s lacks %s", v.Path, "checks"))
	}
	r.Steps = append(r.Steps, s)
}

func (r *reader) check(v source.Value) Check {
	c := Check{Line: v.Line()}
	kinds := 0
	one := func(f source.Field) source.Field { return func(v source.Value) { kinds++; f(v) } }
	v.Fields(map[string]source.Field{
		"name":  name(&c.Name),
		"say":   r.words(&c.Say),
		"hints": func(v source.Value) { v.Items(func(v source.Value) { c.Hints = append(c.Hints, r.hint(v)) }) },
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
		"from": r.end(&p.From),
		"to":   r.end(&p.To),
		"tcp":  port("tcp"),
		"udp":  port("udp"),
		"icmp": func(v source.Value) { p.Protocol = sim.ProtocolICMP },
	}, nil)
	if p.From == "" || p.To == "" || p.Protocol == 0 {
		v.Bad(sim.T("%s wants from, to, and one of tcp, udp and icmp", v.Path))
	}
	return p
}

// end reads an end of a packet's way: a role may be without its $.
func (r *reader) end(dst *string) source.Field {
	return func(v source.Value) {
		*dst = v.Str()
		if _, err := netip.ParseAddr(*dst); err == nil || *dst == internet {
			return
		}
		*dst = "$" + strings.TrimPrefix(*dst, "$")
		r.refer(v, *dst)
	}
}

func (r *reader) http(v source.Value) *HTTP {
	h := &HTTP{Port: 80, Path: "/"}
	v.Fields(map[string]source.Field{
		"to": r.end(&h.To), "port": source.SetInt(&h.Port), "path": source.Set(&h.Path), "contains": source.Set(&h.Contains),
	}, nil)
	if h.To == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "to"))
	}
	if h.Port < 1 || h.Port > math.MaxUint16 {
		v.Bad(sim.T("%s is to be a port, from 1 to 65535", v.Path+".port"))
	}
	return h
}

func (r *reader) exec(v source.Value) *Exec {
	e := &Exec{}
	v.Fields(map[string]source.Field{"in": r.end(&e.In), "run": source.Set(&e.Run), "contains": source.Set(&e.Contains)}, nil)
	if e.In == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "in"))
	}
	if e.Run == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "run"))
	}
	return e
}

func (r *reader) fault(v source.Value) {
	var f Fault
	v.Fields(map[string]source.Field{
		"name": name(&f.Name), "break": text(&f.Break),
		"exec": func(v source.Value) { f.Exec = r.exec(v); f.Exec.In = strings.TrimPrefix(f.Exec.In, "$") },
	}, nil)
	if f.Name == "" || f.Break.Text == "" && f.Exec == nil {
		v.Bad(sim.T("%s wants a name, and break or exec", v.Path))
	}
	r.Faults = append(r.Faults, f)
}

func (x *Exercise) role(name string) (Role, bool) {
	i := slices.IndexFunc(x.Roles, func(r Role) bool { return r.Name == name })
	if i < 0 {
		return Role{}, false
	}
	return x.Roles[i], true
}
