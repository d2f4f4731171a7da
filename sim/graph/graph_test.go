package graph_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"labsim/sim"
	"labsim/sim/graph"
	"labsim/sim/text"
)

var update = flag.Bool("update", false, "write the goldens")

// Each archive holds a model and what is drawn of it.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no goldens", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var m graph.Model
			dec := json.NewDecoder(bytes.NewReader(a.Files[0].Data))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&m); err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: a.Comment, Files: a.Files[:1:1]}
			for _, lang := range []text.Lang{"en", "ko"} {
				say := func(x sim.Text) string { return text.In(lang, x) }
				svg := graph.SVG(m, say)
				wellFormed(t, svg)
				got.Files = append(got.Files, txtar.File{Name: "text." + string(lang), Data: []byte(graph.Text(m, say))}, txtar.File{Name: "svg." + string(lang), Data: []byte(svg)})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(txtar.Format(a)), string(txtar.Format(got))); diff != "" {
				t.Errorf("-golden +drawn (-update writes it):\n%s", diff)
			}
		})
	}
}

// wellFormed reads a picture as a browser does: a name must not end its element.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("no XML: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "script" {
			t.Fatal("a name became a script")
		}
	}
}

// A frame stands straight whatever is in it: all lines of a VPC are as wide.
func TestFramesAreStraight(t *testing.T) {
	m := graph.Model{VPCs: []graph.VPC{{Name: "실습", CIDR: "10.0.0.0/16", Subnets: []graph.Subnet{
		{Name: "퍼블릭", Public: true, Instances: []graph.Instance{{ID: "i-1", Name: "웹 서버", State: "running"}}}, {Name: "empty"}}}},
		Flows: []graph.Flow{{To: "i-1", Ports: []string{"80"}}}}
	lines := strings.Split(strings.TrimSpace(graph.Text(m, func(x sim.Text) string { return text.In("ko", x) })), "\n")[1:]
	for _, l := range lines {
		if sim.Columns(l) != sim.Columns(lines[0]) {
			t.Errorf("%d columns, the first has %d: %s", sim.Columns(l), sim.Columns(lines[0]), l)
		}
	}
}
