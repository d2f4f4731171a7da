package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/engine"
	"labsim/sim/world"
	"labsim/sim/world/worldtest"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// lab is one instance on one subnet behind a gateway, and its disk.
const lab = `
	lab custom
	vpc lab 10.0.0.0/16
	igw lab lab
	table main lab main
	subnet public lab 10.0.1.0/24
	group web lab
	instance web public 10.0.1.10 groups=web
	volume data 2 on=web
`

// standing is all that lab stands on, in the engine.
const standing = `
	network labsim-internet internet
	network custom_public subnet subnet-public
	volume labsim-guest guest
	volume custom_data volume vol-data
	edge igw-lab running
`

type setting struct {
	world    *worldtest.Rows
	observed *engine.Observed
	node     Node
	opts     Options
}

// given makes a setting in which the agent has acknowledged all of the world.
// Lines of the engine: network NAME KIND [ID]; volume NAME KIND [ID]; edge ID
// running|exited; instance NAME ID running|exited [CODE].
func given(t *testing.T, worldText, engineText string) *setting {
	t.Helper()
	s := &setting{world: worldtest.NewRows(), opts: Options{
		Site: sim.DefaultSite, Region: "us-east-1", Public: netip.MustParsePrefix("198.51.100.0/24"), Now: now,
	}}
	if err := s.world.Read(worldText); err != nil {
		t.Fatal(err)
	}
	for id, i := range s.world.Instances {
		i.Status.Run = "run1"
		s.world.Instances[id] = i
	}
	s.observed = &engine.Observed{Run: "run1", Networks: map[string]engine.ObservedObject{},
		Volumes: map[string]engine.ObservedObject{}, Containers: map[string]engine.ObservedContainer{}}
	for _, line := range strings.Split(engineText, "\n") {
		if f := strings.Fields(line); len(f) > 0 {
			s.stands(t, append(f, "", "", "", ""))
		}
	}
	return s
}

func (s *setting) stands(t *testing.T, f []string) {
	t.Helper()
	switch f[0] {
	case "network":
		s.observed.Networks[f[1]] = engine.ObservedObject{Name: f[1], Kind: engine.Kind(f[2]), ID: f[3]}
	case "volume":
		s.observed.Volumes[f[1]] = engine.ObservedObject{Name: f[1], Kind: engine.Kind(f[2]), ID: f[3]}
	case "edge":
		g := s.world.Gateways[sim.InternetGatewayID(f[1])]
		if g.ID == "" {
			g = sim.InternetGateway{ID: sim.InternetGatewayID(f[1])}
		}
		c := edgeContainer(s.opts.Site, g)
		s.observed.Containers[c.Name] = engine.ObservedContainer{Name: c.Name, Kind: engine.KindEdge, ID: f[1], Hash: c.Hash, Running: f[2] == "running"}
	case "instance":
		code, _ := strconv.Atoi(f[4])
		s.observed.Containers[f[1]] = engine.ObservedContainer{Name: f[1], Kind: engine.KindInstance, ID: f[2], Hash: "old", Running: f[3] == "running", ExitCode: code}
	default:
		t.Fatalf("no such line: %v", f)
	}
}

// with changes the instance web.
func (s *setting) with(change func(*sim.Instance)) *setting {
	i := s.world.Instances["i-web"]
	change(&i)
	s.world.Instances["i-web"] = i
	return s
}

func (s *setting) plan(t *testing.T) Result {
	t.Helper()
	state, err := s.world.State()
	if err != nil {
		t.Fatal(err)
	}
	if s.node.Config == nil && !s.node.Current {
		s.node.Config = dataplane.Compile(state, dataplane.CompileOptions{Site: s.opts.Site})
		s.node.Current = true
		s.node.Report.Version = s.node.Config.Version
	}
	return Plan(state, s.observed, s.node, s.opts)
}

