package dataplane_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/world/worldtest"
)

var update = flag.Bool("update", false, "write the goldens anew")

var options = dataplane.CompileOptions{Site: "labsim", Region: "us-east-1", Public: netip.MustParsePrefix("198.51.100.0/24"),
	EdgePIDs: map[sim.InternetGatewayID]int{"igw-main": 4711}}

// Each file of testdata/compile holds a world and its config.
func TestCompile(t *testing.T) {
	files, err := filepath.Glob("testdata/compile/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s, err := worldtest.Parse(section(a, "world"))
			if err != nil {
				t.Fatal(err)
			}
			got := dump(dataplane.Compile(s, options))
			if *update {
				a.Files = []txtar.File{{Name: "world", Data: []byte(section(a, "world"))}, {Name: "config", Data: []byte(got)}}
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(strings.Split(section(a, "config"), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("config of %s (-want +got; -update writes it anew):\n%s", f, d)
			}
		})
	}
}

// The order in which rows came to be must not show.
func TestCompileDeterministic(t *testing.T) {
	text := section(must(txtar.ParseFile("testdata/compile/seed.txtar")), "world")
	var first []byte
	for range 20 {
		s, err := worldtest.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got := must(json.Marshal(dataplane.Compile(s, options)))
		if first == nil {
			first = got
		}
		if d := cmp.Diff(string(first), string(got)); d != "" {
			t.Fatalf("two configs of one world differ:\n%s", d)
		}
	}
}

// A config travels to the agent as JSON.
func TestConfigSurvivesJSON(t *testing.T) {
	s := must(worldtest.Parse(section(must(txtar.ParseFile("testdata/compile/seed.txtar")), "world")))
	c := dataplane.Compile(s, options)
	var back dataplane.Config
	if err := json.Unmarshal(must(json.Marshal(c)), &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(dump(c), dump(&back)); d != "" {
		t.Errorf("lost on the way (-sent +received):\n%s", d)
	}
}

func BenchmarkCompile1000(b *testing.B) {
	r := worldtest.NewRows()
	text := "vpc v 10.0.0.0/16 hostnames\nigw g v\ntable t v main\nroute t 0.0.0.0/0 igw-g\ngroup a v\ngroup c v\n" +
		"ingress a tcp/22 0.0.0.0/0\ningress c tcp/5432 a\negress a all 0.0.0.0/0\n"
	for n := range 8 {
		text += fmt.Sprintf("subnet s%d v 10.0.%d.0/24\n", n, n)
	}
	for i := range 1000 {
		text += fmt.Sprintf("instance i%d s%d 10.0.%d.%d groups=a,c public=198.51.%d.%d\n", i, i%8, i%8, 4+i/8, i/250, i%250)
	}
	if err := r.Read(text); err != nil {
		b.Fatal(err)
	}
	s := must(r.State())
	for b.Loop() {
		dataplane.Compile(s, options)
	}
}

// dump writes a config so that a person can read it: one thing per line, what
// is zero left out.
func dump(c *dataplane.Config) string {
	var b strings.Builder
	write(&b, "", "config", reflect.ValueOf(*c))
	return b.String()
}

func write(b *strings.Builder, indent, name string, v reflect.Value) {
	fmt.Fprintf(b, "%s%s", indent, name)
	var below []string
	for i := range v.NumField() {
		f, n := v.Field(i), v.Type().Field(i).Name
		if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		switch {
		case nested(f.Type()):
			below = append(below, block(indent+"  ", n, f))
		case f.Kind() == reflect.Slice && nested(f.Type().Elem()) && f.Type().Elem() != reflect.TypeFor[sim.Tag]():
			for j := range f.Len() {
				below = append(below, block(indent+"  ", n, f.Index(j)))
			}
		case f.Type() == reflect.TypeFor[[]byte]():
			fmt.Fprintf(b, " %s=%q", n, f.Bytes())
		default:
			fmt.Fprintf(b, " %s=%v", n, f.Interface())
		}
	}
	b.WriteString("\n" + strings.Join(below, ""))
}

func block(indent, name string, v reflect.Value) string {
	var b strings.Builder
	write(&b, indent, name, v)
	return b.String()
}

func nested(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[netip.Addr]() && t != reflect.TypeFor[netip.Prefix]()
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}
