package exercise

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"labsim/sim"
	"labsim/sim/lab/source"
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
