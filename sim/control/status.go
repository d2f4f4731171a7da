package control

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"labsim/sim"
	"labsim/sim/plan"
	"labsim/sim/world"
)

// Status is how far the machine has come with what the world asks for.
type Status struct {
	// Version is the world's that this is about.
	Version uint64
	// Current says that the world has nothing newer, and that the engine has not
	// changed since it was looked at.
	Current bool
	// Converged says that all of it is so.
	Converged bool
	Steps     []StepStatus `json:",omitempty"`
	Problems  []Problem    `json:",omitempty"`
	// OtherBuild: control and the agent don't understand each other, until one
	// labsim has put both in place.
	OtherBuild bool `json:",omitempty"`
	// Short: the engine's disk is, so that no instance starts. What runs is not touched.
	Short *sim.Room `json:",omitempty"`
	// Unclaimed: the state was lost, so nothing is done until the user decides.
	Unclaimed *Unclaimed `json:",omitempty"`
}

// StepStatus is something that is under way.
type StepStatus struct {
	Kind     string // a plan.Kind, "configure", "wait" or "record"
	Resource string
	Name     string `json:",omitempty"` // the engine's
	State    string // running, waiting
	Reason   string `json:",omitempty"` // of waiting
}

// Problem is something that went wrong and is tried again.
type Problem struct {
	Resource string // id, or "engine", "agent" or "state"
	Message  string
}

// statusBoard holds the last status and wakes who waits for the next.
type statusBoard struct {
	mu      sync.Mutex
	status  Status
	changed chan struct{}
}

func newStatusBoard() *statusBoard { return &statusBoard{changed: make(chan struct{})} }

// get returns the status and a channel that is closed at its next change.
func (b *statusBoard) get() (Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.changed
}

func (b *statusBoard) set(s Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reflect.DeepEqual(s, b.status) {
		return
	}
	b.status = s
	close(b.changed)
	b.changed = make(chan struct{})
}

// engineError says that the engine can't be looked at; the rest stays as it was.
func (b *statusBoard) engineError(err error) {
	s, _ := b.get()
	s.Current, s.Converged = false, false
	s.Problems = []Problem{{Resource: "engine", Message: err.Error()}}
	b.set(s)
}

// forget says that what was wrong is tried again; the rest stays as it was.
func (b *statusBoard) forget() {
	if s, _ := b.get(); len(s.Problems) > 0 {
		s.Current, s.Converged, s.Problems = false, false, nil
		b.set(s)
	}
}

// summary makes a status out of a pass.
func (r *reconciler) summary(s *world.State, result plan.Result) Status {
	out := Status{Version: uint64(s.Version)}
	node, problem := r.config.now()
	view, _ := r.config.view()
	out.OtherBuild = view.Unread != ""
	switch {
	case node.Refused != "":
		out.OtherBuild = true
		out.Problems = append(out.Problems, Problem{Resource: "agent", Message: node.Refused})
	case node.Session == 0:
		out.Problems = append(out.Problems, Problem{Resource: "agent", Message: errNoAgent.Message})
	case problem != "":
		out.Problems = append(out.Problems, Problem{Resource: "agent", Message: problem})
	case !view.Current:
		out.Steps = append(out.Steps, StepStatus{Kind: "configure", State: "running"})
	}
	for _, w := range result.Waits {
		if w.Problem {
			out.Problems = append(out.Problems, Problem{Resource: w.Resource, Message: w.Reason})
		} else {
			out.Steps = append(out.Steps, StepStatus{Kind: "wait", Resource: w.Resource, State: "waiting", Reason: w.Reason})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.running {
		out.Steps = append(out.Steps, stepStatus(e.step, "running"))
	}
	for _, x := range result.Steps {
		if r.running[x.Object()] == nil {
			out.Steps = append(out.Steps, stepStatus(x, "waiting"))
		}
	}
	for object, f := range r.failed {
		resource := f.step.Resource
		if f.step.Kind == "" {
			resource = object
		}
		out.Problems = append(out.Problems, Problem{Resource: resource, Message: f.err})
	}
	for _, f := range result.Facts {
		out.Steps = append(out.Steps, StepStatus{Kind: "record", Resource: f.Of(), State: "running"})
	}
	slices.SortFunc(out.Steps, func(a, b StepStatus) int {
		return strings.Compare(a.Kind+a.Resource+a.Name, b.Kind+b.Resource+b.Name)
	})
	slices.SortFunc(out.Problems, func(a, b Problem) int {
		return strings.Compare(a.Resource+a.Message, b.Resource+b.Message)
	})
	out.Current = !r.stale
	out.Converged = out.Current && len(out.Steps) == 0 && len(out.Problems) == 0
	return out
}

func stepStatus(x plan.Step, state string) StepStatus {
	return StepStatus{Kind: string(x.Kind), Resource: x.Resource, Name: x.Name, State: state}
}

// Settled reports whether nothing more will happen to version v by itself soon:
// it is converged, or all that is left are problems.
func (s Status) Settled(v uint64) bool {
	return s.Version >= v && (s.Converged || len(s.Problems) > 0 && len(s.Steps) == 0)
}
