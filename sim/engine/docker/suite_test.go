//go:build linux

package docker

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/docker/docker/api/types/volume"

	"labsim/sim"
	"labsim/sim/control"
	"labsim/sim/dataplane"
	"labsim/sim/engine"
	"labsim/sim/engine/enginetest"
)

// What the suite's instance needs of the agent.
var suiteConfig = dataplane.Config{
	Version: 1, Region: "us-east-1", Public: sim.DefaultPublic,
	VPCs: []dataplane.VPC{{
		ID: "vpc-0123456789abcdef0", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		DNS: netip.MustParseAddr("10.0.0.2"),
		Subnets: []dataplane.Subnet{{
			ID: "subnet-0123456789abcdef0", CIDR: netip.MustParsePrefix("10.0.1.0/24"), Number: 1, Table: "rtb-0123456789abcdef0",
		}},
		Tables: []dataplane.RouteTable{{ID: "rtb-0123456789abcdef0", Number: 1}},
		Groups: []dataplane.SecurityGroup{{ID: "sg-0123456789abcdef0"}},
		ENIs: []dataplane.ENI{{
			ID: "eni-0123456789abcdef0", Subnet: "subnet-0123456789abcdef0", Instance: "i-0123456789abcdef0",
			Addr: netip.MustParseAddr("10.0.1.10"), MAC: "0a:58:0a:00:01:0a",
			Groups: []sim.SecurityGroupID{"sg-0123456789abcdef0"}, SourceDestCheck: true,
		}, {
			ID: "eni-0123456789abcdef1", Subnet: "subnet-0123456789abcdef0", Instance: "i-0123456789abcdef1",
			Addr: netip.MustParseAddr("10.0.1.11"), MAC: "0a:58:0a:00:01:0b",
			Groups: []sim.SecurityGroupID{"sg-0123456789abcdef0"}, SourceDestCheck: true,
		}},
	}},
	Volumes: []dataplane.Volume{{ID: "vol-0123456789abcdef0", SizeGiB: 1, Name: "data", Region: "us-east-1"}},
}

// TestSuite runs the suite, and what else takes one, with a real agent, to which
// the test is control.
func TestSuite(t *testing.T) {
	t.Parallel()
	e := realEngine(t, "suite")
	file, build := withImage(t, e)
	stop := withAgent(t, e, file, build)
	enginetest.Run(t, func(t *testing.T) enginetest.Subject {
		name := string(e.site)
		return enginetest.Subject{
			Engine: e, Site: e.site, Image: imageOf(build), Public: freePublic(t, e),
			Subnet: engine.Network{
				Name: name + "_public", Kind: engine.KindSubnet, ID: "subnet-0123456789abcdef0",
				VPC: "vpc-0123456789abcdef0", CIDR: netip.MustParsePrefix("10.0.1.0/24"),
			},
			Interface: engine.Interface{Network: name + "_public", ENI: "eni-0123456789abcdef0", Addr: netip.MustParseAddr("10.0.1.10")},
			Volume:    engine.Volume{Name: name + "_data", Kind: engine.KindVolume, ID: "vol-0123456789abcdef0", Size: 1},
		}
	})
	t.Run("Foreign volume", func(t *testing.T) { testForeignVolume(t, e) })
	t.Run("Root disk", func(t *testing.T) { testRootDisk(t, e, build) })
	stop()
	t.Run("Uninstall keeps volumes", func(t *testing.T) { testKeepsVolumes(t, e) })
}

// withAgent installs the agent and hands it suiteConfig; stop ends its connection.
func withAgent(t *testing.T, e *Engine, file, build string) (stop func()) {
	t.Helper()
	ctx := t.Context()
	_, err := e.ensureAgent(ctx, fileBinary(file, build), func() (string, error) { return imageOf(build), nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(e.site.ControlDir()); err != nil {
		t.Skip("the engine is not on this machine")
	}
	link, err := control.Listen(e.site, e.site.ControlDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	served, stop := context.WithCancel(context.Background())
	t.Cleanup(stop) // before uninstall, whose one-shot takes the socket over
	go func() { _ = link.Serve(served) }()

	connected, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_ = link.Watch(connected, func(s control.NodeState) {
		if s.Session != 0 {
			cancel()
		}
	})
	c := suiteConfig
	c.Site = string(e.site)
	r, err := link.Set(ctx, &c)
	if err != nil || len(r.Errors) > 0 {
		t.Fatalf("the agent's answer to the config: %+v, %v", r, err)
	}
	if err := e.EnsureVolume(ctx, engine.Volume{Name: e.site.GuestVolume(), Kind: engine.KindGuest}); err != nil {
		t.Fatal(err)
	}
	return stop
}

// A volume of somebody else's under the name is refused, and left alone.
func testForeignVolume(t *testing.T, e *Engine) {
	name := string(e.site) + "_mine"
	if _, err := e.c.VolumeCreate(t.Context(), volume.CreateOptions{Name: name, Driver: "local"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.c.VolumeRemove(context.Background(), name, true) })
	var f *sim.Failure
	err := e.EnsureVolume(t.Context(), engine.Volume{Name: name, Kind: engine.KindVolume, ID: "vol-0123456789abcdef0", Size: 1})
	if !errors.As(err, &f) {
		t.Errorf("ensure: %v, want a Failure", err)
	}
	if err := e.RemoveVolume(t.Context(), name); err != nil {
		t.Error(err)
	}
	if v, err := e.volumeOf(t.Context(), "local", name); v == nil || err != nil {
		t.Errorf("the volume of somebody else: %v, %v", v, err)
	}
}
