package control

import (
	"context"
	"crypto/rand"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/engine"
	"labsim/sim/engine/none"
	"labsim/sim/store"
	"labsim/sim/world"
)

func init() { copyPause = time.Millisecond }

// stands are the containers of an engine that run.
func stands(t *testing.T, e engine.Engine) []string {
	t.Helper()
	o, err := e.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(o.Containers, func(_ string, c engine.ObservedContainer) bool { return !c.Running })
	return slices.Sorted(maps.Keys(o.Containers))
}

// A state that was lost destroys nothing: what stands is listed, changes are
// refused, also by the next control, and a copy brings all of it back.
func TestLostState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	node := &noting{}
	o := Options{Engine: none.New(), Node: node, StatePath: path}
	b := start(t, o)
	_, subnet := b.network()
	id := b.launch(subnet)
	b.becomes(id, "running")
	b.converged()
	var copies []store.Copy
	b.eventually("a copy knows the instance", func() bool {
		copies, _ = store.Copies(path, "")
		return len(copies) > 0 && len(copies[0].Instances) == 1
	})
	b.stop()
	before := stands(t, o.Engine)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one finds the new, empty state of the first
		b = start(t, o)
		node.mu.Lock()
		node.enis = map[sim.ENIID]bool{"as before": true}
		node.mu.Unlock()
		var s Status
		b.eventually("the loss is seen", func() bool { b.get("status", &s); return s.Unclaimed != nil })
		if s.Converged || len(s.Unclaimed.Instances) != 1 || len(s.Unclaimed.Networks) != 1 || len(s.Unclaimed.Gateways) != 1 {
			t.Errorf("status %+v, unclaimed %+v", s, s.Unclaimed)
		}
		err := b.api.Do(context.Background(), "CreateVpc", &wire.CreateVpcRequest{CidrBlock: new("10.0.0.0/16")}, nil)
		if err == nil || !strings.Contains(err.Error(), "Unavailable") || !strings.Contains(err.Error(), "labsim status") {
			t.Errorf("CreateVpc: %v, want Unavailable and what to do", err)
		}
		b.do("DescribeVpcs", &wire.DescribeVpcsRequest{}, &wire.DescribeVpcsResult{})
		if after := stands(t, o.Engine); !slices.Equal(before, after) {
			t.Errorf("there stands %v, before it was %v", after, before)
		}
		if !node.holds("as before") {
			t.Error("the agent was given a config of a world that knows nothing")
		}
		b.stop()
	}
	if _, err := store.Restore(path, copies[0].Name, ""); err != nil {
		t.Fatal(err)
	}
	b = start(t, o)
	b.becomes(id, "running")
	b.converged()
	if after := stands(t, o.Engine); !slices.Equal(before, after) {
		t.Errorf("there stands %v after the restore, before it was %v", after, before)
	}
	var s Status
	if b.get("status", &s); s.Unclaimed != nil {
		t.Errorf("unclaimed %+v after the restore", s.Unclaimed)
	}
}

// What is removed by hand needs no decision any more.
func TestLostStateWithNothingLeft(t *testing.T) {
	e := none.New()
	ctx := context.Background()
	if err := e.Start(ctx, engine.Container{Name: "web", Kind: engine.KindInstance, ID: "i-1"}); err != nil {
		t.Fatal(err)
	}
	b := start(t, Options{Engine: e, Node: &Simulated{}, StatePath: filepath.Join(t.TempDir(), "world.db")})
	var s Status
	b.eventually("the loss is seen", func() bool { b.get("status", &s); return s.Unclaimed != nil })
	if err := e.Remove(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	b.eventually("the site goes on", func() bool {
		return b.api.Do(ctx, "CreateVpc", &wire.CreateVpcRequest{CidrBlock: new("10.0.0.0/16")}, nil) == nil
	})
	b.converged()
}

// The state of another site knows nothing of what stands here: it is not used, nothing
// is removed, and the file stays as it is.
func TestStateOfAnotherSite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	mine := Options{Site: "mine", Engine: none.New(), Node: &Simulated{}, StatePath: path}
	b := start(t, mine)
	b.network()
	b.converged()
	b.stop()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	e := none.New()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Start(ctx, engine.Container{Name: "web", Kind: engine.KindInstance, ID: "i-1"}); err != nil {
		t.Fatal(err)
	}
	err = Run(ctx, Options{Site: "other", Engine: e, Node: &Simulated{}, StatePath: path, Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "is that of the site mine, not of other") {
		t.Errorf("the state of another site: %v", err)
	}
	if after := stands(t, e); !slices.Equal(after, []string{"web"}) {
		t.Errorf("there stands %v, before it was [web]", after)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(file) {
		t.Errorf("the file was changed, %v", err)
	}

	b = start(t, mine)
	b.do("DescribeVpcs", &wire.DescribeVpcsRequest{}, &wire.DescribeVpcsResult{})
	b.stop()
}

// A world that knows of nothing takes no copy's place.
func TestNoCopyOfNothing(t *testing.T) {
	w, err := world.New(world.Options{Now: time.Now, Random: rand.Reader}, world.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	if (&copier{}).due(w.View()) {
		t.Error("an empty world is copied")
	}
	err = w.Update(func(tx *world.Tx) error {
		_, err := tx.CreateVPC(world.CreateVPC{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
		return err
	})
	if err != nil || !(&copier{}).due(w.View()) {
		t.Errorf("a world with a VPC is not copied, %v", err)
	}
}
