package exercise

import (
	"maps"
	"slices"
	"strings"

	"labsim/sim"
)

// Cast is who has which role. A role that nobody can have is missing.
type Cast map[string]*Resource

// Vars are the variables of scripts and guides: $public is the id of the one
// that has the role, $public_route_table an attribute of it.
func (c Cast) Vars() map[string]string {
	out := map[string]string{}
	for role, r := range c {
		out[variable(role, "")] = r.ID
		out[variable(role, "name")] = r.Name
		for _, a := range attributes[r.Kind] {
			if v := r.Get(a); v != "" {
				out[variable(role, a)] = v
			}
		}
	}
	return out
}

// resolve returns what $ROLE.ATTRIBUTE stands for, any other word as it is.
func (c Cast) resolve(word string) (value string, ok bool) {
	ref, isRef := strings.CutPrefix(word, "$")
	if !isRef {
		return word, true
	}
	role, attribute, _ := strings.Cut(ref, ".")
	r, ok := c[role]
	if !ok {
		return "", false
	}
	v := r.Get(attribute)
	return v, v != ""
}

// holds reports whether a condition holds of r.
func (c Cast) holds(x Condition, r *Resource) bool {
	have := r.values(x.Attribute)
	switch x.Want {
	case wantAny:
		return len(have) > 0
	case wantNone:
		return len(have) == 0
	}
	want, ok := c.resolve(x.Want)
	return ok && slices.Contains(have, want)
}

func (c Cast) all(list []Condition, r *Resource) bool {
	return !slices.ContainsFunc(list, func(x Condition) bool { return !c.holds(x, r) })
}

// why says what is otherwise than a condition wants it.
func (c Cast) why(x Condition, r *Resource) sim.Text {
	if w := r.attrs[x.Attribute].why; w.Format != "" {
		return sim.Cmd("%s: %s", r.Label(), w)
	}
	name := attributeText(x.Attribute)
	have := strings.Join(r.values(x.Attribute), ", ")
	want, ok := c.resolve(x.Want)
	switch {
	case x.Want == wantNone:
		return sim.T("%s has %s %s, and is to have none", r.Label(), name, have)
	case x.Want == wantAny:
		return sim.T("%s has no %s", r.Label(), name)
	case !ok:
		return sim.T("%s of %s can't be looked at: nothing is %s yet", name, r.Label(), x.Want)
	case have == "":
		return sim.T("%s has no %s; it is to be %s", r.Label(), name, want)
	}
	return sim.T("%s of %s is %s, not %s", name, r.Label(), have, want)
}

// What bounds how many ways to give the roles are compared: an account may have
// hundreds of resources, and a stranger's lab many roles and checks.
const (
	maxCasts  = 4096
	maxEffort = 2_000_000 // resources that are held against something
)

// casts calls f with every way to give the roles, until there have been maxCasts or
// they have cost too much. Two roles are never the same resource's.
func (x *Exercise) casts(facts *Facts, f func(Cast)) {
	n, effort, each := 0, 0, x.effort(facts)
	var give func(int, Cast)
	give = func(i int, c Cast) {
		if n >= maxCasts || n > 0 && effort+n*each > maxEffort {
			return
		}
		if i == len(x.Roles) {
			n++
			f(maps.Clone(c))
			return
		}
		role := x.Roles[i]
		found := false
		for _, r := range facts.named(role.Kind, role.Name) {
			if effort++; c.has(r) || !c.all(role.Where, r) {
				continue
			}
			found = true
			c[role.Name] = r
			give(i+1, c)
			delete(c, role.Name)
		}
		if !found {
			give(i+1, c)
		}
	}
	give(0, Cast{})
}

// effort is what the checks of one cast cost.
func (x *Exercise) effort(facts *Facts) (n int) {
	for _, s := range x.Steps {
		for _, c := range s.Checks {
			n++
			if c.Count != nil {
				n += len(facts.of(c.Count.Kind))
			}
		}
	}
	return n
}

func (c Cast) has(r *Resource) bool {
	for _, o := range c {
		if o == r {
			return true
		}
	}
	return false
}

// maxReasons bounds how many resources a sentence tells of.
const maxReasons = 3

// missing says why nobody has a role.
func (x *Exercise) missing(facts *Facts, c Cast, role Role, lang string) sim.Text {
	all := facts.of(role.Kind)
	if len(all) == 0 {
		return sim.T("there is no %s yet", role.Kind.text())
	}
	free := slices.DeleteFunc(slices.Clone(all), c.has)
	reasons := c.misfits(role.Where, free)
	switch n := len(reasons); {
	case n == 0 && len(all) <= maxReasons:
		return inRow(append(x.holders(c, role.Kind, lang), sim.T("%s is still missing", role.Say.In(lang))))
	case n == 0:
		return sim.T("every %s that there is serves for something else; %s is still missing", role.Kind.text(), role.Say.In(lang))
	case n <= maxReasons:
		return inRow(reasons)
	}
	return sim.T("none can be it of the %d of kind %s; of the first: %s", len(all), role.Kind.text(), reasons[0])
}

// misfits says of each resource of which some condition does not hold why not.
func (c Cast) misfits(list []Condition, all []*Resource) (reasons []any) {
	for _, r := range all {
		if i := slices.IndexFunc(list, func(w Condition) bool { return !c.holds(w, r) }); i >= 0 {
			reasons = append(reasons, c.why(list[i], r))
		}
	}
	return reasons
}

// holders says who of a kind has which role: somebody may have put into one
// subnet what was meant for the other.
func (x *Exercise) holders(c Cast, kind Kind, lang string) (out []any) {
	for _, role := range x.Roles {
		if r := c[role.Name]; r != nil && role.Kind == kind {
			out = append(out, sim.T("%s counts as %s", r.Label(), role.Say.In(lang)))
		}
	}
	return out
}

// inRow makes one text of several.
func inRow(texts []any) sim.Text {
	return sim.Text{Format: strings.TrimSuffix(strings.Repeat("%s; ", len(texts)), "; "), Args: texts}
}
