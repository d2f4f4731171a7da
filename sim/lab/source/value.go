package source

import (
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"labsim/sim"
)

// Value is a place in the file: a node with the path that leads to it, for
// messages. Its methods report what is wrong and return a zero value, so that
// the reading goes on and finds the next problem too.
type Value struct {
	node *yaml.Node
	Path string
	ps   *Problems
}

// Field reads the value of one key of a mapping.
type Field func(Value)

// Line returns the value's line, from 1.
func (v Value) Line() int { return v.node.Line }

// Node returns the value as the YAML library has it.
func (v Value) Node() *yaml.Node { return v.node }

// Warn notes what the user should know of it.
func (v Value) Warn(t sim.Text) { v.ps.Warn(v.Line(), t) }

// Bad notes what is wrong with the value.
func (v Value) Bad(t sim.Text) { v.ps.Add(v.Line(), t) }

// Each calls f for every key of a mapping, in the order of the file. Where the
// mapping takes in others (<<), their keys follow, if it has none of its own.
func (v Value) Each(f func(key string, val Value)) {
	v.eachOf(f, map[string]bool{}, 0)
}

func (v Value) eachOf(f func(key string, val Value), seen map[string]bool, depth int) {
	if v.Null() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.Bad(sim.T("%s is to be a mapping (key: value)", v.Path))
		return
	}
	var merged []Value
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k := v.node.Content[i]
		child := Value{Follow(v.node.Content[i+1]), v.Path + "." + k.Value, v.ps}
		if child.node.Line == 0 || child.Null() {
			child.node.Line = k.Line
		}
		if k.Tag == "!!merge" {
			child.Path = v.Path
			child.Items(func(x Value) { x.Path = v.Path; merged = append(merged, x) })
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

// Fields reads a mapping of known keys. A key that is in refused gets that
// reason; another one is unknown, and the nearest known one is shown.
func (v Value) Fields(known map[string]Field, refused map[string]sim.Text) {
	v.Each(func(key string, val Value) {
		if f, ok := known[key]; ok {
			f(val)
			return
		}
		if why, ok := refused[key]; ok {
			val.Bad(sim.T("%s is refused: %s", val.Path, why))
			return
		}
		if v.ps.Many() {
			return
		}
		names := make([]string, 0, len(known))
		for k := range known {
			names = append(names, k)
		}
		if near, ok := sim.Nearest(key, names); ok {
			val.Bad(sim.T("%s: unknown key; did you mean %s?", val.Path, near))
			return
		}
		slices.Sort(names)
		val.Bad(sim.T("%s: unknown key; known are %v", val.Path, names))
	})
}

// Items yields the elements of a sequence; a single value counts as one element.
func (v Value) Items(f func(Value)) {
	if v.Null() {
		return
	}
	if v.node.Kind != yaml.SequenceNode {
		f(v)
		return
	}
	for i, n := range v.node.Content {
		f(Value{Follow(n), v.Path + "[" + strconv.Itoa(i) + "]", v.ps})
	}
}

// Null reports whether nothing is there.
func (v Value) Null() bool { return v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null" }

// Str returns a single value as it is written.
func (v Value) Str() string {
	if v.node.Kind != yaml.ScalarNode {
		v.Bad(sim.T("%s is to be a single value", v.Path))
		return ""
	}
	return v.node.Value
}

// Strings returns a sequence of single values, or the one that there is.
func (v Value) Strings() []string {
	var out []string
	v.Items(func(x Value) { out = append(out, x.Str()) })
	return out
}

// Boolean returns true or false.
func (v Value) Boolean() bool {
	var b bool
	if v.node.Kind != yaml.ScalarNode || v.node.Decode(&b) != nil {
		v.Bad(sim.T("%s is to be true or false", v.Path))
	}
	return b
}

// Integer returns a whole number.
func (v Value) Integer() int {
	n, err := strconv.Atoi(v.Str())
	if err != nil {
		v.Bad(sim.T("%s is to be a whole number", v.Path))
	}
	return n
}

// Set returns a field that stores a string, and so on for the other types.
func Set(dst *string) Field   { return func(v Value) { *dst = v.Str() } }
func SetBool(dst *bool) Field { return func(v Value) { *dst = v.Boolean() } }
func SetInt(dst *int) Field   { return func(v Value) { *dst = v.Integer() } }

// Follow returns what an alias stands for.
func Follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// Literal reports whether the value is a block of text: | or >.
func (v Value) Literal() bool {
	return v.node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}