// lines writes a result so that it can be read.
func lines(r Result) []string {
	var out []string
	for _, x := range r.Steps {
		line := string(x.Kind) + " " + x.Name
		if x.Kind == StartInstance || x.Kind == RebootInstance {
			if line += fmt.Sprintf(" boot %d", x.Boot); x.Container.Hash == "old" {
				line += ", the same container"
			}
		}
		out = append(out, line)
	}
	for _, f := range r.Facts {
		switch f := f.(type) {
		case SubnetSeen:
			out = append(out, fmt.Sprintf("fact %s ready=%v", f.ID, f.Ready))
		case VolumeSeen:
			out = append(out, strings.TrimSpace(fmt.Sprintf("fact %s ready=%v %s", f.ID, f.Seen.Ready, f.Seen.Error)))
		case VolumeGone:
			out = append(out, fmt.Sprintf("fact %s gone", f.ID))
		case VolumeFound:
			out = append(out, fmt.Sprintf("fact %s found, %d GiB, lab %s", f.Volume.ID, f.Volume.Size, f.Volume.Tags.Value(sim.TagLab)))
		case InstanceSeen:
			out = append(out, strings.TrimSpace(fmt.Sprintf("fact %s %s boot %d %s", f.ID, f.Seen.State, f.Seen.Boot, f.Seen.Reason.Code)))
		}
	}
	for _, w := range r.Waits {
		kind := "wait"
		if w.Problem {
			kind = "problem"
		}
		out = append(out, kind+" "+w.Resource+": "+w.Reason)
	}
	if !r.Again.IsZero() {
		out = append(out, "again in "+r.Again.Sub(now).String())
	}
	slices.Sort(out)
	return out
}

func check(t *testing.T, got Result, want ...string) {
	t.Helper()
	slices.Sort(want)
	if d := cmp.Diff(want, lines(got)); d != "" {
		t.Errorf("plan differs (-want +got):\n%s", d)
	}
}

