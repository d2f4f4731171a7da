package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/compose"

	"labsim/sim/ec2/wire"
)

func defaultLab(t testing.TB) string {
	t.Helper()
	data, err := compose.File(compose.Default)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var defaultStanding = []string{
	"gateway lab at lab",
	"group db with 3 rules",
	"group default with 2 rules",
	"group web with 3 rules",
	"instance db t3.small running 10.0.2.10 public=false volumes=1",
	"instance web t3.micro running 10.0.1.10 public=true volumes=0",
	"key lab saved=true",
	"subnet private 10.0.2.0/24 us-east-1a public=false in lab",
	"subnet public 10.0.1.0/24 us-east-1a public=true in lab",
	"table  [10.0.0.0/16] of []",
	"table private [10.0.0.0/16] of [private]",
	"table public [0.0.0.0/0 10.0.0.0/16] of [public]",
	"volume db-data 2 gp3 at /data",
	"vpc lab 10.0.0.0/16 dns=true names=false",
}

// The default lab from nothing, and once more.
func TestUp(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	got := r.up(l)
	want := []string{
		"1 create vpc lab",
		"2 create subnet public", "2 update subnet public", "2 create subnet private",
		"3 create internet-gateway lab", "3 update internet-gateway lab",
		"3 create route-table private",
		"3 create route-table public", "3 create route public 0.0.0.0/0",
		"3 create association public", "3 create association private",
		"4 create security-group db", "4 create security-group web", "4 create security-group db", "4 create security-group web",
		"4 create volume db-data", "4 create key-pair lab", "4 create instance web", "4 create instance db",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes from nothing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(defaultStanding, r.standing()); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}
	if again := r.up(l); len(again) > 0 {
		t.Errorf("the same lab again changes %v", again)
	}
	i := r.account("custom-vpc").instances["db"]
	if m := i.BlockDeviceMappings; len(m) != 1 || wire.Value(m[0].Ebs.DeleteOnTermination) {
		t.Errorf("db's volume would die with it: %+v", m)
	}
}

// Changes of the file, and what they cost.
func TestChanges(t *testing.T) {
	base := defaultLab(t)
	noVolume := []string{"    volumes:\n      - db-data:/data\n", ""}
	for _, c := range []struct {
		name    string
		replace []string
		want    []string
	}{
		{"nothing", nil, []string{}},
		{"rule added", []string{"{ tcp: [22, 80], from: 0.0.0.0/0 }", "{ tcp: [22, 80, 443], from: 0.0.0.0/0 }"},
			[]string{"4 update security-group web"}},
		{"rule removed", []string{"{ tcp: [22, 80], from: 0.0.0.0/0 }", "{ tcp: 80, from: 0.0.0.0/0 }"},
			[]string{"4 update security-group web"}},
		{"rule of a group replaced", []string{"{ tcp: [22, 5432], from: web }", "{ tcp: [22, 5432], from: 10.0.1.0/24 }"},
			[]string{"4 update security-group db", "4 update security-group db"}},
		{"no way out", []string{"description: from web only", "description: from web only\n      egress: []"},
			[]string{"4 update security-group db"}},
		{"description changed", []string{"description: from web only", "description: only web"},
			[]string{"0 update instance db", "0 update security-group db", "0 delete security-group db",
				"4 create security-group db", "4 create security-group db", "4 update instance db"}},
		{"group that others name goes", []string{"    web:\n      description: from everywhere on ssh and http\n      ingress:\n        - { tcp: [22, 80], from: 0.0.0.0/0 }\n", "",
			"from: web }", "from: 10.0.1.0/24 }", "security_groups: [web]", "security_groups: [db]"},
			[]string{"0 update instance web", "0 update security-group db", "0 delete security-group web", "4 update security-group db", "4 update instance web"}},
		{"route removed", []string{"routes: { 0.0.0.0/0: internet_gateway }", "routes: {}"},
			[]string{"3 delete route public 0.0.0.0/0"}},
		{"route added", []string{"private: {}", "private: { routes: { 0.0.0.0/0: internet_gateway } }"},
			[]string{"3 create route private 0.0.0.0/0"}},
		{"association changed", []string{"zone: a, route_table: private", "zone: a, route_table: public"},
			[]string{"3 update association private"}},
		{"association removed", []string{"zone: a, route_table: private", "zone: a"},
			[]string{"3 delete association private"}},
		{"table renamed", []string{"    private: {}", "    inner: {}", "zone: a, route_table: private", "zone: a, route_table: inner"},
			[]string{"0 delete association private", "0 delete route-table private", "3 create route-table inner", "3 create association private"}},
		{"no public addresses any more", []string{", map_public_ip_on_launch: true", ""},
			[]string{"0 delete instance web (data)", "2 update subnet public", "4 create instance web"}},
		{"subnet moved", []string{"10.0.2.", "10.0.3."}, []string{
			"0 delete instance db (data)", "0 delete instance web (data)", "0 delete subnet private",
			"2 create subnet private", "3 create association private", "4 create instance web", "4 create instance db"}},
		{"zone changed", []string{"zone: a, route_table: private", "zone: b, route_table: private"}, []string{
			"0 delete instance db (data)", "0 delete volume db-data (data)", "0 delete subnet private",
			"2 create subnet private", "3 create association private", "4 create volume db-data", "4 create instance db"}},
		{"type changed", []string{"t3.small", "t3.medium"}, []string{"4 update instance db"}},
		{"groups changed", []string{"security_groups: [web]", "security_groups: [web, db]"}, []string{"4 update instance web"}},
		{"groups left out", []string{"      security_groups: [web]\n", ""}, []string{"4 update instance web"}},
		{"user data changed", []string{"# A page that asks", "# The page that asks"}, []string{"0 delete instance web (data)", "4 create instance web"}},
		{"address changed", []string{"10.0.1.10", "10.0.1.11"}, []string{"0 delete instance web (data)", "4 create instance web"}},
		{"key changed", []string{"key_name: lab\n      security_groups: [web]", "key_name: other\n      security_groups: [web]"},
			[]string{"0 delete instance web (data)", "4 create key-pair other", "4 create instance web"}},
		{"labels", []string{"  web:\n    image: labsim/linux", "  web:\n    image: labsim/linux\n    labels: { team: blue, empty: '' }"},
			[]string{"4 update instance web"}},
		{"hostname", []string{"  web:\n    image: labsim/linux", "  web:\n    image: labsim/linux\n    hostname: www"}, []string{"4 update instance web"}},
		{"instance removed", []string{base[strings.Index(base, "  db:\n    image"):strings.Index(base, "\nvolumes:\n")], ""},
			[]string{"0 delete instance db (data)", "4 update volume db-data"}},
		{"volume removed", append([]string{"\nvolumes:\n  db-data:\n    x-labsim-volume: { size: 2, type: gp3 }\n", ""}, noVolume...),
			[]string{"0 delete instance db (data)", "0 delete volume db-data (data)", "4 create instance db"}},
		{"volume not mounted", noVolume, []string{"0 delete instance db (data)", "4 update volume db-data", "4 create instance db"}},
		{"mounted elsewhere", []string{"- db-data:/data", "- db-data:/srv"},
			[]string{"0 delete instance db (data)", "4 update volume db-data", "4 create instance db"}},
		{"volume grown", []string{"size: 2,", "size: 3,"},
			[]string{"0 delete instance db (data)", "0 delete volume db-data (data)", "4 create volume db-data", "4 create instance db"}},
		{"volume of another type", []string{"type: gp3", "type: gp2"},
			[]string{"0 delete instance db (data)", "0 delete volume db-data (data)", "4 create volume db-data", "4 create instance db"}},
		{"names in DNS", []string{"internet_gateway: true }", "internet_gateway: true, enable_dns_hostnames: true }"}, []string{"1 update vpc lab"}},
		{"gateway taken away", []string{", internet_gateway: true", "", "routes: { 0.0.0.0/0: internet_gateway }", "routes: {}"},
			[]string{"0 stop instance web", "0 update internet-gateway lab", "0 delete internet-gateway lab",
				"3 delete route public 0.0.0.0/0", "4 start instance web"}},
		{"VPC moved", []string{"cidr_block: 10.0.0.0/16", "cidr_block: 10.0.0.0/17"}, []string{
			"0 delete instance web (data)", "0 delete instance db (data)", "0 delete association private", "0 delete association public",
			"0 delete subnet public", "0 delete subnet private", "0 delete route-table private", "0 delete route-table public",
			"0 update security-group db", "0 delete security-group db", "0 delete security-group web",
			"0 update internet-gateway lab", "0 delete internet-gateway lab", "0 delete vpc lab",
			"1 create vpc lab", "2 create subnet public", "2 update subnet public", "2 create subnet private",
			"3 create internet-gateway lab", "3 update internet-gateway lab", "3 create route-table private", "3 create route-table public",
			"3 create route public 0.0.0.0/0", "3 create association public", "3 create association private",
			"4 create security-group db", "4 create security-group web", "4 create security-group db", "4 create security-group web",
			"4 create instance web", "4 create instance db"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRegion(t)
			r.up(load(t, base))
			changed := load(t, edit(t, base, c.replace...))
			got := r.up(changed)
			// the order among what is deleted of a VPC follows from ids
			if c.name == "VPC moved" {
				slices.Sort(got)
				slices.Sort(c.want)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if again := r.diff(changed); len(again) > 0 {
				t.Errorf("after it there is still a difference: %v", again)
			}
			fresh := newRegion(t)
			fresh.up(changed)
			if diff := cmp.Diff(unused(fresh.standing()), unused(r.standing())); diff != "" {
				t.Errorf("it does not stand as it would from nothing (-want +got):\n%s", diff)
			}
			back := r.up(load(t, base))
			if again := r.diff(load(t, base)); len(again) > 0 {
				t.Errorf("after going back by %v there is still a difference: %v", back, again)
			}
			if diff := cmp.Diff(unused(defaultStanding), unused(r.standing())); diff != "" {
				t.Errorf("going back does not lead back (-want +got):\n%s", diff)
			}
		})
	}
}

// unused leaves out key pairs: one that no instance names any more stays.
func unused(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.HasPrefix(s, "key ") })
}

