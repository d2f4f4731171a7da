package lab

import (
	"context"
	"fmt"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

// Options are what Apply and Down need from outside.
type Options struct {
	Region sim.Region
	// SaveKey stores the private half of a new key pair; EC2 shows it once.
	SaveKey func(name, pem string) error
	// HasKey reports whether SaveKey has stored that key; nil: yes.
	HasKey func(name string) bool
	// Progress is told of each change before it is made; may be nil.
	Progress func(Change)
	// Wait calls done at every change of the region, until it returns true.
	Wait func(ctx context.Context, done func(context.Context) (bool, error)) error
}

// run is one pass over a list of changes.
type run struct {
	api     region.API
	opts    Options
	changes *Changes
	ids     map[string]string // "kind/name" -> id
	ending  []string          // instances that this step terminates, until they are told
	told    map[string]bool
}

// known notes the id of a resource that stands.
func (c *Changes) known(kind, name, id string) {
	if c.ids == nil {
		c.ids = map[string]string{}
	}
	c.ids[kind+"/"+name] = id
}

// Apply makes the changes of one step (0: the deletions), in order. It stops at
// the first that fails; what was made stays, and the next Diff goes on from it.
func (c *Changes) Apply(ctx context.Context, api region.API, step int, o Options) error {
	byStep(c.List)
	if c.ids == nil {
		c.ids = map[string]string{}
	}
	r := &run{api: api, opts: o, changes: c, ids: c.ids, told: map[string]bool{}}
	for _, x := range c.List {
		if x.Step == step && x.ends != "" {
			r.ending = append(r.ending, x.ends)
		}
	}
	for _, x := range c.List {
		if x.Step != step {
			continue
		}
		if o.Progress != nil {
			o.Progress(x)
		}
		if err := x.do(ctx, r); err != nil {
			return fmt.Errorf("%s %s %s: %w", x.Verb, x.Kind, x.Name, err)
		}
	}
	return nil
}

// IDs returns the ids of the lab's resources of a kind, by name, as far as they
// are known: after Apply, all of them.
func (c *Changes) IDs(kind string) map[string]string {
	out := map[string]string{}
	for k, id := range c.ids {
		if len(k) > len(kind) && k[:len(kind)+1] == kind+"/" {
			out[k[len(kind)+1:]] = id
		}
	}
	return out
}

func (r *run) do(ctx context.Context, action string, in, out any) error {
	return r.api.Do(ctx, action, in, out)
}

func (r *run) learn(kind, name, id string) { r.ids[kind+"/"+name] = id }

// id returns the id of a resource of the lab. Its creation stands earlier in
// the list, so it is known here.
func (r *run) id(kind, name string) string { return r.ids[kind+"/"+name] }

func (r *run) zone(letter string) string { return string(r.opts.Region) + letter }

// tags are what every resource of a lab carries.
func (r *run) tags(kind, name string) []wire.TagSpecification {
	return []wire.TagSpecification{{ResourceType: &kind, Tags: []wire.Tag{
		{Key: ptr(sim.TagName), Value: &name},
		{Key: ptr(sim.TagLab), Value: &r.changes.lab.Name},
	}}}
}
