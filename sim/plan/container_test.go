package plan

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/engine"
)

// A name of the owner's own is what the guest calls itself, if it can be one.
func TestHostname(t *testing.T) {
	for name, want := range map[string]string{
		"www": "www", "www.example": "www.example", "": "ip-10-0-1-10.ec2.internal", "a b": "ip-10-0-1-10.ec2.internal",
		"-x": "ip-10-0-1-10.ec2.internal", "a..b": "ip-10-0-1-10.ec2.internal", strings.Repeat("a", 64): "ip-10-0-1-10.ec2.internal",
	} {
		s := given(t, lab, standing).with(func(i *sim.Instance) {
			i.Status = sim.InstanceStatus{State: sim.StatePending}
			i.Tags = i.Tags.With(sim.TagHostname, name)
		})
		if got := s.plan(t).Steps[0].Container.Hostname; got != want {
			t.Errorf("%q: the guest is %q, want %q", name, got, want)
		}
	}
}

func TestContainer(t *testing.T) {
	s := given(t, lab, standing).with(func(i *sim.Instance) { i.Status = sim.InstanceStatus{State: sim.StatePending} })
	v := s.world.Volumes["vol-data"]
	v.Tags = v.Tags.With(sim.TagMount, "/data")
	s.world.Volumes["vol-data"] = v
	steps := s.plan(t).Steps
	if len(steps) != 1 || steps[0].Kind != StartInstance {
		t.Fatalf("steps: %+v", steps)
	}
	got := steps[0].Container
	if got.Hash == "" {
		t.Error("the container has no hash")
	}
	eni := s.world.ENIs["eni-web"]
	want := engine.Container{
		Name: "custom-web-1", Kind: engine.KindInstance, ID: "i-web", Hash: got.Hash,
		Image: "labsim/linux:latest", Hostname: "ip-10-0-1-10.ec2.internal",
		Interfaces: []engine.Interface{{Network: "custom_public", ENI: "eni-web", Addr: netip.MustParseAddr("10.0.1.10"), MAC: eni.MAC}},
		Mounts:     []engine.Mount{{Volume: "custom_data", Path: "/data"}},
		Limits:     engine.Limits{CPUs: 2, MemoryMiB: 1024, PIDs: maxPIDs, Files: maxFiles},
		DNS:        []netip.Addr{netip.MustParseAddr("10.0.0.2")},
		Env:        []string{"LABSIM_INSTANCE=i-web", "LABSIM_DNS=10.0.0.2", "LABSIM_DOMAIN=ec2.internal"},
		Labels: map[string]string{
			"labsim.vpc": "vpc-lab", "labsim.lab": "custom",
			"com.docker.compose.project": "custom", "com.docker.compose.service": "web",
			"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
			"com.docker.compose.config-hash": "labsim", "com.docker.compose.version": composeVersion,
		},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("container differs (-want +got):\n%s", d)
	}
}

// What a tag or the type changes must not make the container anew; a change of
// what it is made of must.
func TestHash(t *testing.T) {
	hashOf := func(change func(*setting)) string {
		t.Helper()
		s := given(t, lab, standing).with(func(i *sim.Instance) { i.Status = sim.InstanceStatus{State: sim.StatePending} })
		change(s)
		for _, x := range s.plan(t).Steps {
			if x.Kind == StartInstance {
				return x.Container.Hash
			}
		}
		t.Fatal("nothing is started")
		return ""
	}
	base := hashOf(func(*setting) {})
	same := hashOf(func(s *setting) {
		s.with(func(i *sim.Instance) { i.Tags = i.Tags.With("stage", "prod") })
	})
	if same != base {
		t.Error("a tag changed the hash")
	}
	resized := hashOf(func(s *setting) { s.with(func(i *sim.Instance) { i.Type = "t3.small" }) })
	if resized != base {
		t.Error("another instance type changed the hash")
	}
	other := hashOf(func(s *setting) {
		v := s.world.Volumes["vol-data"]
		v.Tags = v.Tags.With(sim.TagMount, "/data")
		s.world.Volumes["vol-data"] = v
	})
	if other == base {
		t.Error("another mount left the hash as it was")
	}
}

func TestNames(t *testing.T) {
	const two = lab + "instance api public 10.0.1.12 groups=web"
	for _, c := range []struct {
		name, engine string
		change       func(*setting)
		want         map[sim.InstanceID]string
	}{
		{"lab and name", "", func(*setting) {}, map[sim.InstanceID]string{"i-web": "custom-web-1", "i-api": "custom-api-1"}},
		{"two of one name", "", func(s *setting) { s.rename("i-api", "web") }, map[sim.InstanceID]string{"i-api": "custom-web-1", "i-web": "labsim-i-web"}},
		{"who stands keeps the name", "instance custom-web-1 i-web running", func(s *setting) { s.rename("i-api", "web") },
			map[sim.InstanceID]string{"i-web": "custom-web-1", "i-api": "labsim-i-api"}},
		{"renamed while it stands", "instance custom-web-1 i-web running", func(s *setting) { s.rename("i-web", "www") },
			map[sim.InstanceID]string{"i-web": "custom-web-1", "i-api": "custom-api-1"}},
		{"a name that can't be one", "", func(s *setting) { s.rename("i-web", "my web!") },
			map[sim.InstanceID]string{"i-web": "labsim-i-web", "i-api": "custom-api-1"}},
		{"a name with a dot", "", func(s *setting) { s.rename("i-web", "w.eb") },
			map[sim.InstanceID]string{"i-web": "custom-w_eb-1", "i-api": "custom-api-1"}},
		{"another site, a name that can't be one", "", func(s *setting) { s.opts.Site = "t-1"; s.rename("i-web", "my web!") },
			map[sim.InstanceID]string{"i-web": "t-1.i-web", "i-api": "t-1.custom-api-1"}},
		{"another site", "", func(s *setting) { s.opts.Site = "t-1" },
			map[sim.InstanceID]string{"i-web": "t-1.custom-web-1", "i-api": "t-1.custom-api-1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, two, c.engine)
			c.change(s)
			state, err := s.world.State()
			if err != nil {
				t.Fatal(err)
			}
			got := newPlanner(state, s.observed, s.node, s.opts).names.instances
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("names differ (-want +got):\n%s", d)
			}
		})
	}
}

func (s *setting) rename(id sim.InstanceID, name string) {
	i := s.world.Instances[id]
	i.Tags = i.Tags.With(sim.TagName, name)
	s.world.Instances[id] = i
}
