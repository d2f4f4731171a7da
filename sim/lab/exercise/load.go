package exercise

import (
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

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
		"steps":   func(v source.Value) { v.Items(r.upTo(maxSteps, r.step)) },
		"faults":  func(v source.Value) { v.Items(r.upTo(maxFaults, r.fault)) },
	}, nil)
	ps.Settle()
	r.lint()
	return r.Exercise, ps.Sorted()
}

// reader fills an exercise from its file.
type reader struct {
	*Exercise
	ps     *source.Problems
	checks int // that the file has
	// refs are the $ROLE.ATTRIBUTE of the file, with their places.
	refs []reference
}

type reference struct {
	at   source.Value
	text string
	role string // the role that it is a condition of; "": of none
	// kinds are those that the role is to have; none: any.
	kinds []Kind
}

// What a lab may have: it comes from a stranger. The casting of roles, and the
// packets that are sent at once, grow with these.
const (
	maxRoles      = 50
	maxSteps      = 50
	maxChecks     = 200 // of all steps
	maxFaults     = 100
	maxConditions = 20
	maxHints      = 3
)

// upTo passes on so many elements, and complains of the next.
func (r *reader) upTo(most int, f func(source.Value)) func(source.Value) {
	n := 0
	return func(v source.Value) {
		switch n++; {
		case n <= most:
			f(v)
		case n == most+1:
			v.Bad(sim.T("%s: there are at most %d of them", v.Path, most))
		}
	}
}

// roleName is what can be a variable of scripts, too.
var roleName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]{0,62}$`) })

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
	switch {
	case len(r.Roles) >= maxRoles:
		v.Bad(sim.T("%s: there are at most %d of them", v.Path, maxRoles))
		return
	case !roleName().MatchString(name) || name == internet:
		v.Bad(sim.T("%q can't name a %s: letters, digits, _ . and -, at most 63, beginning with a letter or digit, and not internet", name, "role"))
		return
	}
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
		if len(out) == maxConditions {
			v.Bad(sim.T("%s: there are at most %d of them", v.Path, maxConditions))
			return
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
	if r.ps.Many() {
		return
	}
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
		"checks": func(v source.Value) { v.Items(func(v source.Value) { r.addCheck(&s, v) }) },
	}, nil)
	if s.Name == "" {
		v.Bad(sim.T("%s lacks %s", v.Path, "name"))
	}
	if len(s.Checks) == 0 {
		v.Bad(sim.T("%s lacks %s", v.Path, "checks"))
	}
	r.Steps = append(r.Steps, s)
}

func (r *reader) addCheck(s *Step, v source.Value) {
	if r.checks++; r.checks <= maxChecks {
		s.Checks = append(s.Checks, r.check(v))
	} else if r.checks == maxChecks+1 {
		v.Bad(sim.T("%s: there are at most %d of them", v.Path, maxChecks))
	}
}

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
