package exercise

import (
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/lab/script"
)

// lint holds the file against itself: what it names exists, what it runs can be run.
func (r *reader) lint() {
	for _, x := range r.refs {
		r.lookUp(x)
	}
	seen := map[string]bool{}
	for _, s := range r.Steps {
		for _, c := range s.Checks {
			if seen[c.Name] {
				r.ps.Add(c.Line, sim.T("there are two checks named %s", c.Name))
			}
			seen[c.Name] = true
			r.checkScript(c.Solve)
			r.control(c)
		}
	}
	if len(r.Steps) == 0 {
		r.ps.Add(0, sim.T("the file has no steps"))
	}
	for _, f := range r.Faults {
		r.checkScript(f.Break)
	}
}

func (r *reader) lookUp(x reference) {
	name, attribute, _ := strings.Cut(strings.TrimPrefix(x.text, "$"), ".")
	role, ok := r.Exercise.role(name)
	if !ok {
		var known []string
		for _, o := range r.Roles {
			known = append(known, o.Name)
		}
		x.at.Bad(sim.T("%s: there is no role %q; known are %v", x.at.Path, name, known))
		return
	}
	if len(x.kinds) > 0 && !slices.Contains(x.kinds, role.Kind) {
		x.at.Bad(sim.T("%s: the role %s has no address: kind %s", x.at.Path, name, string(role.Kind)))
		return
	}
	if x.role != "" && r.place(name) >= r.place(x.role) {
		x.at.Bad(sim.T("%s: the role %s is given before %s; a role can name only those above it", x.at.Path, x.role, name))
	}
	known := append([]string{"id", "name"}, attributes[role.Kind]...)
	if attribute != "" && !slices.Contains(known, attribute) {
		x.at.Bad(sim.T("%s: kind %s has no %s; known are %v", x.at.Path, string(role.Kind), attribute, known))
	}
}

// place is where a role stands among the others: they are given in that order.
func (r *reader) place(role string) int {
	return slices.IndexFunc(r.Roles, func(o Role) bool { return o.Name == role })
}

func (r *reader) checkScript(s Script) {
	if r.ps.Many() {
		return
	}
	for _, f := range script.Check(s.Text, r.Variables()) {
		r.ps.Add(s.Line+f.Line-1, script.TextOf(f.Err))
	}
}

// Variables are what scripts and guides may name: each role and its attributes.
func (x *Exercise) Variables() []string {
	var out []string
	for _, r := range x.Roles {
		out = append(out, variable(r.Name, ""), variable(r.Name, "name"))
		for _, a := range attributes[r.Kind] {
			out = append(out, variable(r.Name, a))
		}
	}
	return out
}

// control wants for each "not" that something answers there: a port on which
// nobody listens proves nothing.
func (r *reader) control(c Check) {
	p := c.Packet
	if p == nil || p.Open {
		return
	}
	for _, s := range r.Steps {
		for _, o := range s.Checks {
			if q := o.Packet; q != nil && q.Open && roleOf(q.To) == roleOf(p.To) && q.Protocol == p.Protocol && q.Port == p.Port {
				return
			}
			if h := o.HTTP; h != nil && roleOf(h.To) == roleOf(p.To) && p.Protocol == sim.ProtocolTCP && h.Port == p.Port {
				return
			}
		}
	}
	r.ps.Warn(c.Line, sim.T("%s has no control: no check wants the same port of %s to answer somebody", c.Name, p.To))
}

// roleOf returns the role in $ROLE.ATTRIBUTE.
func roleOf(end string) string {
	name, _, _ := strings.Cut(end, ".")
	return name
}
