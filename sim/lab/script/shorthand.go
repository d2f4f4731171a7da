package script

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"labsim/sim"
)

// valueOf turns an option's words into words, lists ([]any) and mappings
// (map[string]any): by the type that is wanted, JSON, the AWS CLI's shorthand or
// plain words.
func valueOf(words []string, t reflect.Type) (any, error) {
	structured := isStructured(t)
	var list []any
	for _, w := range words {
		switch {
		case strings.HasPrefix(w, "{") || strings.HasPrefix(w, "["):
			v, err := fromJSON(w)
			if err != nil {
				return nil, err
			}
			if l, ok := v.([]any); ok {
				list = append(list, l...)
			} else {
				list = append(list, v)
			}
		case structured:
			v, err := shorthand(w)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		default:
			list = append(list, w)
		}
	}
	if t.Kind() != reflect.Slice || t == reflect.TypeFor[[]byte]() {
		if len(list) != 1 {
			return nil, wrong(sim.T("one value is wanted"))
		}
		return list[0], nil
	}
	return list, nil
}

func isStructured(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

func fromJSON(s string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, wrong(sim.T("not JSON: %s", err.Error()))
	}
	return words(v), nil
}

// words turns JSON's scalars into words, so that one assignment serves both forms.
func words(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = words(x[k])
		}
	case []any:
		for i := range x {
			x[i] = words(x[i])
		}
	case bool, json.Number:
		return fmt.Sprint(x)
	}
	return v
}

// shorthand reads NAME=VALUE,NAME=VALUE (AWS CLI User Guide, "Using shorthand
// syntax"): values are words, quoted words, [lists], {mappings}, and words that
// go on after a comma: Values=a,b.
func shorthand(s string) (any, error) {
	p := &shorthandParser{rest: s}
	m, err := p.members("")
	if err == nil && p.rest != "" {
		err = p.unexpected()
	}
	return m, err
}

type shorthandParser struct{ rest string }

func (p *shorthandParser) unexpected() error {
	return wrong(sim.T("NAME=VALUE is wanted in place of %v", p.rest))
}

func (p *shorthandParser) take(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = strings.TrimLeft(rest, " ")
	return ok
}

// members reads NAME=VALUE,... up to an end, which it leaves.
func (p *shorthandParser) members(end string) (map[string]any, error) {
	m := map[string]any{}
	for {
		name, _, ok := strings.Cut(p.rest, "=")
		if !ok || !isName(name) {
			return nil, p.unexpected()
		}
		p.rest = p.rest[len(name)+1:]
		v, err := p.value(end)
		if err != nil {
			return nil, err
		}
		m[name] = v
		if !p.take(",") {
			return m, nil
		}
	}
}

func isName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) < 0
}

// value reads one value, or several words that commas join.
func (p *shorthandParser) value(end string) (any, error) {
	v, err := p.single(end)
	if err != nil {
		return nil, err
	}
	list := []any{v}
	for strings.HasPrefix(p.rest, ",") {
		if name, _, ok := strings.Cut(p.rest[1:], "="); ok && isName(strings.TrimSpace(name)) {
			break // the next member
		}
		p.take(",")
		if v, err = p.single(end); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if len(list) == 1 {
		return v, nil
	}
	return list, nil
}

func (p *shorthandParser) single(end string) (any, error) {
	switch {
	case p.take("["):
		list := []any{}
		for !p.take("]") {
			v, err := p.single("]")
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			if !p.take(",") && !strings.HasPrefix(p.rest, "]") {
				return nil, p.unexpected()
			}
		}
		return list, nil
	case p.take("{"):
		m, err := p.members("}")
		if err == nil && !p.take("}") {
			err = p.unexpected()
		}
		return m, err
	case strings.HasPrefix(p.rest, `"`) || strings.HasPrefix(p.rest, "'"):
		word, rest, ok := strings.Cut(p.rest[1:], p.rest[:1])
		if !ok {
			return nil, p.unexpected()
		}
		p.rest = rest
		return word, nil
	}
	n := strings.IndexAny(p.rest, ","+end)
	if n < 0 {
		n = len(p.rest)
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word, nil
}
