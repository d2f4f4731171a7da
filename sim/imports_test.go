package sim_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rooms: who may import whom. An entry rules a directory and those below
// it, unless a longer one does. Tests are free, except that they use no other
// technology than their room.
var rooms = []struct {
	dir string
	// ours lists the packages of this module that the room may import; nil: any.
	ours []string
	// others lists what it may import from other modules, by prefix; nil: any
	// that guarded leaves.
	others []string
	why    string
}{
	{"sim", []string{}, []string{}, "the domain imports the standard library only"},
	{"sim/text", []string{"sim"}, []string{"golang.org/x/text"}, "texts know the domain only"},
	{"sim/world", []string{"sim", "sim/world"}, []string{"github.com/tidwall/btree"}, "the rules are pure"},
	{"sim/path", []string{"sim", "sim/world"}, []string{}, "the evaluator is pure"},
	{"sim/graph", []string{"sim"}, []string{}, "the picture is pure"},
	{"sim/dataplane", []string{"sim", "sim/world"}, []string{}, "the compiler is pure"},
	{"sim/dataplane/linux", nil, nil, ""},
	{"sim/dataplane/probe", []string{"sim", "sim/world", "sim/world/worldtest", "sim/path", "sim/dataplane", "sim/dataplane/linux"},
		[]string{"github.com/vishvananda/", "golang.org/x/sys/"}, "the probe compares evaluator and kernel, and knows nobody else"},
	{"sim/engine", []string{"sim"}, []string{}, "the interface knows no engine"},
	{"sim/engine/docker", nil, nil, ""},
	{"sim/engine/none", nil, []string{}, "the engine that runs nothing needs nothing"},
	{"sim/engine/enginetest", nil, nil, ""},
	{"sim/limit", []string{}, []string{"golang.org/x/time/rate"}, "bounds know nobody whom they bound"},
	{"sim/standing", []string{}, []string{"golang.org/x/sys/"}, "a socket knows nothing of what goes over it"},
	{"sim/plan", []string{"sim", "sim/world", "sim/engine", "sim/dataplane"}, []string{}, "the plan is pure"},
	{"sim/ec2", []string{"sim", "sim/world", "sim/ec2"}, []string{"github.com/aws/", "golang.org/x/crypto/"}, "the API knows the world only"},
	{"sim/lab/source", []string{"sim"}, []string{"gopkg.in/yaml.v3"}, "a reader of files knows no meaning"},
	{"sim/lab/script", []string{"sim", "sim/ec2/wire"}, []string{"mvdan.cc/sh/", "github.com/jmespath/"}, "a lab's commands reach the API only"},
	{"sim/lab/exercise", []string{"sim", "sim/path", "sim/ec2/wire", "sim/region", "sim/lab/source", "sim/lab/script"}, []string{}, "checks reach the region by interfaces"},
	{"sim/region", []string{"sim", "sim/path", "sim/graph", "sim/ec2/wire"}, []string{}, "a client sees a region by the API"},
	{"sim/control", nil, []string{"github.com/hashicorp/yamux"}, "control knows engine and node by their interfaces"},
}

// guarded technologies belong to few rooms.
var guarded = []struct {
	prefixes []string
	rooms    []string
}{
	{[]string{"github.com/docker/", "github.com/moby/"}, []string{"sim/engine/docker"}},
	{[]string{"github.com/vishvananda/", "github.com/google/nftables"}, []string{"sim/dataplane/linux", "sim/dataplane/probe", "sim/agent", "sim/guest"}},
	{[]string{"github.com/compose-spec/"}, []string{"sim/lab"}},
	{[]string{"go.etcd.io/bbolt"}, []string{"sim/store"}},
	{[]string{"github.com/spf13/"}, []string{"sim/cli"}},
	{[]string{"github.com/hashicorp/yamux"}, []string{"sim/control", "sim/agent", "sim/guest", "sim/cli"}},
}

// pure rooms do no I/O: these packages of the standard library stay outside.
var (
	pureRooms = []string{"sim/world", "sim/path", "sim/graph", "sim/plan", "sim/dataplane"}
	// What is below a pure room and does I/O all the same.
	machines = []string{"sim/dataplane/linux", "sim/dataplane/probe"}
	impure   = []string{"net", "net/http", "os", "os/exec", "syscall"}
)

