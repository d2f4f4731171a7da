package lab

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"labsim/sim/lab/labtest"
	"labsim/sim/lab/source"
)

// bombs are files that are made to keep a machine busy. Those in taken are lab files
// all the same.
func bombs() (refused, taken map[string]string) {
	head := "name: x\nx-labsim: { vpcs: { lab: { cidr_block: 10.0.0.0/16 } } }\n"
	network := "networks: { n: { ipam: { config: [ { subnet: 10.0.1.0/24 } ] } } }\n"
	laughs := "  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("  a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	long := func(n int) string { return fmt.Sprintf("a-service-with-a-name-as-long-as-a-service-may-have-%d", n) }
	refused = map[string]string{
		"billion laughs":  "x-a:\n" + laughs,
		"in itself":       "x-a: &a\n  b: *a\n",
		"merged in self":  "x-a: &a\n  <<: *a\nname: x\n",
		"merged often":    head + network + "x-b: &b { " + times(100, "k%d: x, ") + "}\nx-a: { " + times(300, "m%d: { <<: [ "+times(10, "*b, ")+"] }, ") + "}\n",
		"deep flow":       "x-a: " + strings.Repeat("[", 200000),
		"deep":            head + network + "x-a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n",
		"deep blocks":     "x-a:\n" + strings.Repeat("- ", 100000) + "x",
		"too large":       strings.Repeat("#", source.MaxFile+1),
		"many values":     head + network + "x-a: [" + strings.Repeat("[],", 80000) + "]\n",
		"many keys":       head + network + "x-a: { " + times(12000, "k%d: x, ") + "}\n",
		"many services":   head + "services:\n" + times(2000, "  s%d: { image: x, depends_on: [s] }\n"),
		"many networks":   head + "networks:\n" + times(900, "  n%d: { ipam: { config: [{ subnet: 10.0.0.0/24 }] }, x-labsim-subnet: { vpc: nothing } }\n"),
		"nearest of many": head + network + "services:\n" + times(199, "  "+long(0)+"%d: { image: x, networks: [n] }\n") + "  zz: { image: x, networks: [n], depends_on: [" + times(3000, long(7)+"x%d, ") + "] }\n",
		"rules by rules":  head[:len(head)-4] + ", security_groups: { g: { ingress: [ { tcp: [" + times(4000, "%d, ") + "], from: [" + times(4000, "10.0.0.%d, ") + "] } ] } } }\n",
		"nested defaults": head + network + "x-a: '" + strings.Repeat("${A:-", 10000) + strings.Repeat("}", 10000) + "'\n",
		"many defaults":   head + network + "x-a: '" + strings.Repeat("${A:-x} ", 20000) + "'\n",
		"long defaults":   head + network + "x-a: [ " + strings.Repeat("'"+strings.Repeat("${A:-", 16)+strings.Repeat("x", 16000)+strings.Repeat("}", 16)+"', ", 15) + "]\n",
		"a word often":    head + network + "x-b: &b '" + strings.Repeat("x", 100000) + "'\nx-a: [" + strings.Repeat("*b,", 9000) + "]\n",
		"dollars often":   head + network + "x-b: &b '" + strings.Repeat("$$", 50000) + "'\nservices: { s: { image: x, networks: [n], command: [" + strings.Repeat("*b,", 30) + "] } }\n",
		"a key often":     head + network + "x-b: &b { " + strings.Repeat("k", 100000) + ": x }\nx-a: [" + strings.Repeat("*b,", 3000) + "]\n",
		"two documents":   "name: a\n---\nname: b\n",
		"key twice":       "name: a\nname: b\n",
		"no mapping":      "- a\n",
		"only a word":     "hello",
		"control letters": "name: \x1b[2J\n",
		"not UTF-8":       "name: \xff\xfe\xfa\n",
		"nothing":         "",
	}
	diamonds := "  s0: { image: x, networks: [n] }\n"
	for i := 1; i < 200; i++ {
		diamonds += fmt.Sprintf("  s%d: { image: x, networks: [n], depends_on: [s%d, s%d] }\n", i, i-1, max(i-2, 0))
	}
	taken = map[string]string{
		"ways to depend": head + network + "services:\n" + strings.Replace(diamonds, "[s0, s0]", "[s0]", 1),
		"a long list":    head + network + "x-a: [" + strings.Repeat("x,", source.MaxValues-100) + "]\n",
		"deep lists":     head + network + "x-a: [" + strings.Repeat(strings.Repeat("[", 28)+strings.Repeat("]", 28)+",", 300) + "]\n",
		"aliases":        head + network + "x-b: &b [" + strings.Repeat("x,", 90) + "]\nx-a: [" + strings.Repeat("*b,", 100) + "]\n",
		"anchors":        head + network + "x-a: [" + times(9500, "&a%d x, ") + "]\n",
		"dollars":        head + network + "x-a: '" + strings.Repeat("$$", 100000) + "'\n",
		"comments":       head + network + strings.Repeat("#\n", 100000),
		"short defaults": head + network + "x-a: [" + strings.Repeat("'"+strings.Repeat("${A:-x}", 16)+"x', ", 1500) + "]\n",
	}
	return refused, taken
}

