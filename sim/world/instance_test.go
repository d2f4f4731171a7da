package world

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
)

// ops are what a user can ask of an instance's life.
var ops = map[string]func(*Tx, sim.InstanceID) error{
	"start": func(tx *Tx, id sim.InstanceID) error { _, err := tx.StartInstances([]sim.InstanceID{id}); return err },
	"stop": func(tx *Tx, id sim.InstanceID) error {
		_, err := tx.StopInstances(StopInstances{IDs: []sim.InstanceID{id}})
		return err
	},
	"reboot": func(tx *Tx, id sim.InstanceID) error { return tx.RebootInstances([]sim.InstanceID{id}) },
	"terminate": func(tx *Tx, id sim.InstanceID) error {
		_, err := tx.TerminateInstances([]sim.InstanceID{id})
		return err
	},
}

// put an instance into each state, by the ways there are.
func (r *region) inState(n sim.Subnet, s sim.InstanceState) sim.InstanceID {
	r.t.Helper()
	if s == sim.StatePending {
		return r.launch(n, nil).ID
	}
	id := r.running(n, nil).ID
	op := func(name string) { r.run(func(tx *Tx) error { return ops[name](tx, id) }) }
	switch s {
	case sim.StateStopping:
		op("stop")
	case sim.StateStopped:
		op("stop")
		r.observe(id, Observation{State: sim.StateStopped, Boot: 1})
	case sim.StateShuttingDown:
		op("terminate")
	case sim.StateTerminated:
		op("terminate")
		r.observe(id, Observation{State: sim.StateTerminated})
	}
	if got := r.instance(id).Status.State; got != s {
		r.t.Fatalf("the instance is %s, want %s", got, s)
	}
	return id
}

var states = []sim.InstanceState{sim.StatePending, sim.StateRunning, sim.StateStopping, sim.StateStopped, sim.StateShuttingDown, sim.StateTerminated}

// Which call is legal in which state, and where it leads (EC2 User Guide,
// "Amazon EC2 instance state changes"). "": IncorrectInstanceState.
func TestStatesAndCalls(t *testing.T) {
	want := map[string]map[sim.InstanceState]sim.InstanceState{
		"start":  {"pending": "pending", "running": "running", "stopping": "", "stopped": "pending", "shutting-down": "", "terminated": ""},
		"stop":   {"pending": "", "running": "stopping", "stopping": "stopping", "stopped": "stopped", "shutting-down": "", "terminated": ""},
		"reboot": {"pending": "", "running": "running", "stopping": "", "stopped": "", "shutting-down": "", "terminated": ""},
		"terminate": {"pending": "shutting-down", "running": "shutting-down", "stopping": "shutting-down", "stopped": "shutting-down",
			"shutting-down": "shutting-down", "terminated": "terminated"},
	}
	for op, call := range ops {
		for _, from := range states {
			t.Run(fmt.Sprint(op, " ", from), func(t *testing.T) {
				r := newRegion(t)
				id := r.inState(r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24"), from)
				to := want[op][from]
				if to == "" {
					r.refused("IncorrectInstanceState", "The instance '"+string(id)+"' is not in a state from which it can be", func(tx *Tx) error { return call(tx, id) })
					return
				}
				r.run(func(tx *Tx) error { return call(tx, id) })
				if got := r.instance(id).Status.State; got != to {
					t.Errorf("the instance is %s afterwards, want %s", got, to)
				}
			})
		}
	}
}

// What an observation leads to, from each state; "" leaves the state as it is.
func TestStatesAndObservations(t *testing.T) {
	gone := "terminated Server.InternalError"
	user := "Client.UserInitiatedShutdown"
	guest := "Client.InstanceInitiatedShutdown"
	want := map[sim.InstanceState]map[sim.InstanceState]string{
		"pending":       {"running": "running ", "stopping": "stopping " + guest, "stopped": "stopped " + guest, "terminated": ""},
		"running":       {"stopping": "stopping " + guest, "stopped": "stopped " + guest, "terminated": gone},
		"stopping":      {"stopped": "stopped " + user, "terminated": gone},
		"stopped":       {"terminated": gone},
		"shutting-down": {"terminated": "terminated " + user},
		"terminated":    {},
	}
	for _, from := range states {
		for _, seen := range states {
			t.Run(fmt.Sprint(from, " sees ", seen), func(t *testing.T) {
				r := newRegion(t)
				id := r.inState(r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24"), from)
				before := r.instance(id).Status
				o := Observation{State: seen, Boot: 1}
				if seen == sim.StateTerminated {
					o.Boot = 0
				}
				r.observe(id, o)
				after := r.instance(id).Status
				wanted := want[from][seen]
				if wanted == "" {
					wanted = fmt.Sprint(before.State, " ", before.Reason.Code)
				}
				if got := fmt.Sprint(after.State, " ", after.Reason.Code); got != wanted {
					t.Errorf("the instance is %q afterwards, want %q", got, wanted)
				}
			})
		}
	}
}

// What is seen of an older boot doesn't undo a start or a reboot.
func TestOldBootIsNoNews(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	i := r.stopped(n, nil)
	r.run(func(tx *Tx) error { return ops["start"](tx, i.ID) })
	for _, seen := range []sim.InstanceState{sim.StateStopped, sim.StateRunning} {
		r.observe(i.ID, Observation{State: seen, Boot: 1})
		if got := r.instance(i.ID).Status.State; got != sim.StatePending {
			t.Errorf("started again and %s seen of the old boot: %s, want pending", seen, got)
		}
	}
	r.observe(i.ID, Observation{State: sim.StateRunning, Boot: 2})
	r.run(func(tx *Tx) error { return ops["reboot"](tx, i.ID) })
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 2})
	if got := r.instance(i.ID); got.Status.State != sim.StateRunning || got.Desired != sim.DesiredRunning {
		t.Errorf("a guest that goes down for its reboot is %s, wanted %s; want running", got.Status.State, got.Desired)
	}
	// but a stop that is asked for meanwhile takes it
	r.run(func(tx *Tx) error { return ops["stop"](tx, i.ID) })
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 2})
	if got := r.instance(i.ID).Status.State; got != sim.StateStopped {
		t.Errorf("stopped during its reboot: %s, want stopped", got)
	}
}