func TestInstanceLife(t *testing.T) {
	const running = standing + "instance custom-web-1 i-web running"
	const exited = standing + "instance custom-web-1 i-web exited "
	const again = "problem i-web: it reboots itself again and again, each time within 10s of its start; it is started again after pauses of up to 1m0s"
	rebooted := func(short int, began, ended time.Duration) func(*setting) {
		return func(s *setting) {
			s.node.Reboots = map[sim.InstanceID]Reboots{"i-web": {Short: short, Began: now.Add(-began)}}
			s.node.Ended = map[sim.InstanceID]time.Time{"i-web": now.Add(-ended)}
		}
	}
	for _, c := range []struct {
		name   string
		engine string
		row    func(*sim.Instance)
		other  func(*setting)
		want   []string
	}{
		{"all is so", running, nil, nil, nil},
		{"launched", standing, func(i *sim.Instance) {
			i.Status = sim.InstanceStatus{State: sim.StatePending}
		}, nil, []string{"start-instance custom-web-1 boot 1"}},
		{"started, and control died before it wrote that down", running, func(i *sim.Instance) {
			i.Status = sim.InstanceStatus{State: sim.StatePending}
		}, nil, []string{"fact i-web running boot 1"}},
		{"stop", running, func(i *sim.Instance) {
			i.Desired, i.Status.State = sim.DesiredStopped, sim.StateStopping
		}, nil, []string{"stop-instance custom-web-1"}},
		{"has stopped", exited, func(i *sim.Instance) {
			i.Desired, i.Status.State = sim.DesiredStopped, sim.StateStopping
		}, nil, []string{"fact i-web stopped boot 1"}},
		{"stays stopped", exited, func(i *sim.Instance) {
			i.Desired, i.Status.State = sim.DesiredStopped, sim.StateStopped
		}, nil, nil},
		{"stopped before it was ever started", standing, func(i *sim.Instance) {
			i.Desired, i.Status = sim.DesiredStopped, sim.InstanceStatus{State: sim.StateStopping}
		}, nil, []string{"fact i-web stopped boot 0"}},
		{"started again", exited, func(i *sim.Instance) {
			i.Boot, i.Status.State = 2, sim.StatePending
		}, nil, []string{"start-instance custom-web-1 boot 2"}},
		{"docker start of a stopped one", running, func(i *sim.Instance) {
			i.Desired, i.Status.State = sim.DesiredStopped, sim.StateStopped
		}, nil, []string{"stop-instance custom-web-1"}},
		{"reboot", running, func(i *sim.Instance) { i.Boot = 2 }, nil,
			[]string{"reboot-instance custom-web-1 boot 2, the same container"}},
		{"reboot, cut off after the guest had ended", exited + "137", func(i *sim.Instance) { i.Boot = 2 }, nil,
			[]string{"start-instance custom-web-1 boot 2, the same container"}},
		{"reboot from inside", exited + "133", nil, nil,
			[]string{"start-instance custom-web-1 boot 1, the same container"}},
		{"reboot from inside after a short run", exited + "133", nil, rebooted(2, time.Second, 0),
			[]string{"wait i-web: it has rebooted itself, and starts again after a pause", "again in 200ms"}},
		{"its pause is over", exited + "133", nil, rebooted(2, time.Second, 200*time.Millisecond),
			[]string{"start-instance custom-web-1 boot 1, the same container"}},
		{"reboots itself again and again", exited + "133", nil, rebooted(20, 41*time.Second, 40*time.Second), []string{
			"wait i-web: it has rebooted itself, and starts again after a pause", again, "again in 20s"}},
		{"has done so, and runs again", running, nil, rebooted(20, 4*time.Second, 0), []string{again, "again in 6s"}},
		{"has done so, and runs for a while", running, nil, rebooted(20, 10*time.Second, 0), nil},
		{"has done so, and is rebooted by its owner", exited + "133", func(i *sim.Instance) { i.Boot = 2 }, rebooted(20, 41*time.Second, 40*time.Second),
			[]string{"start-instance custom-web-1 boot 2, the same container", again}},
		{"has done so, and the engine was restarted", exited + "133", nil, func(s *setting) {
			rebooted(20, 41*time.Second, 40*time.Second)(s)
			s.observed.Run = "run2"
		}, []string{"start-instance custom-web-1 boot 1, the same container", again}},
		{"poweroff from inside", exited + "132", nil, nil,
			[]string{"fact i-web stopped boot 1 Client.InstanceInitiatedShutdown"}},
		{"docker kill, just seen", exited + "137", nil, nil, []string{
			"wait i-web: its container has ended; waiting whether the engine ends too", "again in 2s"}},
		{"docker kill, settled", exited + "137", nil, func(s *setting) {
			s.node.Ended = map[sim.InstanceID]time.Time{"i-web": now.Add(-SettleTime)}
		}, []string{"fact i-web stopped boot 1 Server.InternalError"}},
		{"the engine was restarted", exited + "137", nil, func(s *setting) { s.observed.Run = "run2" },
			[]string{"start-instance custom-web-1 boot 1, the same container"}},
		{"back after the engine's restart", running, nil, func(s *setting) { s.observed.Run = "run2" },
			[]string{"fact i-web running boot 1"}},
		{"docker rm -f, docker compose down", standing, nil, nil,
			[]string{"fact i-web terminated boot 1 Server.InternalError"}},
		{"docker rm of a stopped one", standing, func(i *sim.Instance) {
			i.Desired, i.Status.State = sim.DesiredStopped, sim.StateStopped
		}, nil, []string{"fact i-web terminated boot 1 Server.InternalError"}},
		{"removed while the engine was away", standing, nil, func(s *setting) { s.observed.Run = "run2" },
			[]string{"fact i-web terminated boot 1 Server.InternalError"}},
		{"an engine that forgets, restarted", standing, nil, func(s *setting) {
			s.observed.Run, s.opts.Ephemeral = "run2", true
		}, []string{"start-instance custom-web-1 boot 1"}},
		{"terminate", running, func(i *sim.Instance) {
			i.Desired, i.Status.State = sim.DesiredTerminated, sim.StateShuttingDown
		}, nil, []string{"remove-instance custom-web-1"}},
		{"terminated", standing, func(i *sim.Instance) {
			i.Desired, i.Status.State = sim.DesiredTerminated, sim.StateShuttingDown
		}, nil, []string{"fact i-web terminated boot 1"}},
		{"stays terminated", standing, func(i *sim.Instance) {
			i.Desired, i.Status.State, i.BlockDevices = sim.DesiredTerminated, sim.StateTerminated, nil
		}, nil, nil},
		{"two containers of one instance", running + "\n\tinstance i-web i-web exited", nil, nil, []string{"remove-instance i-web"}},
		{"two that run", running + "\n\tinstance i-web i-web running", nil, nil, []string{"remove-instance i-web"}},
		{"the image is gone", standing, func(i *sim.Instance) {
			i.Image, i.Status = "ami-0", sim.InstanceStatus{State: sim.StatePending}
		}, nil, []string{"problem i-web: the image ami-0 does not exist"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, lab, c.engine)
			if c.row != nil {
				s.with(c.row)
			}
			if c.other != nil {
				c.other(s)
			}
			check(t, s.plan(t), c.want...)
		})
	}
}

