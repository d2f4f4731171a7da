package guest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be the applets: started under the name of one
// (by a symbolic link), it is that one.
func TestMain(m *testing.M) {
	name := strings.TrimPrefix(filepath.Base(os.Args[0]), "-")
	if name == "init" {
		RunInit()
	}
	if Applets[name] != nil {
		os.Exit(RunApplet(os.Args[0], os.Args[1:]))
	}
	os.Exit(m.Run())
}
