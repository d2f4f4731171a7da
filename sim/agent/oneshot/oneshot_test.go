package oneshot

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
)

// tree makes an engine's /var/lib and /run with a site's things in them.
func tree(t *testing.T) (lib, run string) {
	t.Helper()
	root := t.TempDir()
	lib, run = filepath.Join(root, "lib"), filepath.Join(root, "run")
	for name, content := range map[string]string{
		"lib/labsim/s1/config.json":      "{}",
		"lib/labsim/s1/guest/init":       "x",
		"lib/labsim/s1/ebs/vol-0a1.img":  "data",
		"lib/labsim/s1/ebs/vol-0a1.json": `{"Name":"db-data","Lab":"custom-vpc","SizeGiB":2}`,
		"run/labsim/s1/netns/vpc-01":     "",
		"run/other":                      "",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return lib, run
}

func TestCleanKeepsVolumes(t *testing.T) {
	lib, run := tree(t)
	kept, err := clean("s1", lib, run, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Volume{{ID: "vol-0a1", Name: "db-data", Lab: "custom-vpc", SizeGiB: 2}}
	if d := cmp.Diff(want, kept); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	left, _ := filepath.Glob(filepath.Join(lib, "labsim/s1/*"))
	if d := cmp.Diff([]string{filepath.Join(lib, "labsim/s1/ebs")}, left); d != "" {
		t.Errorf("left in the data directory (-want +got):\n%s", d)
	}
	if _, err := os.Stat(filepath.Join(run, "labsim")); err == nil {
		t.Error("the run directory stands, though nothing is in it")
	}
}

func TestCleanWithData(t *testing.T) {
	lib, run := tree(t)
	for range 2 { // the second time there is nothing left to do
		kept, err := clean("s1", lib, run, true)
		if err != nil || len(kept) != 0 {
			t.Fatalf("kept %v, %v", kept, err)
		}
	}
	if _, err := os.Stat(filepath.Join(lib, "labsim")); err == nil {
		t.Error("the data directory stands, though nothing is in it")
	}
	if _, err := os.Stat(filepath.Join(run, "other")); err != nil {
		t.Error("something that is not the site's was removed")
	}
}

func TestCleanRefusesPaths(t *testing.T) {
	if _, err := clean("../x", t.TempDir(), t.TempDir(), true); err == nil {
		t.Error("a site that is a path was taken")
	}
}

// An agent that connects is asked once; its answer ends the one-shot.
func TestLeave(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- leave(ctx, dir) }()
	asked := make(chan string, 1)
	go serveAgent(t, ctx, filepath.Join(sim.ControlIn(dir), "control.sock"), asked)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "POST /leave" {
		t.Errorf("the agent was asked %q", got)
	}
}

func serveAgent(t *testing.T, ctx context.Context, file string, asked chan<- string) {
	for ctx.Err() == nil {
		conn, err := net.Dial("unix", file)
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if err := json.NewEncoder(conn).Encode(wire.Hello{Protocol: wire.Protocol}); err != nil {
			t.Error(err)
		}
		s, err := yamux.Client(conn, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_ = http.Serve(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Method + " " + r.URL.Path
			w.WriteHeader(http.StatusNoContent)
		}))
		return
	}
}

func TestLeaveWithoutAgent(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := leave(ctx, t.TempDir()); err == nil {
		t.Error("left, though no agent came")
	}
}

func TestRunRefusesUnknown(t *testing.T) {
	for _, verb := range []string{"", "nonsense", Leave, Clean} {
		if err := run(verb, nil, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was taken", verb)
		}
	}
}
