package main

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestTaken is a machine on which somebody else has the port or the range: a
// clear error where it was asked for, else the next free one.
func TestTaken(t *testing.T) {
	t.Parallel()
	if !long {
		t.Skip("LABSIM_LONG=1 runs the slow cases")
	}
	m := newMachine(t)
	label := func(name string) string {
		t.Helper()
		out, err := m.docker("inspect", "-f", `{{index .Config.Labels "`+name+`"}}`, m.site+"-control").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}

	l, err := m.engine.Listen("127.0.0.1:4566")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m.run("ip link add other type bridge && ip address add 198.51.100.1/24 dev other && ip link set other up")
	m.must(1, `(?s)port 4566 of this machine is taken\n.*choose another with --port, or none`, "up", "--port", "4566")
	m.must(1, `(?s)the public range 198.51.100.0/24 overlaps 198.51.100.0/24, which the interface other has\n.*choose another with --public-range, or none`,
		"up", "--public-range", "198.51.100.0/24")
	m.must(0, `5 ✓ Access`, "up")
	if p := label("labsim.port"); p != "4567" {
		t.Errorf("control answers on port %s, want the next free one", p)
	}
	l.Close()
	m.must(0, `5 ✓ Access`, "up", "--port", "4566")
	if p := label("labsim.port"); p != "4566" {
		t.Errorf("control answers on port %s, want the one asked for", p)
	}

	// While the engine is down somebody else takes both.
	public := label("labsim.public")
	if err := m.engine.Stop(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if l, err = m.engine.Listen("127.0.0.1:4566"); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m.boot()
	m.must(0, `5 ✓ Access`, "up")
	if p := label("labsim.port"); p == "4566" {
		t.Error("control answers on a port that is taken")
	}
	m.run(fmt.Sprintf("ip address add %s dev other", strings.Replace(public, ".0/24", ".1/24", 1)))
	m.must(1, `(?s)the public range `+regexp.QuoteMeta(public)+` of this site overlaps .*, which the interface other has now\n.*down --all   # then`, "up")
	m.must(0, `kept: volume`, "down", "--all", "--yes")
	m.must(0, `5 ✓ Access`, "up")
	if p := label("labsim.public"); p == public || p == "198.51.100.0/24" {
		t.Errorf("the public range is %s, which is taken", p)
	}
	m.must(0, ``, "down", "--yes", "--volumes")
}
