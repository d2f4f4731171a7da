package lab

import (
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"labsim/sim"
)

// value is a place in the file: a node with the path that leads to it, for
// messages. Its methods report what is wrong and return a zero value, so that
// the reading goes on and finds the next problem too.
type value struct {
	node *yaml.Node
	path string
	ps   *problems
}

// field reads the value of one key of a mapping.
type field func(value)

func (v value) line() int { return v.node.Line }

func (v value) bad(t sim.Text) { v.ps.add(v.line(), t) }

// each calls f for every key of a mapping, in the order of the file. Where the
// mapping takes in others (<<), their keys follow, if it has none of its own.
func (v value) each(f func(key string, val value)) {
	v.eachOf(f, map[string]bool{}, 0)
}

func (v value) eachOf(f func(key string, val value), seen map[string]bool, depth int) {
	if v.null() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.bad(sim.T("%s is to be a mapping (key: value)", v.path))
		return
	}
	var merged []value
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k := v.node.Content[i]
		child := value{follow(v.node.Content[i+1]), v.path + "." + k.Value, v.ps}
		if child.node.Line == 0 || child.null() {
			child.node.Line = k.Line
		}
		if k.Tag == "!!merge" {
			child.path = v.path
			child.items(func(x value) { x.path = v.path; merged = append(merged, x) })
		} else if !seen[k.Value] {
			seen[k.Value] = true
			f(k.Value, child)
		}
	}
	for _, m := range merged {
		if depth < 8 { // the decoder has refused circles; this is for what is merely deep
			m.eachOf(f, seen, depth+1)
		}
	}
}

// fields reads a mapping of known keys. A key that is in refused gets that
// reason; another one is unknown, and the nearest known one is shown.
func (v value) fields(known map[string]field, refused map[string]sim.Text) {
	v.each(func(key string, val value) {
		if f, ok := known[key]; ok {
			f(val)
			return
		}
		if why, ok := refused[key]; ok {
			val.bad(sim.T("%s is refused: %s", val.path, why))
			return
		}
		names := make([]string, 0, len(known))
		for k := range known {
			names = append(names, k)
		}
		if near, ok := sim.Nearest(key, names); ok {
			val.bad(sim.T("%s: unknown key; did you mean %s?", val.path, near))
			return
		}
		slices.Sort(names)
		val.bad(sim.T("%s: unknown key; known are %v", val.path, names))
	})
}

// items yields the elements of a sequence; a single value counts as one element.
func (v value) items(f func(value)) {
	if v.null() {
		return
	}
	if v.node.Kind != yaml.SequenceNode {
		f(v)
		return
	}
	for i, n := range v.node.Content {
		f(value{follow(n), v.path + "[" + strconv.Itoa(i) + "]", v.ps})
	}
}

func (v value) null() bool { return v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null" }

func (v value) str() string {
	if v.node.Kind != yaml.ScalarNode {
		v.bad(sim.T("%s is to be a single value", v.path))
		return ""
	}
	return v.node.Value
}

func (v value) strings() []string {
	var out []string
	v.items(func(x value) { out = append(out, x.str()) })
	return out
}

func (v value) boolean() bool {
	var b bool
	if v.node.Kind != yaml.ScalarNode || v.node.Decode(&b) != nil {
		v.bad(sim.T("%s is to be true or false", v.path))
	}
	return b
}

func (v value) integer() int {
	n, err := strconv.Atoi(v.str())
	if err != nil {
		v.bad(sim.T("%s is to be a whole number", v.path))
	}
	return n
}

// set returns a field that stores a string, and so on for the other types.
func set(dst *string) field   { return func(v value) { *dst = v.str() } }
func setBool(dst *bool) field { return func(v value) { *dst = v.boolean() } }
func setInt(dst *int) field   { return func(v value) { *dst = v.integer() } }

func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
