//go:build linux

package agent

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
)

// heldIn is the inode of the namespace that the interface's link would be put back in; 0: none.
func (n *node) heldIn(id sim.ENIID) (inode uint64) {
	n.t.Helper()
	ns, ok := n.agent.holder(id)
	if !ok {
		return 0
	}
	defer ns.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(ns), &st); err != nil {
		n.t.Fatal(err)
	}
	return st.Ino
}

func (n *node) sandbox(id sim.ENIID, path string) {
	n.t.Helper()
	if err := n.agent.records.update(func(r *record) { r.Endpoints[string(id)] = endpoint{ENI: id, Sandbox: path} }); err != nil {
		n.t.Fatal(err)
	}
}

// A guest that connects has its link put back, where it was lost: in its own namespace,
// and only as long as that is the one Docker told of.
func TestHolder(t *testing.T) {
	n, _, socket := guestNode(t)
	type asked struct {
		id sim.ENIID
		in uint64
	}
	rejoined := make(chan asked, 1)
	n.driver.rejoin = func(id sim.ENIID) error {
		rejoined <- asked{id, n.heldIn(id)}
		return errors.New("tried again by the next config")
	}
	_, stop := startGuest(t, n, socket, eniWeb)
	path := n.agent.records.joined()[eniWeb]
	want, err := n.agent.engine.inode(path)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-rejoined:
		if got != (asked{eniWeb, want}) {
			t.Errorf("rejoined %v, want %v", got, asked{eniWeb, want})
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a guest connected, and its link was not looked after")
	}
	waitFor(t, "guest that is ready in spite of the error", func() bool { l := n.agent.guests.list(); return len(l) == 1 && l[0].Ready })

	old, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for what, sandbox := range map[string]string{
		"of another run": "/proc/self/ns/net", "that has gone": "/nowhere", "left over as a file": old.Name(), "that Docker took": "",
	} {
		n.sandbox(eniWeb, sandbox)
		if in := n.heldIn(eniWeb); in != 0 {
			t.Errorf("a sandbox %s: put back in %d", what, in)
		}
	}
	n.sandbox(eniDB, path) // its instance is not connected
	n.sandbox(eniWeb, path)
	for id, want := range map[sim.ENIID]uint64{eniWeb: want, eniDB: 0, "eni-0unknown": 0} {
		if in := n.heldIn(id); in != want {
			t.Errorf("%s: put back in %d, want %d", id, in, want)
		}
	}
	stop()
	waitFor(t, "end of the guest", func() bool { return n.heldIn(eniWeb) == 0 })
}
