package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// model is the part of botocore's service-2.json that the wire needs: names,
// types and wire names. Prune writes a subset of the original in the same form.
type model struct {
	Source     string // where it came from, and under which license
	Metadata   metadata
	Operations map[string]operation
	Others     []string // operations of EC2 that labsim doesn't serve
	Shapes     map[string]shape
}

type metadata struct {
	APIVersion   string `json:"apiVersion"`
	XMLNamespace string `json:"xmlNamespace"`
}

type operation struct {
	Input  *ref `json:"input,omitempty"`
	Output *ref `json:"output,omitempty"`
}

type shape struct {
	Type     string         `json:"type"`
	Members  map[string]ref `json:"members,omitempty"`
	Member   *ref           `json:"member,omitempty"`
	Required []string       `json:"required,omitempty"`
}

type ref struct {
	Shape        string `json:"shape"`
	LocationName string `json:"locationName,omitempty"`
	QueryName    string `json:"queryName,omitempty"`
}

// prune keeps the operations of that list, and the shapes that they reach.
func prune(full model, keep []string) (model, error) {
	out := model{Metadata: full.Metadata, Operations: map[string]operation{}, Shapes: map[string]shape{}}
	var reach func(r *ref)
	reach = func(r *ref) {
		if r == nil {
			return
		}
		if _, done := out.Shapes[r.Shape]; done {
			return
		}
		s := full.Shapes[r.Shape]
		out.Shapes[r.Shape] = s
		reach(s.Member)
		for _, m := range s.Members {
			reach(&m)
		}
	}
	for _, name := range keep {
		op, ok := full.Operations[name]
		if !ok {
			return model{}, fmt.Errorf("EC2 has no operation %s", name)
		}
		out.Operations[name] = op
		reach(op.Input)
		reach(op.Output)
	}
	for _, name := range slices.Sorted(maps.Keys(full.Operations)) {
		if !slices.Contains(keep, name) {
			out.Others = append(out.Others, name)
		}
	}
	return out, nil
}

// format writes a model with one operation or shape on a line, so that a diff
// of two prunings shows what has changed.
func (m model) format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n\"source\": %s,\n\"metadata\": %s,\n", compact(m.Source), compact(m.Metadata))
	formatMap(&b, "operations", m.Operations)
	fmt.Fprintf(&b, "\"others\": %s,\n", compact(m.Others))
	formatMap(&b, "shapes", m.Shapes)
	b.Truncate(b.Len() - len(",\n"))
	b.WriteString("\n}\n")
	return b.Bytes()
}

func formatMap[V any](b *bytes.Buffer, name string, m map[string]V) {
	fmt.Fprintf(b, "%q: {", name)
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "\n%q: %s", k, compact(m[k]))
	}
	b.WriteString("\n},\n")
}

func compact(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, maps and structs of them always marshal
	}
	return data
}
