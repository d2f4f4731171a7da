package lab

import (
	"context"
	"maps"
	"slices"

	"labsim/sim"
	"labsim/sim/region"
)

// Steps of the lab, as the seed numbers them. The fifth, access, is a look at
// packets and not a change.
const (
	StepVPC = iota + 1
	StepSubnets
	StepRoutes
	StepInstances
)

// Verb is what a change does.
type Verb string

const (
	Create Verb = "create"
	Update Verb = "update"
	Start  Verb = "start"
	Stop   Verb = "stop"
	Delete Verb = "delete"
)

// Change is one difference between a lab file and an account.
type Change struct {
	Step         int // 0: deletions, which come before everything else
	Verb         Verb
	Kind         string // vpc, internet-gateway, subnet, route-table, route, association, security-group, key-pair, volume, instance
	Name         string
	Detail       sim.Text // what of it, where that is not all; may be empty
	DestroysData bool     // a disk with data dies
	ByHand       bool     // what is deleted is not the lab's own
	ends         string   // the instance that is terminated
	do           func(context.Context, *run) error
}

// Changes are what makes an account look like the lab.
type Changes struct {
	List []Change
	lab  *Lab
	acc  *account
	ids  map[string]string

	stood bool
}

// DestroysData lists the changes that need the user's word.
func (c *Changes) DestroysData() []Change {
	return slices.DeleteFunc(slices.Clone(c.List), func(x Change) bool { return !x.DestroysData && !x.ByHand })
}

// Stands reports whether something of the lab stood before.
func (c *Changes) Stands() bool { return c.stood }

// Diff compares a lab with what the API describes. What can't be changed in
// place is deleted and made anew, with all that stands on it.
func Diff(ctx context.Context, api region.API, l *Lab, o Options) (*Changes, error) {
	seen, acc, err := observe(ctx, api, l.Name)
	if err != nil {
		return nil, err
	}
	d := &differ{opts: o, lab: l, left: seen, acc: acc, changes: &Changes{lab: l, stood: len(acc.vpcs) > 0}}
	if err := d.run(); err != nil {
		return nil, err
	}
	return d.changes, nil
}

type differ struct {
	opts    Options
	lab     *Lab
	left    *region.Region // what stands, without what is to be deleted so far
	acc     *account
	changes *Changes
}

func (d *differ) add(step int, verb Verb, kind, name string, do func(context.Context, *run) error) {
	d.changes.List = append(d.changes.List, Change{Step: step, Verb: verb, Kind: kind, Name: name, do: do})
}

// detail says what of its resource the change changes that was added last.
func (d *differ) detail(t sim.Text) { d.changes.List[len(d.changes.List)-1].Detail = t }

func (d *differ) run() error {
	if err := d.checkImages(); err != nil {
		return err
	}
	d.drop()
	d.changes.acc = d.acc
	for _, v := range d.lab.VPCs {
		d.vpc(v)
	}
	for _, s := range d.lab.Subnets {
		d.subnet(s)
	}
	for _, t := range d.lab.RouteTables {
		d.routeTable(t)
	}
	for _, s := range d.lab.Subnets {
		d.association(s)
	}
	for _, g := range d.lab.Groups {
		d.group(g)
	}
	for _, g := range d.lab.Groups {
		d.rules(g)
	}
	for _, v := range d.lab.Volumes {
		d.volume(v)
	}
	d.keys()
	for _, x := range d.lab.Instances {
		d.instance(x)
	}
	return nil
}

func (d *differ) checkImages() error {
	for _, x := range d.lab.Instances {
		if _, ok := d.acc.images[imageName(x.Image)]; !ok {
			near, _ := sim.Nearest(imageName(x.Image), slices.Collect(maps.Keys(d.acc.images)))
			return &sim.Failure{What: sim.T("instance %s: there is no image (AMI) named %q", x.Name, x.Image),
				Next: []sim.Text{sim.T("take one that exists, such as %s", cmpOr(near, "labsim/linux"))}}
		}
	}
	return nil
}

func lastLetter(zone string) string {
	if zone == "" {
		return ""
	}
	return zone[len(zone)-1:]
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
