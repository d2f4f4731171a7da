package exercise

import (
	"slices"

	"labsim/sim"
)

// Words are one text in each of a lab's languages, by the language's code.
type Words map[string]string

// In returns the text in a language, else in English.
func (w Words) In(lang string) string {
	if s, ok := w[lang]; ok {
		return s
	}
	return w["en"]
}

// Exercise is a lab's checks.yaml, checked.
type Exercise struct {
	Name  string // the folder's
	Title Words
	About Words
	// Finished says that the lab begins with all that its Compose file describes,
	// not with an empty account.
	Finished bool
	// Compose names the lab of labsim's whose Compose file that is; "": its own.
	Compose string
	// Symptoms says that a check tells only what does not work, and not why.
	Symptoms bool
	Roles    []Role
	Steps    []Step
	Faults   []Fault
}

// Role is something that the learner makes, whatever it is called.
type Role struct {
	Name  string
	Kind  Kind
	Where []Condition // of one that can have the role
	Say   Words       // what it is: the public subnet
}

// Condition is something that must hold of a resource.
type Condition struct {
	Attribute string
	// Want is a value, any, none, or $ROLE or $ROLE.ATTRIBUTE.
	Want string
}

// Values that are none.
const (
	wantAny  = "any"  // there is a value
	wantNone = "none" // there is none
)

// Step is one of a lab's steps.
type Step struct {
	Name   string
	Title  Words
	Checks []Check
}

// Check is one requirement. Exactly one of its kinds is set.
type Check struct {
	Name  string
	Say   Words
	Line  int
	Hints []Words // from a question to a pointer; the command follows from Solve
	Solve Script
	Fix   []string // commands of labsim's, where nothing else proposes some

	Exists    string // a role
	Count     *Count
	Attribute *Attribute
	Packet    *Packet
	HTTP      *HTTP
	Exec      *Exec
}

// Script is text for package script, with its place in the file.
type Script struct {
	Text string
	Line int
}

// Count wants a number of resources.
type Count struct {
	Kind            Kind
	Where           []Condition
	AtLeast, AtMost int // AtMost -1: any number
}

// Attribute wants that something holds of the resource that has a role.
type Attribute struct {
	Of    string
	Wants []Condition
}

// Packet wants that a packet gets through, or that it does not. An end is
// internet, $ROLE, $ROLE.ATTRIBUTE or an address.
type Packet struct {
	From, To string
	Protocol sim.Protocol
	Port     int
	Open     bool
}

// HTTP wants an answer to a GET from the internet side.
type HTTP struct {
	To       string
	Port     int
	Path     string
	Contains string
}

// Exec wants that a command in an instance ends with 0.
type Exec struct {
	In       string
	Run      string
	Contains string // of its output; "": anything
}

// Fault is one way to break a finished lab: through the API, or in an instance.
type Fault struct {
	Name  string
	Break Script
	Exec  *Exec // In is a role
}

// FaultOf returns the fault that a seed, from 1, chooses: of as many seeds in turn
// as there are faults no two are the same. In a simulated region there are only
// those of the API.
func (x *Exercise) FaultOf(seed int, simulated bool) Fault {
	list := slices.DeleteFunc(slices.Clone(x.Faults), func(f Fault) bool { return simulated && f.Exec != nil })
	n := len(list)
	return list[((seed-1)%n+n)%n]
}
