package lab

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"labsim/sim/lab/source"
)

// Files that are made to keep a machine busy are refused, soon.
func TestBombs(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	var many, rules, crowd strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&many, "  s%d: { image: x, networks: [nn%d], depends_on: [s%d] }\n", i, i, i+1)
	}
	for i := range 20000 {
		fmt.Fprintf(&rules, "%d,", i)
	}
	for i := range 9000 {
		fmt.Fprintf(&crowd, "  n%d: { ipam: { config: [{ subnet: 10.0.0.0/24 }] }, x-labsim-subnet: { vpc: nothing } }\n", i)
	}
	head := "name: x\nx-labsim: { vpcs: { lab: { cidr_block: 10.0.0.0/16 } } }\n"
	for name, text := range map[string]string{
		"billion laughs":  "x-a:\n" + strings.ReplaceAll("  "+laughs, "\na", "\n  a"),
		"in itself":       "x-a: &a\n  b: *a\n",
		"merged in self":  "x-a: &a\n  <<: *a\nname: x\n",
		"deep flow":       "x-a: " + strings.Repeat("[", 200000),
		"deep blocks":     "x-a:\n" + strings.Repeat("- ", 100000) + "x",
		"too large":       strings.Repeat("#", source.MaxFile+1),
		"many services":   head + "services:\n" + many.String(),
		"many networks":   head + "networks:\n" + crowd.String(),
		"rules by rules":  head[:len(head)-2] + fmt.Sprintf(", security_groups: { g: { ingress: [ { tcp: [%s], from: [%s] } ] } } }\n", rules.String(), strings.ReplaceAll(rules.String(), ",", ".0.0.0,")),
		"two documents":   "name: a\n---\nname: b\n",
		"key twice":       "name: a\nname: b\n",
		"no mapping":      "- a\n",
		"only a word":     "hello",
		"control letters": "name: \x1b[2J\n",
		"not UTF-8":       "name: \xff\xfe\xfa\n",
		"nothing":         "",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, ps := Load("lab.yaml", []byte(text))
			if !source.Fatal(ps) {
				t.Errorf("it is taken: %v", ps)
			}
			if len(ps) > source.MaxProblems+1 {
				t.Errorf("%d problems are shown", len(ps))
			}
			// Work shows in memory, whatever else the machine does.
			runtime.ReadMemStats(&after)
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 512 {
				t.Errorf("it took %d MiB", took)
			}
		})
	}
}

// Mappings take in others, as Compose files like to.
func TestMerge(t *testing.T) {
	l := load(t, `
name: merge
x-labsim: { vpcs: { lab: { cidr_block: 10.0.0.0/16 } } }
x-small: &small { instance_type: t3.micro, key_name: lab }
x-host: &host
  image: labsim/linux
  networks: [n]
networks: { n: { ipam: { config: [ { subnet: 10.0.1.0/24 } ] } } }
services:
  a:
    <<: *host
    x-labsim-instance: { <<: *small, instance_type: t3.large }
  b:
    <<: [*host]
    x-labsim-instance: *small
`)
	for i, want := range []string{"t3.large", "t3.micro"} {
		if x := l.Instances[i]; x.Type != want || x.KeyName != "lab" || x.Subnet != "n" || x.Image != "labsim/linux" {
			t.Errorf("%s: %+v", x.Name, x)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("name: x\nservices: { a: { image: b } }\n")
	f.Add(defaultLab(f))
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range func() []source.Problem { _, ps := Load("lab.yaml", []byte(s)); return ps }() {
			_ = p.String()
		}
	})
}
