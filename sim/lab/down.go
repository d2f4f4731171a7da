package lab

import (
	"context"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

// Removal is what `down` deletes of a lab.
type Removal struct {
	Changes
	ByHand []Resource // what was added to the lab's VPCs by hand, and goes with them
	Kept   []Resource // volumes that stay
	Keys   []string   // key pairs that go, whose files go too
}

// Resource names one resource for the user.
type Resource struct{ Kind, ID, Name string }

// Down lists what stands of a lab: the VPCs that it made with all that is in
// them. Volumes stay unless volumes is set.
func Down(ctx context.Context, api region.API, lab string, volumes bool) (*Removal, error) {
	seen, err := region.Observe(ctx, api)
	if err != nil {
		return nil, err
	}
	d := &remover{seen: seen, lab: lab}
	for _, v := range seen.VPCs {
		if d.ours(v.Tags) {
			d.vpc(v)
		}
	}
	for _, g := range seen.InternetGateways {
		if d.ours(g.Tags) && len(g.Attachments) == 0 {
			d.drop(region.Delete("internet-gateway", wire.Value(g.InternetGatewayId), g.Tags))
		}
	}
	out := &Removal{}
	for _, v := range seen.Volumes {
		switch {
		case !d.ours(v.Tags):
		case volumes:
			d.drop(region.Delete("volume", wire.Value(v.VolumeId), v.Tags))
		default:
			out.Kept = append(out.Kept, Resource{"volume", wire.Value(v.VolumeId), wire.TagValue(v.Tags, sim.TagName)})
		}
	}
	for _, k := range seen.KeyPairs {
		if d.ours(k.Tags) && !d.usedElsewhere(wire.Value(k.KeyName)) {
			d.drop(region.Delete("key-pair", wire.Value(k.KeyName), k.Tags))
			out.Keys = append(out.Keys, wire.Value(k.KeyName))
		}
	}
	out.Changes = Changes{List: d.list, lab: &Lab{Name: lab}, acc: &account{}}
	out.ByHand = d.byHand
	return out, nil
}

// remover notes deletions.
type remover struct {
	seen   *region.Region
	lab    string // "": whose it is does not matter
	list   []Change
	byHand []Resource
	going  []string // instances that are to be terminated
}

func (d *remover) ours(tags []wire.Tag) bool { return wire.TagValue(tags, sim.TagLab) == d.lab }

// vpc notes all that is in a VPC.
func (d *remover) vpc(v wire.Vpc) {
	for _, x := range d.seen.Teardown(v) {
		d.drop(x)
	}
}

// drop notes a removal, and that the resource was made by hand if it lacks the
// lab's tag.
func (d *remover) drop(x region.Removal) {
	c := removal(x)
	if x.Ends {
		d.going = append(d.going, x.ID)
	}
	if !x.Parts && x.Kind != "association" && !d.ours(x.Tags) {
		c.ByHand = true
		d.byHand = append(d.byHand, Resource{x.Kind, x.ID, wire.TagValue(x.Tags, sim.TagName)})
	}
	d.list = append(d.list, c)
}

// usedElsewhere reports whether an instance that stays was launched with a key.
func (d *remover) usedElsewhere(key string) bool {
	return slices.ContainsFunc(d.seen.Instances, func(i wire.Instance) bool {
		return wire.Value(i.KeyName) == key && region.StateOf(i) != sim.StateTerminated && !slices.Contains(d.going, wire.Value(i.InstanceId))
	})
}

// removal is the change that makes a removal.
func removal(x region.Removal) Change {
	c := Change{Verb: Delete, Kind: x.Kind, Name: x.Name, DestroysData: x.Kind == "volume" || x.Ends}
	c.do = func(ctx context.Context, r *run) error { return r.take(ctx, x) }
	if x.Parts {
		c.Verb = Update
	}
	if x.Ends {
		c.ends = x.ID
		c.do = func(ctx context.Context, r *run) error { return r.terminate(ctx, x.ID) }
	}
	return c
}

func (r *run) take(ctx context.Context, x region.Removal) error {
	err := r.do(ctx, x.Action, x.In, nil)
	if sim.ErrorCode(err) == "InvalidVolume.NotFound" { // it went with its instance
		return nil
	}
	return err
}
