// Package self gives a test a copy of itself that runs in any container, as the
// guest's first process does.
package self

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"labsim/images/static"
)

// Static returns the file of the test's own program, or, where that was built with
// cgo and needs a dynamic loader, of the same tests built without.
func Static(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if static.Is(self) {
		return self
	}
	file := filepath.Join(t.TempDir(), "self")
	c := exec.Command("go", "test", "-c", "-o", file, ".") // a test's directory is its package's
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return file
}
