package world

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
)

// Every kind of resource can be tagged by its id.
func TestEveryKindIsTaggable(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	n := r.subnet(v, "10.0.1.0/24")
	r.online(v)
	r.running(n, func(in *RunInstances) { in.BlockDevices = []BlockDeviceMapping{{Device: "/dev/sdf", Size: 1}} })
	do(r, func(tx *Tx) (sim.KeyPair, error) {
		return tx.CreateKeyPair(CreateKeyPair{Name: "k", Type: "rsa", PublicKey: "x"})
	})
	do(r, allocate)
	do(r, func(tx *Tx) (sim.Image, error) { return tx.EnsureImage(EnsureImage{Owner: alice, Name: "own"}) })
	var ids []string
	for prefix, k := range taggables {
		before := len(ids)
		for t := range k.tags(r.View()) {
			if t.Owner == alice {
				ids = append(ids, t.ID)
			}
		}
		if len(ids) == before {
			t.Errorf("there is no %s-... to test with", prefix)
		}
	}
	r.run(func(tx *Tx) error {
		return tx.CreateTags(CreateTags{Resources: ids, Tags: sim.Tags{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}}})
	})
	want := sim.Tags{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}
	got := map[string]sim.Tags{}
	for t := range r.View().Tagged {
		got[t.ID] = t.Tags
	}
	for _, id := range ids {
		if diff := cmp.Diff(want, got[id]); diff != "" {
			t.Errorf("tags of %s (-want +got):\n%s", id, diff)
		}
	}
	r.run(func(tx *Tx) error { return tx.DeleteTags(DeleteTags{Resources: ids}) })
	for x := range r.View().Tagged {
		t.Errorf("tags of %s after all were deleted: %v", x.ID, x.Tags)
	}
}

func TestTagRules(t *testing.T) {
	r := newRegion(t)
	v := r.vpc("10.0.0.0/16")
	id := []string{string(v.ID)}
	tag := func(tags ...sim.Tag) func(*Tx) error {
		return func(tx *Tx) error { return tx.CreateTags(CreateTags{id, tags}) }
	}
	for name, c := range map[string]struct {
		run        func(*Tx) error
		code, text string
	}{
		"none":       {tag(), "MissingParameter", "Tags"},
		"no id":      {func(tx *Tx) error { return tx.CreateTags(CreateTags{nil, sim.Tags{{Key: "a"}}}) }, "MissingParameter", "ResourceIdSet"},
		"odd id":     {func(tx *Tx) error { return tx.CreateTags(CreateTags{[]string{"moon-1"}, sim.Tags{{Key: "a"}}}) }, "InvalidID", "The ID 'moon-1' is not valid"},
		"unknown id": {func(tx *Tx) error { return tx.CreateTags(CreateTags{append(id, "vpc-none"), sim.Tags{{Key: "a"}}}) }, "InvalidVpcID.NotFound", ""},
		"reserved":   {tag(sim.Tag{Key: "aws:name"}), "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		"Reserved":   {tag(sim.Tag{Key: "AWS:name"}), "InvalidParameterValue", "reserved"},
		"no key":     {tag(sim.Tag{Value: "x"}), "InvalidParameterValue", "empty"},
		"long key":   {tag(sim.Tag{Key: strings.Repeat("가", 129)}), "InvalidParameterValue", "128"},
		"long value": {tag(sim.Tag{Key: "a", Value: strings.Repeat("가", 257)}), "InvalidParameterValue", "256"},
		"twice":      {tag(sim.Tag{Key: "a"}, sim.Tag{Key: "a", Value: "b"}), "InvalidParameterValue", "Duplicate tag key 'a' specified."},
		"ESC":        {tag(sim.Tag{Key: "Name", Value: "web\x1b[2J"}), "InvalidParameterValue", `Value (web\x1b[2J) for parameter Tag.Value of Name is invalid. It contains the character \x1b`},
		"line end":   {tag(sim.Tag{Key: "a\nb"}), "InvalidParameterValue", `\n`},
		"C1":         {tag(sim.Tag{Key: "a", Value: "\u009b31m"}), "InvalidParameterValue", `\u009b`},
		"no UTF-8":   {tag(sim.Tag{Key: "a", Value: "\xff"}), "InvalidParameterValue", `\xff`},
		"bidi":       {tag(sim.Tag{Key: "a", Value: "gnp\u202eexe"}), "InvalidParameterValue", `\u202e`},
		"mount":      {tag(sim.Tag{Key: sim.TagMount, Value: "/proc"}), "InvalidParameterValue", "for the tag labsim:mount is invalid"},
		"hostname":   {tag(sim.Tag{Key: sim.TagHostname, Value: "a b"}), "InvalidParameterValue", "labsim:hostname"},
		"internet":   {tag(sim.Tag{Key: sim.TagInternet, Value: "yes"}), "InvalidParameterValue", "labsim:internet"},
		"lab":        {tag(sim.Tag{Key: sim.TagLab, Value: "../x"}), "InvalidParameterValue", "labsim:lab"},
		"delete aws": {func(tx *Tx) error { return tx.DeleteTags(DeleteTags{id, []TagMatch{{Key: "aws:x"}}}) }, "InvalidParameterValue", "reserved"},
	} {
		t.Run(name, func(t *testing.T) { r.t = t; r.refused(c.code, c.text, c.run) })
	}
	r.run(tag(sim.Tag{Key: "?*~% '<한글>", Value: "EC2 takes any character: é \\ \" ☃"}))
	r.run(func(tx *Tx) error { return tx.DeleteTags(DeleteTags{Resources: id}) })
	r.run(func(tx *Tx) error { return tx.DeleteTags(DeleteTags{id, []TagMatch{{Key: "of an older state\n"}}}) })
	r.run(tag(sim.Tag{Key: strings.Repeat("가", 128), Value: strings.Repeat("나", 256)}))
	for n := range sim.MaxTags - 1 {
		r.run(tag(sim.Tag{Key: fmt.Sprint("k", n)}))
	}
	r.refused("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.", tag(sim.Tag{Key: "one more"}))
	r.run(tag(sim.Tag{Key: "k0", Value: "overwriting is no more"}))
	r.run(func(tx *Tx) error {
		return tx.DeleteTags(DeleteTags{id, []TagMatch{{Key: "k0", Value: ptr("another value")}, {Key: "k1", Value: ptr("")}, {Key: "k2"}, {Key: "none"}}})
	})
	tags := r.View().VPCs.Row(v.ID).Tags
	_, k0 := tags.Get("k0")
	_, k1 := tags.Get("k1")
	_, k2 := tags.Get("k2")
	if !k0 || k1 || k2 {
		t.Errorf("k0 %t, k1 %t, k2 %t; want only k0, whose value is another one", k0, k1, k2)
	}
}
