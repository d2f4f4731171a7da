package images

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim/guest"
)

func TestToolsAreTheApplets(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(maps.Keys(guest.Applets)), slices.Sorted(slices.Values(Tools))); diff != "" {
		t.Errorf("the image's links are not the guest's applets (-applets +links):\n%s", diff)
	}
}
