package ec2

import (
	"encoding/base64"
	"net/netip"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// parser turns the text of a request into values of the domain. The first error
// stays; a handler looks at it once, before it calls the world.
type parser struct{ err error }

func (p *parser) fail(code, format string, args ...any) {
	if p.err == nil {
		p.err = sim.Errorf(code, format, args...)
	}
}

// cidr parses an IPv4 block; missing: the zero value, which the world refuses.
func (p *parser) cidr(name string, s *string) netip.Prefix {
	if s == nil {
		p.fail(sim.CodeMissingParameter, "The request must contain the parameter %s", name)
		return netip.Prefix{}
	}
	c, _, err := sim.ParseCIDR(*s)
	if err != nil {
		p.fail(sim.CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", *s, name)
	}
	return c
}

// addr parses an IPv4 address; missing: the zero value.
func (p *parser) addr(name string, s *string) netip.Addr {
	if text(s) == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(*s)
	if err != nil || !a.Is4() {
		p.fail(sim.CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. Invalid IPv4 address", *s, name)
	}
	return a
}

// tags returns the tags for resources of one type; only the types in allowed may
// be named in the request.
func (p *parser) tags(specs []wire.TagSpecification, kind string, allowed ...string) sim.Tags {
	var out sim.Tags
	for _, s := range specs {
		name := text(s.ResourceType)
		if name != kind && !contains(allowed, name) {
			p.fail(sim.CodeInvalidParameterValue, "'%s' is not a valid taggable resource type for this operation.", name)
		}
		if name == kind {
			out = p.tagList(out, s.Tags)
		}
	}
	return out
}

func (p *parser) tagList(out sim.Tags, tags []wire.Tag) sim.Tags {
	for _, t := range tags {
		if _, twice := out.Get(text(t.Key)); twice {
			p.fail(sim.CodeInvalidParameterValue, "Duplicate tag key '%s' specified.", text(t.Key))
		}
		out = out.With(text(t.Key), text(t.Value))
	}
	return out
}

func (p *parser) userData(s *string) []byte {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text(s)), ""))
	if err != nil {
		p.fail(sim.CodeInvalidParameterValue, "Invalid BASE64 encoding of user data.")
	}
	return data
}

// oneOf checks a word out of a closed list; missing: "".
func (p *parser) oneOf(name string, s *string, words ...string) string {
	v := text(s)
	if v != "" && !contains(words, v) {
		p.fail(sim.CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. Valid values: %s", v, name, strings.Join(words, ", "))
	}
	return v
}

// enabled parses a word pair such as enabled/disabled; missing: nil.
func (p *parser) enabled(name string, s *string, yes, no string) *bool {
	switch p.oneOf(name, s, yes, no) {
	case yes:
		return new(true)
	case no:
		return new(false)
	}
	return nil
}

// text returns the value of s, or "".
func text(s *string) string { return value(s) }

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// id returns an identifier out of a request; what it names is the world's to check.
func id[T ~string](s *string) T { return T(value(s)) }

func ids[T ~string](list []string) []T {
	var out []T
	for _, s := range list {
		out = append(out, T(s))
	}
	return out
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// optional returns nil for "", else a pointer to s.
func optional[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	return new(string(s))
}

// optionalAddr returns nil for the zero address.
func optionalAddr(a netip.Addr) *string {
	if !a.IsValid() {
		return nil
	}
	return new(a.String())
}

// tagSet returns the tags in wire form; an empty list, not nil, where there is
// none: some of EC2's shapes always have it, the others get some(tagSet(t)).
func tagSet(t sim.Tags) []wire.Tag {
	out := make([]wire.Tag, len(t))
	for n, x := range t {
		out[n] = wire.Tag{Key: new(x.Key), Value: new(x.Value)}
	}
	return out
}

// some returns nil for an empty list, so that its element is left out.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// convert applies f to each row. The result is never nil: a Describe without
// rows answers with an empty list.
func convert[R, W any](rows []R, f func(R) W) []W {
	out := make([]W, len(rows))
	for n, r := range rows {
		out[n] = f(r)
	}
	return out
}
