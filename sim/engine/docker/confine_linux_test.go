package docker

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/moby/profiles/seccomp"
)

var update = flag.Bool("update", false, "write zz_seccomp.json anew")

// newestProfile is moby's own default, without a hole that it names itself: by
// socketcall, which 32-bit programs alone have, any family of sockets is open.
func newestProfile(t *testing.T) []byte {
	p := seccomp.DefaultProfile()
	for _, s := range p.Syscalls {
		s.Names = slices.DeleteFunc(s.Names, func(name string) bool { return name == "socketcall" })
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSeccompProfile wants the embedded profile to be what go.mod's version of
// github.com/moby/profiles/seccomp says.
func TestSeccompProfile(t *testing.T) {
	want := newestProfile(t)
	if *update {
		if err := os.WriteFile("zz_seccomp.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal([]byte(seccompProfile), want) {
		t.Error("zz_seccomp.json is not the module's profile; -update writes it anew")
	}
}

// TestSeccompProfileRefuses looks at what the profile lets through to a
// container without capabilities.
func TestSeccompProfileRefuses(t *testing.T) {
	var p seccomp.Seccomp
	if err := json.Unmarshal([]byte(seccompProfile), &p); err != nil {
		t.Fatal(err)
	}
	if p.DefaultAction != "SCMP_ACT_ERRNO" {
		t.Errorf("what is not named ends with %s", p.DefaultAction)
	}
	allowed := map[string]bool{}
	for _, s := range p.Syscalls {
		for _, name := range s.Names {
			if s.Action == "SCMP_ACT_ALLOW" && (s.Includes == nil || len(s.Includes.Caps) == 0) && len(s.Args) == 0 {
				allowed[name] = true
			}
		}
	}
	for _, name := range []string{"io_uring_setup", "io_uring_enter", "io_uring_register", "socket", "socketcall", "keyctl", "add_key", "request_key",
		"bpf", "userfaultfd", "perf_event_open", "unshare", "setns", "clone", "clone3", "mount", "open_by_handle_at", "kexec_load", "init_module"} {
		if allowed[name] {
			t.Errorf("%s is open to everybody", name)
		}
	}
	if !allowed["read"] || !allowed["accept4"] {
		t.Error("an ordinary program could not run")
	}
}
