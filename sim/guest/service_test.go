package guest

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"labsim/sim"
)

// safeBuffer is a console's other end.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The service of the user data runs at each boot, as it was asked for; what it
// prints and how it ends is in the console.
func TestService(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a process gets its user from root only")
	}
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "service.json")
	doc, err := sim.JoinUserData("#!/bin/sh\ntrue\n", sim.Service{Command: []string{"/bin/sh", "-c", `echo "I am $NAME in $(pwd)"; exit 3`},
		Environment: []string{"NAME=db server"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := keepService(file, []byte(doc)); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read the service's environment", st, err)
	}
	for boot := range 2 {
		out := &safeBuffer{}
		g := &guest{reaper: newReaper(false), console: newConsole(out)}
		g.startService("/", file)
		want := []string{"I am db server in " + dir, "service /bin/sh ended with 3"}
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && !containsAll(out.String(), want); time.Sleep(5 * time.Millisecond) {
		}
		if !containsAll(out.String(), want) {
			t.Errorf("boot %d: the console has %q, want %q", boot, out, want)
		}
	}
}

func containsAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

func TestNoService(t *testing.T) {
	file := filepath.Join(t.TempDir(), "service.json")
	if err := keepService(file, []byte("#!/bin/sh\n")); err != nil {
		t.Fatal(err)
	}
	g := &guest{reaper: newReaper(false), console: newConsole(io.Discard)}
	said := func() string {
		var b strings.Builder
		g.console.copyTo(&b, false, func() {}, nil)
		return b.String()
	}
	g.startService("/", file)
	if said() != "" {
		t.Errorf("the console has %q", said())
	}
	for text, want := range map[string]string{"{": "damaged", `{"Command":["true"],"User":"nobody-at-all"}`: "no user", `{"Command":["no-such-program"]}`: "not found"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		g.startService("/", file)
		if !strings.Contains(said(), want) {
			t.Errorf("%s: the console has %q, want %q", text, said(), want)
		}
	}
}
