package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAgentGone boots an engine whose agent hangs, crashes or was removed by
// hand: it boots in time, `up` mends it, and `down` ends.
func TestAgentGone(t *testing.T) {
	if !long {
		t.Skip("LABSIM_LONG=1 runs it: six boots, of up to 17 s each")
	}
	t.Parallel()
	m := newMachine(t)
	m.must(0, `5 ✓ Access`, "up")
	for _, c := range []struct {
		name  string
		spoil func() // then the engine is stopped
		crash func() // while it is stopped
	}{
		{"hangs", m.agentHangs, nil},
		{"crashes", nil, m.agentCrashes},
		{"removed", m.agentRemoved, nil},
	} {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			t.Run(c.name+", "+s.String(), func(t *testing.T) {
				m.user = m.as(t)
				if c.spoil != nil {
					c.spoil()
				}
				began := time.Now()
				if err := m.engine.Stop(s); err != nil {
					t.Fatal(err)
				}
				t.Logf("the engine stops in %v", time.Since(began))
				if c.crash != nil {
					c.crash()
				}
				m.boot()
				began = time.Now()
				out, code := m.call("up")
				t.Logf("up: %v", time.Since(began))
				if code != 0 || !strings.Contains(out, "5 ✓ Access") {
					t.Errorf("labsim up: exit %d:\n%s\n%s", code, out, m.words())
				}
			})
		}
	}
	m.user = m.as(t)
	m.agentHangs() // control ends it
	began := time.Now()
	m.must(0, ``, "down", "--yes", "--volumes")
	t.Logf("down: %v", time.Since(began))
	if left, _ := filepath.Glob(m.engine.Lib() + "/labsim/*"); len(left) > 0 {
		t.Errorf("down left %v", left)
	}
}

func (m *machine) agentHangs() {
	m.t.Helper()
	if err := syscall.Kill(m.process("agent"), syscall.SIGSTOP); err != nil {
		m.t.Fatal(err)
	}
}

// agentRemoved removes it, and waits until control has put it back.
func (m *machine) agentRemoved() {
	m.t.Helper()
	began := time.Now()
	if out, err := m.docker("plugin", "rm", "-f", m.site+":latest").CombinedOutput(); err != nil {
		m.t.Fatalf("docker plugin rm: %v: %s", err, out)
	}
	var out []byte
	for !bytes.Contains(out, []byte("true")) { // Docker's events of plugins carry no name
		if time.Since(began) > time.Minute {
			m.t.Fatalf("nobody has put the agent back:\n%s", m.words())
		}
		time.Sleep(20 * time.Millisecond)
		out, _ = m.docker("plugin", "ls", "--format", "{{.Enabled}}").Output()
	}
	m.t.Logf("the agent is back after %v", time.Since(began))
}

// agentCrashes makes the agent's process end at once, by a site that is none.
func (m *machine) agentCrashes() {
	m.t.Helper()
	files, _ := filepath.Glob(m.engine.Disk() + "/plugins/*/config.json")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			m.t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "LABSIM_SITE="+m.site, "LABSIM_SITE=?")
		if text == string(b) {
			m.t.Fatalf("no site in the plugin's %s", f)
		}
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
}