// An instance starts after everything that it stands on, above all after the
// agent has its rules.
func TestStartWaits(t *testing.T) {
	pending := func(i *sim.Instance) { i.Status = sim.InstanceStatus{State: sim.StatePending} }
	for _, c := range []struct {
		name string
		miss func(*setting)
		want []string
	}{
		{"the agent's connection", func(s *setting) { s.node.Current = true },
			[]string{"wait i-web: the agent is not connected"}},
		{"the interface in the config", func(s *setting) {
			state, _ := s.world.State()
			c := dataplane.Compile(state, dataplane.CompileOptions{})
			c.VPCs[0].ENIs = nil
			s.node.Config = c
		}, []string{"wait i-web: the agent has no rules for eni-web yet"}},
		{"the interface's address in the config", func(s *setting) {
			state, _ := s.world.State()
			c := dataplane.Compile(state, dataplane.CompileOptions{})
			c.VPCs[0].ENIs[0].Addr = netip.MustParseAddr("10.0.1.11")
			s.node.Config = c
		}, []string{"wait i-web: the agent has no rules for eni-web yet"}},
		{"rules that could be programmed", func(s *setting) {
			s.node.Report.Errors = []dataplane.Problem{{Resource: "vpc-lab", Message: "no nftables"}}
		}, []string{"wait i-web: the agent reports of vpc-lab: no nftables"}},
		{"the network", func(s *setting) { delete(s.observed.Networks, "custom_public") }, []string{
			"ensure-network custom_public", "fact subnet-public ready=false",
			"wait i-web: the network of subnet-public does not stand yet"}},
		{"PID 1", func(s *setting) { delete(s.observed.Volumes, "labsim-guest") }, []string{
			"ensure-volume labsim-guest",
			"wait i-web: the volume with the guest's first process does not stand yet"}},
		{"its disk's file", func(s *setting) {
			s.node.Report.Volumes = []dataplane.VolumeStatus{{ID: "vol-data", Error: "disk full"}}
		}, []string{"fact vol-data ready=false disk full", "problem vol-data: disk full",
			"wait i-web: the volume vol-data can't be used: disk full"}},
		{"its name", func(s *setting) {
			s.world.Read("instance old public 10.0.1.11 groups=web state=shutting-down")
			i := s.world.Instances["i-old"]
			i.Desired = sim.DesiredTerminated
			s.world.Instances["i-old"] = i
			s.observed.Containers["custom-web-1"] = engine.ObservedContainer{Name: "custom-web-1", Kind: engine.KindInstance, ID: "i-old"}
		}, []string{"remove-instance custom-web-1", "wait i-web: the name custom-web-1 is still held by i-old"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, lab, standing).with(pending)
			c.miss(s)
			check(t, s.plan(t), c.want...)
		})
	}
}

