package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain lets the test's own program be the traffic tool, as the bench's is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == trafficVerb {
		os.Exit(serveTraffic())
	}
	os.Exit(m.Run())
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		help bool
		says string
	}{
		{nil, true, "usage: labsim-bench NAME"},
		{[]string{"--help"}, true, "usage: labsim-bench NAME"},
		{[]string{"nothing"}, false, "usage: labsim-bench NAME"},
		{[]string{"up", "--help"}, true, "-compose"},
		{[]string{"up", "--nothing"}, true, "not defined"},
		{[]string{"up", "-n", "0"}, false, ""},
		{[]string{"up", "file"}, false, ""},
	} {
		var said bytes.Buffer
		err := run(t.Context(), c.args, io.Discard, &said)
		if err == nil || errors.Is(err, flag.ErrHelp) != c.help || !strings.Contains(said.String(), c.says) {
			t.Errorf("%q: %v, said %q, want help %v and %q", c.args, err, said.String(), c.help, c.says)
		}
	}
}

func TestEach(t *testing.T) {
	var now, most, done atomic.Int32
	err := each(20, 4, func(i int) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		done.Add(1)
		runtime.Gosched()
		if i == 7 {
			return fmt.Errorf("the %dth", i)
		}
		return nil
	})
	if err == nil || err.Error() != "the 7th" || done.Load() != 20 || most.Load() > 4 {
		t.Errorf("%v, %d done, %d at once", err, done.Load(), most.Load())
	}
}

func TestEngineSays(t *testing.T) {
	e := &engine{&http.Client{Transport: engineFunc(func(w http.ResponseWriter, r *http.Request) {
		code := map[string]int{"/v1.41/gone": 404, "/v1.41/broken": 500, "/v1.41/same": 304}[r.URL.Path]
		w.WriteHeader(code)
		if code != 304 {
			io.WriteString(w, `{"message":"no such thing"}`)
		}
	})}}
	for path, want := range map[string]string{"/gone": "", "/same": "", "/broken": "GET /broken: engine: 500: no such thing"} {
		got := ""
		if err := gone(e.call(t.Context(), http.MethodGet, path, nil, nil)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// The benchmarks on the real engine, as small as they go: every path is taken, every
// line measured, and nothing left.
func TestBenchmarks(t *testing.T) {
	if os.Getenv("LABSIM_LONG") == "" {
		t.Skip("LABSIM_LONG=1 runs it: three labs and their twins")
	}
	if b, ok := debug.ReadBuildInfo(); ok && slices.Contains(b.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"}) {
		t.Skip("CGO_ENABLED=0 go test: this program is the traffic tool, in an image without a C library")
	}
	labsim := filepath.Join(t.TempDir(), "labsim")
	build := exec.Command("go", "build", "-o", labsim, "labsim/cmd/labsim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	small := size{many: 2, rest: 1, cold: 1, stream: 50 * time.Millisecond, echoes: 50}
	for _, which := range benchmarks {
		t.Run(which.name, func(t *testing.T) {
			o := options{rounds: 1, labsim: labsim, site: fmt.Sprintf("t-bench-%s-%d", which.name, os.Getpid()), size: small}
			var progress bytes.Buffer
			r, err := measure(t.Context(), which, o, &progress)
			if err != nil {
				t.Fatalf("%v\n%s", err, progress.String())
			}
			for _, l := range r.Lines {
				if !l.measured() {
					t.Errorf("%s was not measured", l.Name)
				}
			}
			if len(r.Lines) < 4 || len(r.Notes) == 0 {
				t.Errorf("%d lines, %d notes", len(r.Lines), len(r.Notes))
			}
		})
	}
}
