package cli

import (
	"testing"

	"labsim/sim/store"
)

// Who names no copy gets the newest good one that knows of something.
func TestChooseCopy(t *testing.T) {
	empty, good := store.Copy{Name: "empty"}, store.Copy{Name: "good", VPCs: 1}
	list := []store.Copy{{Name: "damaged", VPCs: 9, Damage: "cut"}, empty, good}
	for name, want := range map[string]string{"": "good", "empty": "empty", "good": "good", "damaged": "", "none": ""} {
		got, err := (&app{}).chooseCopy(list, name)
		if got.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", name, got.Name, err, want)
		}
	}
	if got, err := (&app{}).chooseCopy([]store.Copy{empty}, ""); err == nil {
		t.Errorf("of an empty copy alone %q", got.Name)
	}
}
