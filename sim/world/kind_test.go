package world

import (
	"strings"
	"testing"

	"labsim/sim"
)

// What the registry says of the kinds tells them apart, and an id that names nothing
// gets the error of its kind.
func TestKinds(t *testing.T) {
	r := newRegion(t)
	tables, names := map[string]bool{}, map[string]bool{}
	for _, k := range kinds {
		n, table := k.speak(), k.rowsIn(r.View()).tableName()
		if tables[table] {
			t.Errorf("two kinds have the table %s", table)
		}
		tables[table] = true
		if n.prefix == "" {
			continue // no resource
		}
		if names[n.name] || n.name == "" {
			t.Errorf("%s-... has the type %q, as another kind", n.prefix, n.name)
		}
		names[n.name] = true
	}
	if want := len(parts) + len(names); len(taggables) != want {
		t.Errorf("%d kinds have prefixes of their own, want %d", len(taggables), want)
	}
	for prefix, k := range taggables {
		n := k.speak()
		gone := prefix + "-0123456789abcdef0"
		tag := func(id string) func(*Tx) error {
			return func(tx *Tx) error { return tx.CreateTags(CreateTags{[]string{id}, sim.Tags{{Key: "a"}}}) }
		}
		r.refused(n.missing, gone, tag(gone))
		malformed := n.malformed
		if malformed == "" {
			malformed = n.missing
		}
		r.refused(malformed, prefix+"-x", tag(prefix+"-x"))
		if err := Missing(prefix, gone); sim.ErrorCode(err) != n.missing || !strings.Contains(err.Error(), gone) {
			t.Errorf("Missing(%s): %v", gone, err)
		}
	}
	r.refused("InvalidID", "The ID 'x-1' is not valid", func(tx *Tx) error {
		return tx.CreateTags(CreateTags{[]string{"x-1"}, sim.Tags{{Key: "a"}}})
	})
}

// An account's quota counts its own rows, and of instances those that are not gone.
func TestQuota(t *testing.T) {
	r := newRegion(t)
	vpc := func(tx *Tx) (sim.VPC, error) { return tx.CreateVPC(CreateVPC{CIDR: prefix("10.0.0.0/16")}) }
	for range maxVPCs {
		do(r, vpc)
	}
	r.refused("VpcLimitExceeded", "The maximum number of VPCs has been reached.", drop(vpc))
	v := as(r, bob, vpc)
	if err := r.UpdateAs(bob, func(tx *Tx) error { return tx.DeleteVPC(v.ID) }); err != nil {
		t.Fatal(err)
	}
	for id := range r.View().VPCs.All() {
		r.run(func(tx *Tx) error { return tx.DeleteVPC(id) })
		break
	}
	do(r, vpc)
	r.refused("VpcLimitExceeded", "", drop(vpc))
}