// servers are the rooms that answer HTTP.
var servers = []string{"sim/ec2", "sim/imds", "sim/web", "sim/control", "sim/agent", "sim/guest"}

// TestImports reads every import of every file, tests included where what they
// import is another technology.
func TestImports(t *testing.T) {
	files := token.NewFileSet()
	seen := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "vendor") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(filepath.Clean(name)))
		dir = strings.TrimPrefix(strings.TrimPrefix(dir, ".."), "/")
		f, err := parser.ParseFile(files, name, nil, parser.ImportsOnly)
		if err != nil {
			return nil // the compiler says it better
		}
		seen++
		if text, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, "_test.go") && !inAny(dir, servers) && serves.Match(text) {
			t.Errorf("%s serves HTTP: that belongs to %s", name, strings.Join(servers, ", "))
		}
		for _, i := range f.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if why := refused(dir, path, strings.HasSuffix(name, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", files.Position(i.Pos()), path, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Fatalf("only %d files were looked at", seen)
	}
}

// refused says why a file in dir must not import path, or "".
func refused(dir, path string, test bool) string {
	if dir == "tools_deps" { // keeps modules in go.mod, builds nothing
		return ""
	}
	if why := refusedTechnology(dir, path); why != "" {
		return why
	}
	if test {
		return ""
	}
	room := -1
	for i, r := range rooms {
		if below(dir, r.dir) && (room < 0 || len(r.dir) > len(rooms[room].dir)) {
			room = i
		}
	}
	if slices.Contains(impure, path) && inAny(dir, pureRooms) && !inAny(dir, machines) {
		return "this room does no I/O"
	}
	// What is below sim without an entry of its own is ruled by guarded alone.
	if room < 0 || rooms[room].dir == "sim" && dir != "sim" {
		return ""
	}
	r := rooms[room]
	switch ours, isOurs := strings.CutPrefix(path, "labsim/"); {
	case isOurs:
		if r.ours != nil && !slices.Contains(r.ours, ours) && (r.dir == "sim" || !below(ours, r.dir)) {
			return r.why
		}
	case strings.Contains(strings.SplitN(path, "/", 2)[0], "."):
		if r.others != nil && !slices.ContainsFunc(r.others, func(p string) bool { return strings.HasPrefix(path, p) }) {
			return r.why
		}
	}
	return ""
}

func refusedTechnology(dir, path string) string {
	for _, g := range guarded {
		if slices.ContainsFunc(g.prefixes, func(p string) bool { return strings.HasPrefix(path, p) }) && !inAny(dir, g.rooms) {
			return "that belongs to " + strings.Join(g.rooms, ", ")
		}
	}
	return ""
}

func inAny(dir string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return below(dir, d) })
}

func below(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }

var serves = regexp.MustCompile(`\bhttp\.(Server\{|Serve\(|ListenAndServe)`)

// The table must be able to refuse.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		dir, path string
		refused   bool
	}{
		{"sim", "net/netip", false},
		{"sim", "github.com/tidwall/btree", true},
		{"sim", "labsim/sim/world", true},
		{"sim/world", "github.com/tidwall/btree", false},
		{"sim/world", "os", true},
		{"sim/plan", "labsim/sim/control", true},
		{"sim/dataplane", "github.com/vishvananda/netlink", true},
		{"sim/dataplane/linux", "github.com/vishvananda/netlink", false},
		{"sim/dataplane/linux", "os", false},
		{"sim/dataplane/probe", "net", false},
		{"sim/dataplane/probe", "labsim/sim/agent", true},
		{"sim/dataplane/probe", "github.com/google/go-cmp", true},
		{"sim/control", "github.com/docker/docker/client", true},
		{"sim/engine/docker", "github.com/docker/docker/client", false},
		{"sim/cli", "labsim/sim/control", false},
	} {
		if got := refused(c.dir, c.path, false); (got != "") != c.refused {
			t.Errorf("%s importing %s: %q, want refused=%v", c.dir, c.path, got, c.refused)
		}
	}
}
