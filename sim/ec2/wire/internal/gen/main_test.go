package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const wireDir = "../.."

// The generated files are those that the generator makes of the model in the
// tree; no botocore is needed for that.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	m, err := readModel(filepath.Join(wireDir, "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(m)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(wireDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what the generator makes of model.json: run `go generate ./sim/ec2/wire`", name)
		}
	}
	there, _ := filepath.Glob(filepath.Join(wireDir, "zz_*.go"))
	if len(there) != len(files) {
		t.Errorf("generated files in the tree: %v, want %d", there, len(files))
	}
}

func TestModelHasTheOperationsOfTheList(t *testing.T) {
	m, err := readModel(filepath.Join(wireDir, "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(wireDir, "operations.txt"))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(list))
	if !slices.IsSorted(names) {
		t.Error("operations.txt isn't sorted")
	}
	for _, name := range names {
		if _, ok := m.Operations[name]; !ok {
			t.Errorf("%s is in operations.txt and not in model.json: prune botocore's model anew (see the doc comment of this package)", name)
		}
	}
	if len(m.Operations) != len(names) {
		t.Errorf("model.json has %d operations, operations.txt %d", len(m.Operations), len(names))
	}
	if data, _ := os.ReadFile(filepath.Join(wireDir, "model.json")); strings.Contains(string(data), "documentation") {
		t.Error("model.json has documentation text")
	}
}

func TestPrune(t *testing.T) {
	var full model
	err := json.Unmarshal([]byte(`{
	"metadata": {"apiVersion": "2016-11-15", "xmlNamespace": "http://x"},
	"operations": {
		"MakeTree": {"name": "MakeTree", "input": {"shape": "MakeTreeRequest"}, "documentation": "<p>text</p>"},
		"FellTree": {"input": {"shape": "FellTreeRequest"}}
	},
	"shapes": {
		"MakeTreeRequest": {"type": "structure", "required": ["Trunk"], "documentation": "text", "members": {"Trunk": {"shape": "Node", "locationName": "trunk", "documentation": "text"}}},
		"Node": {"type": "structure", "members": {"Children": {"shape": "NodeList", "locationName": "child", "queryName": "Kid"}}},
		"NodeList": {"type": "list", "member": {"shape": "Node", "locationName": "item"}},
		"FellTreeRequest": {"type": "structure", "members": {}}
	}}`), &full)
	if err != nil {
		t.Fatal(err)
	}
	got, err := prune(full, []string{"MakeTree"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
"source": "",
"metadata": {"apiVersion":"2016-11-15","xmlNamespace":"http://x"},
"operations": {
"MakeTree": {"input":{"shape":"MakeTreeRequest"}}
},
"others": ["FellTree"],
"shapes": {
"MakeTreeRequest": {"type":"structure","members":{"Trunk":{"shape":"Node","locationName":"trunk"}},"required":["Trunk"]},
"Node": {"type":"structure","members":{"Children":{"shape":"NodeList","locationName":"child","queryName":"Kid"}}},
"NodeList": {"type":"list","member":{"shape":"Node","locationName":"item"}}
}
}
`
	if diff := cmp.Diff(want, string(got.format())); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
	files, err := generate(got)
	if err != nil {
		t.Fatal(err)
	}
	const shapes = header + "type MakeTreeRequest struct {\n\tTrunk *Node `ec2:\"Trunk,trunk,,required\"`\n}\n\n" +
		"type Node struct {\n\tChildren []Node `ec2:\"Kid,child,item\"`\n}\n"
	if diff := cmp.Diff(shapes, string(files["zz_shapes.go"])); diff != "" {
		t.Errorf("generated (-want +got):\n%s", diff)
	}
	if _, err := prune(full, []string{"PlantTree"}); err == nil {
		t.Error("an operation that EC2 doesn't have was pruned")
	}
}
