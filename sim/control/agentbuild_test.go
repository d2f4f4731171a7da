package control

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
	"labsim/sim/engine"
)

// An agent that can't read the config is given none, and nothing starts by one that
// it may still hold; what to do is said. The agent that comes after it takes over.
func TestAgentTooOld(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	old := &fakeAgent{t: t, reports: make(chan dataplane.Report, 8)}
	old.dial(dir, wire.Hello{Protocol: wire.Protocol, Build: "b0", Site: "t-control", Reads: dataplane.Oldest - 1})
	_, subnet := b.network()
	id := b.launch(subnet)
	s := b.says("the agent is too old: it reads configs of revision -1, and this one needs 0")
	if !s.OtherBuild || s.Converged {
		t.Errorf("status %+v", s)
	}
	if resp := b.ask("POST", "repair", nil); resp.StatusCode/100 == 2 {
		t.Errorf("repair: %s", resp.Status)
	}
	if n := len(old.configs()); n > 0 {
		t.Errorf("the agent was given %d configs that it can't read", n)
	}
	if n := containers(t, o.Engine, engine.KindInstance); n != 0 {
		t.Error("an instance was started on it")
	}
	dialAgent(t, dir, nil)
	b.becomes(id, "running")
	b.converged()
}

// An agent of another protocol is not let in, and the status says so instead of
// that there is none.
func TestAgentOfOtherProtocol(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	b.network()
	conn, err := net.Dial("unix", filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	json.NewEncoder(conn).Encode(wire.Hello{Protocol: wire.Protocol + 1, Site: "t-control"})
	if s := b.says(fmt.Sprintf("the agent speaks protocol %d, control %d", wire.Protocol+1, wire.Protocol)); !s.OtherBuild {
		t.Errorf("status %+v", s)
	}
	dialAgent(t, dir, nil)
	b.converged()
}

// says waits until the status has a problem of the agent with this message.
func (b *box) says(message string) (s Status) {
	b.t.Helper()
	b.eventually("the status says: "+message, func() bool {
		s = Status{}
		b.get("status", &s)
		return slices.Contains(s.Problems, Problem{Resource: "agent", Message: message})
	})
	return s
}
