package ec2

import (
	"encoding/base64"
	"iter"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// resource is a kind of rows that a Describe shows.
type resource[K ~string, R any] struct {
	table   func(*world.State) *world.Table[K, R]
	filters filters[R]
}

// filters are what a kind of rows can be filtered by: the filter's name, and the
// values that a row has for it. A filter that EC2 documents and nothing in
// labsim can have gives no values, so it matches nothing.
type filters[R any] map[string]func(*call, R) []string

// query is what the requests of all Describes have in common.
type query struct {
	ids     []string
	filters []wire.Filter
	page
}

// find returns the caller's rows that a query asks for, in the order of their
// ids. An id that names nothing is an error, as in EC2.
func (res resource[K, R]) find(c *call, q query) ([]R, *string, error) {
	match, err := compile(c, res.filters, func(r R) sim.Tags { return res.table(c.State).TagsOf(&r) }, q.filters)
	if err != nil {
		return nil, nil, err
	}
	var found []string
	rows := map[string]R{}
	for id, r := range res.rows(c, q.ids, &err) {
		if match(r) {
			found = append(found, string(id))
			rows[string(id)] = r
		}
	}
	if err != nil {
		return nil, nil, err
	}
	found, next, err := q.cut(found)
	if err != nil {
		return nil, nil, err
	}
	return convert(found, func(id string) R { return rows[id] }), next, nil
}

// rows yields the rows of those ids, or all of them; *err is the first id's that
// names nothing.
func (res resource[K, R]) rows(c *call, ids []string, err *error) iter.Seq2[K, R] {
	table := res.table(c.State)
	if len(ids) == 0 {
		return table.Seen(c.account)
	}
	return func(yield func(K, R) bool) {
		for _, id := range slices.Compact(sorted(ids)) {
			var r R
			if r, *err = table.See(c.account, K(id)); *err != nil || !yield(K(id), r) {
				return
			}
		}
	}
}

// compile makes one predicate of a request's filters: all filters must match,
// of each filter any value (EC2 User Guide, "Filter your resources").
func compile[R any](c *call, known filters[R], tags func(R) sim.Tags, in []wire.Filter) (func(R) bool, error) {
	var all []func(R) bool
	for n, f := range in {
		name := text(f.Name)
		values, err := valuesOf(c, known, tags, name)
		if err != nil {
			return nil, err
		}
		if len(f.Values) == 0 {
			return nil, sim.Errorf(sim.CodeMissingParameter, "The request must contain the parameter Filter.%d.Value", n+1)
		}
		all = append(all, func(r R) bool { return anyMatches(f.Values, values(r)) })
	}
	return func(r R) bool {
		for _, f := range all {
			if !f(r) {
				return false
			}
		}
		return true
	}, nil
}

// valuesOf returns what a filter looks at.
func valuesOf[R any](c *call, known filters[R], tags func(R) sim.Tags, name string) (func(R) []string, error) {
	if tags != nil {
		if key, ok := strings.CutPrefix(name, "tag:"); ok {
			return func(r R) []string { return tagValues(tags(r), key) }, nil
		}
		if name == "tag-key" {
			return func(r R) []string { return tagKeys(tags(r)) }, nil
		}
	}
	f, ok := known[name]
	if !ok {
		return nil, sim.Errorf(sim.CodeInvalidParameterValue, "The filter '%s' is invalid", name)
	}
	return func(r R) []string { return f(c, r) }, nil
}

func tagValues(t sim.Tags, key string) []string {
	if v, ok := t.Get(key); ok {
		return []string{v}
	}
	return nil
}

func tagKeys(t sim.Tags) []string {
	return convert(t, func(t sim.Tag) string { return t.Key })
}

func anyMatches(patterns, values []string) bool {
	for _, p := range patterns {
		for _, v := range values {
			if matches(p, v) {
				return true
			}
		}
	}
	return false
}

// matches reports whether s fits a filter's value: * stands for any text, ? for
// any character, \ takes the next one as it is. It is linear: after a mismatch
// it goes back to the last * only.
func matches(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	i, j, star, from := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
			continue
		case i < len(p) && p[i] == '?':
			i, j = i+1, j+1
			continue
		case i+1 < len(p) && p[i] == '\\' && p[i+1] == t[j]:
			i, j = i+2, j+1
			continue
		case i < len(p) && p[i] != '\\' && p[i] == t[j]:
			i, j = i+1, j+1
			continue
		case star < 0:
			return false
		}
		from++
		i, j = star+1, from
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// page is the part of a list that a request asks for.
type page struct {
	max      *int // nil: all
	token    *string
	min, cap int // bounds of max; 0: 5 and 1000
}

// cut returns one page of sorted ids, and the token of the next page.
func (p page) cut(ids []string) ([]string, *string, error) {
	if p.min == 0 {
		p.min = 5
	}
	if p.cap == 0 {
		p.cap = 1000
	}
	if t := text(p.token); t != "" {
		last, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil {
			return nil, nil, sim.Errorf("InvalidNextToken", "The specified NextToken is not valid.")
		}
		for len(ids) > 0 && ids[0] <= string(last) {
			ids = ids[1:]
		}
	}
	if p.max == nil {
		return ids, nil, nil
	}
	if *p.max < p.min || *p.max > p.cap {
		return nil, nil, sim.Errorf(sim.CodeInvalidParameterValue, "Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", *p.max, p.min, p.cap)
	}
	if len(ids) <= *p.max {
		return ids, nil, nil
	}
	ids = ids[:*p.max]
	return ids, new(base64.RawURLEncoding.EncodeToString([]byte(ids[len(ids)-1]))), nil
}
