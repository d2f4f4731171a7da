package docker

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"labsim/images"
	"labsim/sim"
	"labsim/sim/engine/enginetest"
)

// Tests with this file's helpers run on a real engine, each with a site of its own.

// realEngine opens the engine with a new site, which is gone after the test.
// Without Docker the test is skipped; CI has to have one.
func realEngine(t *testing.T, name string) *Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("a real engine takes its time")
	}
	site := sim.Site(fmt.Sprintf("t-%s-%d", name, os.Getpid()))
	e, err := Open(t.Context(), Options{Site: site})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		defer e.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if _, err := e.Uninstall(ctx, UninstallOptions{Volumes: true, Binary: built.file}); err != nil {
			t.Errorf("uninstall: %v", err)
		}
	})
	return e
}

// long: the cases that take their time are asked for.
var long = os.Getenv("LABSIM_LONG") == "1"

var built struct {
	once sync.Once
	file string
	err  error
}

// labsimBinary builds labsim once; LABSIM_TEST_BINARY names one that is built already.
func labsimBinary(t *testing.T) string {
	t.Helper()
	if f := os.Getenv("LABSIM_TEST_BINARY"); f != "" {
		return f
	}
	built.once.Do(func() {
		var dir string
		if dir, built.err = os.MkdirTemp("", "labsim-engine-test"); built.err != nil {
			return
		}
		built.file = filepath.Join(dir, "labsim")
		c := exec.Command("go", "build", "-ldflags", "-s -w", "-o", built.file, "labsim/cmd/labsim")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.file
}

func TestMain(m *testing.M) {
	enginetest.AtOnce()
	code := m.Run()
	if built.file != "" {
		os.RemoveAll(filepath.Dir(built.file))
	}
	os.Exit(code)
}

// withImage loads the system image.
func withImage(t *testing.T, e *Engine) (file, build string) {
	t.Helper()
	file = labsimBinary(t)
	build, err := images.BuildHash(file)
	if err == nil {
		_, err = e.ensureImage(t.Context(), file, build)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file, build
}

// freePublic is a range for the test's own internet network.
func freePublic(t *testing.T, e *Engine) netip.Prefix {
	t.Helper()
	p, err := e.publicRange(t.Context(), netip.Prefix{}, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}
