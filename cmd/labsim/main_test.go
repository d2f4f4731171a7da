package main

import (
	"net/netip"
	"testing"
)

func TestControlOptions(t *testing.T) {
	env := map[string]string{"LABSIM_SITE": "t-1", "LABSIM_BUILD": "abc", "LABSIM_PUBLIC": "198.18.3.0/24"}
	o, err := controlOptions(func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	if o.Site != "t-1" || o.Build != "abc" || o.Public != netip.MustParsePrefix("198.18.3.0/24") || o.RunDir != "/run/labsim" {
		t.Errorf("options: %+v", o)
	}
	for k, v := range map[string]string{"LABSIM_SITE": "no/site", "LABSIM_PUBLIC": "198.18.3"} {
		bad := map[string]string{"LABSIM_SITE": "t-1", k: v}
		if _, err := controlOptions(func(k string) string { return bad[k] }); err == nil {
			t.Errorf("%s=%s was taken", k, v)
		}
	}
}

// A name of a tool is that tool; others are the command line's.
func TestGuestByName(t *testing.T) {
	if code, ok := runGuest("true", nil); !ok || code != 0 {
		t.Errorf("true: %d, %v", code, ok)
	}
	if code, ok := runGuest("false", nil); !ok || code != 1 {
		t.Errorf("false: %d, %v", code, ok)
	}
	if _, ok := runGuest("labsim", nil); ok {
		t.Error("labsim is taken for a tool of the guest")
	}
}
