package wire

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"labsim/sim"
)

// Limits of a request's parameters.
const (
	maxParameters = 16384
	maxDepth      = 12 // names between dots; the deepest shape needs 8
	maxIndex      = 99999
)

// EncodeQuery returns the parameters of a request: in is a pointer to a shape.
// Lists are flattened: Foo.1, Foo.2.Bar.
func EncodeQuery(in any) url.Values {
	out := url.Values{}
	if in != nil {
		encodeQuery(out, "", reflect.ValueOf(in))
	}
	return out
}

func encodeQuery(out url.Values, name string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch t := v.Type(); {
	case isStruct(t):
		if name != "" {
			name += "."
		}
		for n, f := range infoOf(t).fields {
			encodeQuery(out, name+f.query, v.Field(n))
		}
	case isBlob(t):
		if !v.IsNil() {
			out.Set(name, formatScalar(v))
		}
	case t.Kind() == reflect.Slice:
		for n := range v.Len() {
			encodeQuery(out, name+"."+strconv.Itoa(n+1), v.Index(n))
		}
	default:
		out.Set(name, formatScalar(v))
	}
}

// DecodeQuery fills in, a pointer to a shape, from a request's parameters. Each
// error is a *sim.Error that names the parameter: UnknownParameter for one that
// the shape lacks, InvalidParameterValue for a value that is not of its type,
// MissingParameter for one that the shape requires.
func DecodeQuery(values url.Values, in any) error {
	if len(values) > maxParameters {
		return sim.Errorf("InvalidRequest", "The request has more than %d parameters", maxParameters)
	}
	root := &node{}
	for name, vs := range values {
		if err := root.add(name, vs); err != nil {
			return err
		}
	}
	return decodeStruct(root, "", reflect.ValueOf(in).Elem())
}

// node is a parameter's value, or what stands below a common beginning.
type node struct {
	value string
	leaf  bool
	kids  map[string]*node
}

func (n *node) add(name string, values []string) error {
	if strings.Count(name, ".") >= maxDepth {
		return unknown(name)
	}
	for rest, more := name, true; more; {
		var step string
		step, rest, more = strings.Cut(rest, ".")
		kid := n.kids[step]
		if kid == nil {
			kid = &node{}
			if n.kids == nil {
				n.kids = map[string]*node{}
			}
			n.kids[step] = kid
		}
		n = kid
	}
	if len(values) != 1 {
		return sim.Errorf(sim.CodeInvalidParameterValue, "The parameter %s may only be given once", name)
	}
	n.value, n.leaf = values[0], true
	return nil
}

func decodeStruct(n *node, prefix string, v reflect.Value) error {
	i := infoOf(v.Type())
	if n.leaf {
		return unknown(strings.TrimSuffix(prefix, "."))
	}
	for _, step := range sortedKeys(n) {
		f, ok := i.byQuery[step]
		if !ok {
			return unknown(firstLeaf(n.kids[step], prefix+step))
		}
		if err := decodeValue(n.kids[step], prefix+step, v.Field(f)); err != nil {
			return err
		}
	}
	for _, f := range i.fields {
		if f.required && n.kids[f.query] == nil {
			return sim.Errorf(sim.CodeMissingParameter, "The request must contain the parameter %s", prefix+f.query)
		}
	}
	return nil
}

func decodeValue(n *node, name string, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch t := v.Type(); {
	case isStruct(t):
		return decodeStruct(n, name+".", v)
	case t.Kind() == reflect.Slice && !isBlob(t):
		return decodeList(n, name, v)
	}
	if n.kids != nil {
		return unknown(firstLeaf(n, name))
	}
	if expected := parseScalar(n.value, v); expected != "" {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. Expected %s", shorten(n.value), name, expected)
	}
	return nil
}

// decodeList takes the elements in the order of their numbers; gaps don't matter.
func decodeList(n *node, name string, v reflect.Value) error {
	if n.leaf {
		return unknown(name)
	}
	numbers := make([]int, 0, len(n.kids))
	for step := range n.kids {
		number, err := strconv.Atoi(step)
		if err != nil || number < 1 || number > maxIndex || strconv.Itoa(number) != step {
			return unknown(firstLeaf(n.kids[step], name+"."+step))
		}
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	v.Set(reflect.MakeSlice(v.Type(), len(numbers), len(numbers)))
	for at, number := range numbers {
		step := strconv.Itoa(number)
		if err := decodeValue(n.kids[step], name+"."+step, v.Index(at)); err != nil {
			return err
		}
	}
	return nil
}

func unknown(name string) error {
	return sim.Errorf("UnknownParameter", "The parameter %s is not recognized", shorten(name))
}

// firstLeaf returns the whole name of a parameter at or below n.
func firstLeaf(n *node, name string) string {
	for !n.leaf && n.kids != nil {
		step := sortedKeys(n)[0]
		n, name = n.kids[step], name+"."+step
	}
	return name
}

// sortedKeys makes the same request give the same error each time.
func sortedKeys(n *node) []string {
	keys := make([]string, 0, len(n.kids))
	for k := range n.kids {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func shorten(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
