package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"labsim/compose"
	"labsim/sim"
)

func TestDefaultLab(t *testing.T) {
	data, err := compose.File(compose.Default)
	if err != nil {
		t.Fatal(err)
	}
	l, ps := Load("compose.yaml", data)
	if len(ps) > 0 {
		t.Fatalf("problems in the default lab: %v", ps)
	}
	if l.Name != "custom-vpc" || len(l.VPCs) != 1 || len(l.Subnets) != 2 || len(l.RouteTables) != 2 || len(l.Groups) != 2 || len(l.Instances) != 2 || len(l.Volumes) != 1 {
		t.Fatalf("the default lab is not whole: %+v", l)
	}
	db := l.Instances[1]
	if !strings.Contains(db.UserData, "n=$(( $(cat /data/visits") {
		t.Errorf("$$ is not one $ in db's user data:\n%s", db.UserData)
	}
	want := []Rule{{sim.ProtocolTCP, 22, 22, db0, "web"}, {sim.ProtocolTCP, 5432, 5432, db0, "web"}}
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(l.Groups[0].Ingress)); diff != "" {
		t.Errorf("db's rules: %s", diff)
	}
}

var db0 = Rule{}.CIDR

// Every file of testdata is a lab (in) with the problems (want) that Load finds.
func TestProblems(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no testdata")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			ar, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_, ps := Load("lab.yaml", ar.Files[0].Data)
			var got strings.Builder
			for _, p := range ps {
				kind := "error"
				if p.Warning {
					kind = "warning"
				}
				fmt.Fprintf(&got, "%s: %s\n", kind, p)
			}
			if os.Getenv("UPDATE") != "" {
				ar.Files[1].Data = []byte(got.String())
				if err := os.WriteFile(f, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(ar.Files[1].Data), got.String()); diff != "" {
				t.Errorf("problems (-want +got); UPDATE=1 rewrites them:\n%s", diff)
			}
		})
	}
}
