package images

import (
	"os"
	"path/filepath"
	"testing"

	"labsim/sim/guest"
)

// TestMain lets the test binary stand in for labsim's: started as a tool, it is that tool.
func TestMain(m *testing.M) {
	if guest.Applets[filepath.Base(os.Args[0])] != nil {
		os.Exit(guest.RunApplet(os.Args[0], os.Args[1:]))
	}
	os.Exit(m.Run())
}
