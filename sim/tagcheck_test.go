package sim

import (
	"strings"
	"testing"
)

func TestIsMountPoint(t *testing.T) {
	for p, want := range map[string]bool{
		"/data": true, "/srv/db.1/x-y_z": true, "/etc/app": true, "/usr/local/data": true, "/var": true,
		"": false, "/": false, "data": false, "/data/": false, "//data": false, "/a/../etc": false, "/./a": false, "/a b": false, "/a:ro": false, "/가": false, "/a\n": false,
		"/proc": false, "/proc/sys": false, "/sys/fs": false, "/dev/shm": false, "/.labsim": false, "/.labsim/init": false, "/etc": false, "/usr": false, "/lib64": false,
		"/" + strings.Repeat("x", MaxTagValueLen): false,
	} {
		if got := IsMountPoint(p); got != want {
			t.Errorf("%q: %t, want %t", p, got, want)
		}
	}
}

func TestIsObjectName(t *testing.T) {
	for s, want := range map[string]bool{"lab": true, "custom-vpc": true, "A.b_c-1": true, "": false, ".x": false, "-x": false, "a/b": false, "a b": false, "é": false, strings.Repeat("x", 101): false} {
		if got := IsObjectName(s); got != want {
			t.Errorf("%q: %t, want %t", s, got, want)
		}
	}
}