func TestGuestPoweroffFollowsTheShutdownAction(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	i := r.running(n, func(in *RunInstances) { in.ShutdownAction = sim.ShutdownTerminate })
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 1})
	got := r.instance(i.ID)
	if got.Status.State != sim.StateShuttingDown || got.Desired != sim.DesiredTerminated || got.Status.Reason != reasonGuest {
		t.Errorf("%s, wanted %s, %s; want shutting-down by its own will", got.Status.State, got.Desired, got.Status.Reason.Code)
	}
}

func TestTerminationDeletesWhatItShould(t *testing.T) {
	for name, c := range map[string]struct {
		asked       bool
		wantDeleted string // states of the two volumes afterwards
	}{
		"asked for":       {true, "deleting available"},
		"behind its back": {false, "available available"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegion(t)
			n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
			r.public(n)
			i := r.running(n, func(in *RunInstances) {
				in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf", Size: 1}, {Device: "/dev/sdg", Size: 1, DeleteOnTermination: ptr(false)}}
			})
			for _, d := range i.BlockDevices {
				r.Update(func(tx *Tx) error { return tx.ObserveVolume(d.Volume, VolumeObservation{Ready: true}) })
			}
			if c.asked {
				r.run(func(tx *Tx) error { return ops["terminate"](tx, i.ID) })
			}
			r.observe(i.ID, Observation{State: sim.StateTerminated})
			s := r.View()
			got := ""
			for _, d := range i.BlockDevices {
				got += string(s.VolumeState(s.Volumes.Row(d.Volume))) + " "
			}
			if got != c.wantDeleted+" " {
				t.Errorf("volumes are %q, want %q", got, c.wantDeleted)
			}
			if s.ENIs.Len() != 0 || s.Addresses.Len() != 0 {
				t.Errorf("%d interfaces and %d public addresses are left", s.ENIs.Len(), s.Addresses.Len())
			}
			r.Update(func(tx *Tx) error { return tx.VolumeGone(i.BlockDevices[0].Volume) })
			if _, there := r.View().Volumes.Get(i.BlockDevices[0].Volume); there == c.asked {
				t.Errorf("after VolumeGone the volume is there: %t, want %t", there, !c.asked)
			}
		})
	}
}

func TestPurge(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	id := r.inState(n, sim.StateTerminated)
	alive := r.inState(n, sim.StateRunning)
	purge := func(before time.Time) {
		if err := r.Update(func(tx *Tx) error { return tx.PurgeTerminated(before) }); err != nil {
			t.Fatal(err)
		}
	}
	purge(r.now.Add(-time.Hour))
	if _, ok := r.View().Instances.Get(id); !ok {
		t.Error("an instance was forgotten too early")
	}
	purge(r.now.Add(time.Hour))
	if _, ok := r.View().Instances.Get(id); ok {
		t.Error("the terminated instance is still shown")
	}
	if _, ok := r.View().Instances.Get(alive); !ok {
		t.Error("a running instance was forgotten")
	}
}