// times writes a text n times, with its number where it has a %d.
func times(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "%d", strconv.Itoa(i)))
	}
	return b.String()
}

// Files that are made to keep a machine busy are refused, soon; what can be taken
// is taken soon.
func TestBombs(t *testing.T) {
	refused, taken := bombs()
	for name, text := range refused {
		t.Run(name, func(t *testing.T) {
			var ps []source.Problem
			labtest.Bounded(t, func() { _, ps = Load("lab.yaml", []byte(text)) })
			if !source.Fatal(ps) {
				t.Errorf("it is taken: %v", ps)
			}
			if len(ps) > source.MaxProblems+1 {
				t.Errorf("%d problems are shown", len(ps))
			}
		})
	}
	for name, text := range taken {
		t.Run(name, func(t *testing.T) {
			var ps []source.Problem
			labtest.Bounded(t, func() { _, ps = Load("lab.yaml", []byte(text)) })
			if source.Fatal(ps) {
				t.Errorf("it is refused: %v", ps[:min(len(ps), 3)])
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

// A value of 200 KB is not shown whole, wherever it stands.
func TestLongValues(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for _, at := range []string{"us-east-1", "10.0.0.0/16", "10.0.1.0/24", "labsim/linux", "t3.micro", "lab0", "[n]", "tcp: 22", "igw", "web"} {
		text := strings.Replace(`
name: lab0
x-labsim:
  region: us-east-1
  vpcs: { lab: { cidr_block: 10.0.0.0/16, internet_gateway: igw } }
  security_groups: { sg: { ingress: [ { tcp: 22, from: 0.0.0.0/0 } ] } }
networks: { n: { ipam: { config: [ { subnet: 10.0.1.0/24 } ] } } }
services:
  a: { image: labsim/linux, networks: [n], x-labsim-instance: { instance_type: t3.micro, security_groups: [ web ] } }
`, at, long, 1)
		_, ps := Load("lab.yaml", []byte(text))
		if len(ps) == 0 && at != "labsim/linux" {
			t.Errorf("in place of %s: no problem", at)
		}
		for _, p := range ps {
			if s := p.String(); len(s) > 4<<10 {
				t.Errorf("in place of %s: %d bytes: %.200s", at, len(s), s)
			}
		}
	}
}

// A lab file comes from a stranger: reading it neither panics nor takes long.
func FuzzLoad(f *testing.F) {
	f.Add("name: x\nservices: { a: { image: b } }\n")
	f.Add(defaultLab(f))
	for _, name := range []string{"hostile", "host", "addresses", "names"} {
		a, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(a.Files[0].Data))
	}
	refused, taken := bombs()
	for _, list := range []map[string]string{refused, taken} {
		for _, text := range list {
			if len(text) < 8<<10 { // of a long one there is not much to change
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		labtest.Bounded(t, func() {
			_, ps := Load("lab.yaml", []byte(s))
			for _, p := range ps {
				_ = p.String()
			}
		})
	})
}
