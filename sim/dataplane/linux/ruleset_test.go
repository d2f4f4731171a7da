//go:build linux

package linux

import (
	"flag"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"labsim/sim"
	"labsim/sim/dataplane"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestRuleset(t *testing.T) {
	full := seedVPC(1)
	full.ENIs[0].SourceDestCheck = false
	full.Groups[0].Egress = []dataplane.Rule{
		{ID: "sgr-0proto", Protocol: 47, FromPort: -1, ToPort: -1, CIDR: prefix("10.0.1.10/32")},
		{ID: "sgr-0icmp", Protocol: sim.ProtocolICMP, FromPort: 3, ToPort: 4, Group: "sg-0web"},
		{ID: "sgr-0allicmp", Protocol: sim.ProtocolICMP, FromPort: -1, ToPort: -1, CIDR: sim.Everywhere},
		{ID: "sgr-0allports", Protocol: sim.ProtocolTCP, FromPort: 0, ToPort: 65535, CIDR: sim.Everywhere},
		{ID: "sgr-0anyudp", Protocol: sim.ProtocolUDP, FromPort: -1, ToPort: -1, CIDR: sim.Everywhere},
		{ID: "sgr-0gone", Protocol: sim.ProtocolTCP, FromPort: 1, ToPort: 1, Group: "sg-0gone"},
	}
	archive := new(txtar.Archive)
	add := func(name string, t table) {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(t.String())})
	}
	add("empty", ruleset("t-linux", netip.Prefix{}, dataplane.VPC{}))
	add("seed", ruleset("t-linux", public, full))
	add("ARP", arpTable("t-linux", full))
	add("edge", edgeTable(public, *full.Gateway))
	add("host", hostTable("t-linux", public, false))
	add("guard", hostTable("t-linux", public, true))

	const golden = "testdata/ruleset.txtar"
	got := txtar.Format(archive)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-update writes it anew):\n%s", golden, d)
	}
}

// Whatever the config says, names that are referred to exist, and base chains
// are always the same ones: they are never deleted.
func TestRulesetIsClosed(t *testing.T) {
	base := func(t table) (names []string) {
		for _, c := range t.chains {
			if c.hook != nil {
				names = append(names, c.name+" "+c.hook.text)
			}
		}
		return names
	}
	want := base(ruleset("t-linux", public, dataplane.VPC{}))
	rapid.Check(t, func(t *rapid.T) {
		v := anyVPC(t)
		tb := ruleset("t-linux", public, v)
		if d := cmp.Diff(want, base(tb)); d != "" {
			t.Fatalf("base chains differ:\n%s", d)
		}
		seen := make(map[string]bool)
		for _, c := range tb.chains {
			if seen[c.name] {
				t.Fatalf("chain %s twice", c.name)
			}
			seen[c.name] = true
		}
		for _, s := range tb.sets {
			for _, e := range s.elements {
				if e.goTo != nil && !seen[e.goTo.Chain] {
					t.Fatalf("set %s leads to chain %s, which is not there", s.name, e.goTo.Chain)
				}
			}
		}
		for _, c := range tb.chains {
			for _, r := range c.rules {
				if name := missing(tb, r); name != "" {
					t.Fatalf("chain %s, rule %q: %s is not there", c.name, r.text, name)
				}
			}
		}
	})
}

func anyVPC(t *rapid.T) dataplane.VPC {
	v := seedVPC(1)
	groups := []sim.SecurityGroupID{"sg-0db", "sg-0none", "sg-0web", "sg-0gone"}
	group := rapid.SampledFrom(groups)
	for i := range v.ENIs {
		v.ENIs[i].Groups = rapid.SliceOfDistinct(group, rapid.ID[sim.SecurityGroupID]).Draw(t, "groups")
	}
	for i := range v.Groups {
		for j := range v.Groups[i].Ingress {
			v.Groups[i].Ingress[j].Group = rapid.OneOf(group, rapid.Just(sim.SecurityGroupID(""))).Draw(t, "peer")
		}
	}
	n := rapid.IntRange(0, len(v.Groups)).Draw(t, "number of groups")
	v.Groups = v.Groups[:n]
	v.ENIs = v.ENIs[:rapid.IntRange(0, len(v.ENIs)).Draw(t, "number of interfaces")]
	return v
}