// Cut off at any call, before it or after it has worked: the next `up` goes on.
func TestCutOff(t *testing.T) {
	base := defaultLab(t)
	moved := load(t, edit(t, base, "10.0.2.", "10.0.3.", "size: 2,", "size: 3,", "t3.micro", "t3.medium", "description: from web only", "description: only web"))
	for _, c := range []struct {
		name     string
		from, to *Lab
	}{
		{"from nothing", nil, load(t, base)},
		{"a change", load(t, base), moved},
		{"the gateway goes", load(t, base), load(t, edit(t, base, ", internet_gateway: true", "", "routes: { 0.0.0.0/0: internet_gateway }", "routes: {}"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := func() *simulated {
				r := newRegion(t)
				if c.from != nil {
					r.up(c.from)
				}
				r.calls = nil
				return r
			}
			whole := start()
			whole.up(c.to)
			for n, action := range whole.calls {
				if strings.HasPrefix(action, "Describe") {
					continue // as if the call before it were the last
				}
				for _, done := range []bool{false, true} {
					r := start()
					r.fail = func(i int, _ string) (bool, bool) { return i > n, done && i == n+1 }
					if err := r.try(c.to); err == nil {
						continue // the last calls are those of the list
					}
					cut := r.calls[n]
					r.fail = nil
					r.up(c.to)
					if diff := cmp.Diff(whole.standing(), r.standing()); diff != "" {
						t.Fatalf("cut at call %d (%s, done %t), then up (-want +got):\n%s", n, cut, done, diff)
					}
					if again := r.diff(c.to); len(again) > 0 {
						t.Errorf("cut at call %d (%s, done %t): still a difference: %v", n, cut, done, again)
					}
				}
			}
		})
	}
}

// An answer that was lost on the way is no second instance.
func TestLostAnswer(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	c, err := Diff(context.Background(), r, l, r.options())
	if err != nil {
		t.Fatal(err)
	}
	lost := map[string]bool{}
	r.fail = func(_ int, action string) (bool, bool) {
		first := action == "RunInstances" && !lost[action]
		lost[action] = true
		return first, true
	}
	apply := func() (err error) {
		for step := 0; err == nil && step <= StepInstances; step++ {
			err = c.Apply(context.Background(), r, step, r.options())
		}
		return err
	}
	if err := apply(); err == nil {
		t.Fatal("the lost answer is no error")
	}
	// the same step once more, with the same list: the token finds the instance
	var again []Change
	for _, x := range c.List {
		if x.Kind == "instance" {
			again = append(again, x)
		}
	}
	c.List = again
	if err := c.Apply(context.Background(), r, StepInstances, r.options()); err != nil {
		t.Fatal(err)
	}
	r.machine()
	if diff := cmp.Diff(defaultStanding, r.standing()); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}
}

// A key whose private half never arrived is made anew before anything uses it.
func TestLostKey(t *testing.T) {
	r := newRegion(t)
	l := load(t, defaultLab(t))
	o := r.options()
	o.SaveKey = func(string, string) error { return fmt.Errorf("disk full") }
	c, err := Diff(context.Background(), r, l, o)
	for step := 0; err == nil && step <= StepInstances; step++ {
		err = c.Apply(context.Background(), r, step, o)
	}
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("error %v, want that of SaveKey", err)
	}
	if got := r.up(l); !slices.Contains(got, "4 update key-pair lab") {
		t.Errorf("the key is not made anew: %v", got)
	}
	if r.files["lab"] == "" {
		t.Error("the key was not saved")
	}
	delete(r.files, "lab") // another computer: instances that run keep their key
	if got := r.diff(l); len(got) > 0 {
		t.Errorf("on another computer: %v", got)
	}
}
