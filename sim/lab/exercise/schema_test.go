package exercise

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"labsim/compose"
)

// The schema that editors use takes what Load takes, and refuses what it refuses,
// as far as a schema can tell.
func TestSchema(t *testing.T) {
	text, err := os.ReadFile("../../../compose/checks.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("checks.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("checks.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	var good string
	for _, name := range compose.Names() {
		data, err := compose.Labs.ReadFile(name + "/" + FileChecks)
		if err != nil {
			t.Fatal(err)
		}
		good = string(data)
		if err := valid(good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, change := range [][2]string{
		{"start: finished", "start: somewhere"}, {"kind: vpc", "kind: vpcs"}, {"tcp: 22", "tcp: 99999"}, {"tcp: 22", "port: 22"},
		{"reachable: { from: internet", "reach: { from: internet"}, {"- name: ssh", "- nome: ssh"}, {"http: { to: $web, port: 80 }", "http: { port: 80 }"},
		{"http: { to: $web, port: 80 }", "http: { to: 198.51.100.1, port: 80 }"}, {"http: { to: $web, port: 80 }", "http: { to: $web, path: x }"},
		{"from: internet, to: $web, tcp: 22", "from: 10.0.0.1, to: $web, tcp: 22"}, {"exec: { in: $web,", "exec: { in: $web.name,"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Errorf("%s is not in the file", change[0])
		} else if valid(bad) == nil {
			t.Errorf("the schema takes %q", change[1])
		} else if f, problems := Load("x", "checks.yaml", []byte(bad)); len(problems) == 0 {
			t.Errorf("Load takes %q: %v", change[1], f)
		}
	}
}