func TestLaunchFailureIsShownAndCleared(t *testing.T) {
	r := newRegion(t)
	i := r.launch(r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24"), nil)
	r.observe(i.ID, Observation{Error: "no space left"})
	if got := r.instance(i.ID).Status; got.Error != "no space left" || got.State != sim.StatePending {
		t.Errorf("%s with error %q, want pending with the error", got.State, got.Error)
	}
	r.observe(i.ID, Observation{State: sim.StateRunning, Boot: 1, HostKeys: []string{"ssh-ed25519 H"}})
	r.observe(i.ID, Observation{State: sim.StateRunning, Boot: 1})
	if got := r.instance(i.ID).Status; got.Error != "" || len(got.HostKeys) != 1 {
		t.Errorf("error %q, %d host keys; want none and one", got.Error, len(got.HostKeys))
	}
	lost := r.launch(r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24"), nil)
	r.observe(lost.ID, Observation{State: sim.StateTerminated, Reason: sim.StateReason{Code: "Server.InternalError", Message: "no image"}})
	if got := r.instance(lost.ID).Status; got.State != sim.StateTerminated || got.Reason.Message != "no image" {
		t.Errorf("a launch that control gave up is %s (%s), want terminated (no image)", got.State, got.Reason.Message)
	}
}

func TestManyInstancesAtOnce(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	a, b := r.running(n, nil).ID, r.stopped(n, nil).ID
	got := do(r, func(tx *Tx) ([]StateChange, error) {
		return tx.StopInstances(StopInstances{IDs: []sim.InstanceID{a, b, a}})
	})
	want := []StateChange{{a, sim.StateRunning, sim.StateStopping}, {b, sim.StateStopped, sim.StateStopped}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("changes (-want +got):\n" + diff)
	}
	terminate := func(ids ...sim.InstanceID) func(*Tx) error {
		return drop(func(tx *Tx) ([]StateChange, error) { return tx.TerminateInstances(ids) })
	}
	r.refused("InvalidInstanceID.NotFound", "The instance ID 'i-0123456789abcdef0' does not exist", terminate(a, "i-0123456789abcdef0"))
	r.refused("InvalidInstanceID.NotFound", "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist", terminate("i-0123456789abcdef0", a, "i-0123456789abcdef1"))
	r.refused("InvalidInstanceID.Malformed", `Invalid id: "web"`, terminate("web"))
	r.refused("MissingParameter", "InstanceId", terminate())
}

func TestModifyInstance(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	i := r.running(n, func(in *RunInstances) { in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf", Size: 1}} })
	modify := func(in ModifyInstanceAttribute) func(*Tx) error {
		in.Instance = i.ID
		return func(tx *Tx) error { return tx.ModifyInstanceAttribute(in) }
	}
	data := []byte("new")
	terminate := sim.ShutdownTerminate
	r.refused("IncorrectInstanceState", "is not in the 'stopped' state", modify(ModifyInstanceAttribute{Type: ptr("t3.large")}))
	r.refused("IncorrectInstanceState", "is not in the 'stopped' state", modify(ModifyInstanceAttribute{UserData: &data}))
	r.refused("InvalidInstanceAttributeValue", "/dev/sdz", modify(ModifyInstanceAttribute{DeleteOnTermination: map[string]bool{"/dev/sdz": true}}))
	r.run(modify(ModifyInstanceAttribute{SourceDestCheck: ptr(false), ShutdownAction: &terminate, DeleteOnTermination: map[string]bool{"/dev/sdf": false}}))
	r.run(func(tx *Tx) error { return ops["stop"](tx, i.ID) })
	r.observe(i.ID, Observation{State: sim.StateStopped, Boot: 1})
	r.refused("InvalidParameterValue", "t9", modify(ModifyInstanceAttribute{Type: ptr("t9.huge")}))
	r.run(modify(ModifyInstanceAttribute{Type: ptr("t3.large"), UserData: &data}))
	got := r.instance(i.ID)
	have := fmt.Sprintln(got.Type, string(got.UserData), got.ShutdownAction, got.BlockDevices[0].DeleteOnTermination, r.eni(i.ID).SourceDestCheck)
	if want := "t3.large new terminate false false\n"; have != want {
		t.Errorf("instance %q, want %q", have, want)
	}
	o := do(r, func(tx *Tx) (sim.MetadataOptions, error) {
		return tx.ModifyInstanceMetadataOptions(ModifyInstanceMetadataOptions{i.ID, MetadataOptions{TokensRequired: ptr(true), HopLimit: 2}})
	})
	if want := (sim.MetadataOptions{TokensRequired: true, HopLimit: 2}); o != want {
		t.Errorf("metadata options %+v, want %+v", o, want)
	}
}