func TestNetworksVolumesEdges(t *testing.T) {
	for _, c := range []struct {
		name, world, engine string
		other               func(*setting)
		want                []string
	}{
		{"nothing", "", "", nil, nil},
		{"all anew", "vpc lab 10.0.0.0/16\nigw lab lab\ntable main lab main\nsubnet public lab 10.0.1.0/24\nvolume data 2", "", nil, []string{
			"ensure-network labsim-internet", "ensure-network labsim-subnet-public", "ensure-volume labsim-vol-data",
			"fact subnet-public ready=false", "fact vol-data ready=false",
			"wait igw-lab: the network of the public addresses does not stand yet"}},
		{"what no row is for", "", standing + "instance custom-web-1 i-web running", nil, []string{
			"remove-edge labsim-edge-igw-lab", "remove-instance custom-web-1", "remove-network custom_public",
			"remove-volume custom_data"}},
		{"the edge is gone: the internet goes too", "", "network labsim-internet internet", nil,
			[]string{"remove-network labsim-internet"}},
		{"docker kill of the edge", lab, strings.Replace(standing, "igw-lab running", "igw-lab exited", 1) + "instance custom-web-1 i-web running", nil,
			[]string{"start-edge labsim-edge-igw-lab"}},
		{"gateway detached", "vpc lab 10.0.0.0/16\nigw lab", "network labsim-internet internet\nedge igw-lab running", nil,
			[]string{"remove-edge labsim-edge-igw-lab"}},
		{"volume to be deleted", "volume data 2 deleting", "volume x volume vol-data", nil, []string{"remove-volume x"}},
		{"volume deleted, its file not yet", "volume data 2 deleting", "", func(s *setting) {
			s.node.Report.Volumes = []dataplane.VolumeStatus{{ID: "vol-data"}}
		}, []string{"wait vol-data: the agent still has the volume's data"}},
		{"volume deleted", "volume data 2 deleting", "", nil, []string{"fact vol-data gone"}},
		{"data of a former state", "", "volume x volume vol-old", func(s *setting) {
			s.node.Report.Volumes = []dataplane.VolumeStatus{{ID: "vol-old", SizeGiB: 3, Lab: "custom", Name: "data"}}
		}, []string{"fact vol-old found, 3 GiB, lab custom"}},
		{"data in a report older than the config", "", "", func(s *setting) {
			s.node = Node{Config: &dataplane.Config{Version: 7}, Current: true, Report: dataplane.Report{Version: 6,
				Volumes: []dataplane.VolumeStatus{{ID: "vol-old"}}}}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, c.world, c.engine)
			if c.other != nil {
				c.other(s)
			}
			check(t, s.plan(t), c.want...)
		})
	}
}

// What runs and is off a network that it is to be on was disconnected by hand: an
// instance is joined again as it runs, an edge is made anew.
func TestCutOff(t *testing.T) {
	for _, c := range []struct {
		name      string
		object    string
		endpoints map[string]string
		want      []string
	}{
		{"an instance that is joined", "custom-web-1", map[string]string{"custom_public": "e1", "other": "e2"}, nil},
		{"an instance that is not", "custom-web-1", map[string]string{"other": "e2"}, []string{"start-instance custom-web-1 boot 1, the same container"}},
		{"an engine that does not tell", "custom-web-1", nil, nil},
		{"an edge that is joined", "labsim-edge-igw-lab", map[string]string{"labsim-internet": "e1"}, nil},
		{"an edge that is not", "labsim-edge-igw-lab", map[string]string{}, []string{"remove-edge labsim-edge-igw-lab"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(t, lab, standing+"instance custom-web-1 i-web running").with(func(i *sim.Instance) {
				i.Boot, i.Status.Boot, i.Status.State = 1, 1, sim.StateRunning
			})
			o := s.observed.Containers[c.object]
			o.Endpoints = c.endpoints
			s.observed.Containers[c.object] = o
			check(t, s.plan(t), c.want...)
		})
	}
}

func TestHostKeys(t *testing.T) {
	s := given(t, lab, standing+"instance custom-web-1 i-web running")
	s.node.Report.Guests = []dataplane.Guest{{Instance: "i-web", HostKeys: []string{"ssh-ed25519 AAAA"}}}
	want := []Fact{InstanceSeen{ID: "i-web", Seen: world.Observation{Boot: 1, HostKeys: []string{"ssh-ed25519 AAAA"}}}}
	if d := cmp.Diff(want, s.plan(t).Facts); d != "" {
		t.Errorf("facts differ (-want +got):\n%s", d)
	}
	s.with(func(i *sim.Instance) { i.Status.HostKeys = []string{"ssh-ed25519 AAAA"} })
	check(t, s.plan(t))
}

// A guest that was ready before is waited for, as after its agent was put back.
func TestGuestAway(t *testing.T) {
	s := given(t, lab, standing+"instance custom-web-1 i-web running")
	s.with(func(i *sim.Instance) { i.Status.ReadyBoot = i.Boot })
	check(t, s.plan(t), "wait i-web: its first process has not connected to the agent yet")
	s.node.Report.Guests = []dataplane.Guest{{Instance: "i-web", Ready: true}}
	check(t, s.plan(t))
}
