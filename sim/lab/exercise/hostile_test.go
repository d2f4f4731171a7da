package exercise

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"labsim/compose"
	"labsim/sim/lab/labtest"
	"labsim/sim/lab/source"
)

// times writes a text n times, with its number where it has a %d.
func times(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "%d", strconv.Itoa(i)))
	}
	return b.String()
}

const head = `title: { en: a, ko: a }
about: { en: a, ko: a }
start: empty
`

// bombs are files that are made to keep a machine busy.
func bombs() map[string]string {
	words := "{ en: a, ko: a }"
	steps := func(checks string) string {
		return "roles: { v: { kind: vpc, say: " + words + " } }\nsteps:\n  - { name: s, title: " + words + ", checks: [ " + checks + " ] }\n"
	}
	script := func(text string) string {
		return head + steps("{ name: c, say: "+words+", exists: v, solve: '"+strings.ReplaceAll(text, "'", "''")+"' }")
	}
	return map[string]string{
		"many roles":      head + "roles: { " + times(900, "r%d: { kind: vpc, say: "+words+" }, ") + "}\n",
		"many checks":     head + steps(times(1500, "{ name: c%d, say: "+words+", exists: v }, ")),
		"many steps":      head + "steps: [ " + times(2000, "{ name: s%d }, ") + "]\n",
		"many faults":     head + steps("") + "faults: [ " + times(2000, "{ name: f%d, break: x }, ") + "]\n",
		"many conditions": head + "roles: { v: { kind: vpc, say: " + words + ", " + times(900, "cidrx%d: a, ") + "} }\n",
		"many hints":      head + steps("{ name: c, say: "+words+", exists: v, hints: [ "+times(2000, words+", ")+"] }"),
		"unknown roles":   head + steps(times(190, "{ name: c%d, say: "+words+", attribute: { of: w%d, name: $x%d.y, cidr: $z } }, ")),
		"nested defaults": script(strings.Repeat("${a:-", 10000) + strings.Repeat("}", 10000)),
		"nested commands": script(strings.Repeat("$(", 10000) + strings.Repeat(")", 10000)),
		"nested blocks":   script(strings.Repeat("{ ", 10000) + "true" + strings.Repeat("; }", 10000)),
		"nested query":    script("aws ec2 describe-vpcs --query '" + strings.Repeat("(", 10000) + "'"),
		"nested lists":    script("aws ec2 create-tags --resources x --tags '" + strings.Repeat("Key=[", 5000) + "'"),
		"wrong commands":  script(times(3000, "aws ec2 descibe-vpcsx%d\n")),
		"wrong options":   script(times(3000, "aws ec2 run-instances --imageid%d x\n")),
		"long script":     script(strings.Repeat("true\n", 40000)),
	}
}

// Files that are made to keep a machine busy are refused, soon.
func TestBombs(t *testing.T) {
	for name, text := range bombs() {
		t.Run(name, func(t *testing.T) {
			var ps []source.Problem
			labtest.Bounded(t, func() { _, ps = Load("x", FileChecks, []byte(text)) })
			if !source.Fatal(ps) {
				t.Errorf("it is taken: %v", ps)
			}
		})
	}
}

// So are guides.
func TestGuideBombs(t *testing.T) {
	for name, text := range map[string]string{
		"empty lines": strings.Repeat("\n", source.MaxFile),
		"long block":  "```\n" + strings.Repeat("\n", source.MaxFile-10) + "```\n",
		"many blocks": strings.Repeat("```sh\nx=1\n```\n", source.MaxFile/20),
		"many pages":  strings.Repeat("## x\n", source.MaxFile/6),
		"one command": "```sh\n" + strings.Repeat("x1=$x0\n", source.MaxFile/8) + "```\n",
		"deep":        "```sh\n" + strings.Repeat("${a:-", source.MaxFile/6) + "\n```\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := fstest.MapFS{FileChecks: {Data: []byte(least)}, "guide.en.md": {Data: []byte(text)}, "guide.ko.md": {Data: []byte(text)}}
			labtest.Bounded(t, func() {
				if f, problems := Open(dir, "x"); f != nil {
					t.Errorf("it is taken: %v", problems)
				}
			})
		})
	}
}

// least is a lab that nothing is wrong with.
const least = head + `roles:
  web: { kind: instance, say: { en: a, ko: a } }
  net: { kind: subnet, say: { en: a, ko: a } }
  address: { kind: elastic-ip, say: { en: a, ko: a } }
steps:
  - name: s
    title: { en: a, ko: a }
    checks:
      - { name: c, say: { en: a, ko: a }, exists: web }
`

// A lab's packets are for instances: who may be named is said where it is written.
func TestEnds(t *testing.T) {
	for check, want := range map[string]string{
		"http: { to: $web }":                                            "",
		"http: { to: web, path: '/a?b=c' }":                             "",
		"http: { to: $address }":                                        "",
		"http: { to: 198.51.100.1, port: 22 }":                          "http.to is a role",
		"http: { to: $web.public-ip }":                                  "http.to is a role",
		"http: { to: localhost }":                                       `there is no role "localhost"`,
		"http: { to: '[::1]' }":                                         "http.to is a role",
		"http: { to: $net }":                                            "the role net has no address: kind subnet",
		"http: { to: web, path: '@127.0.0.1:22/' }":                     "http.path begins with /",
		"reachable: { from: internet, to: $web, tcp: 1 }":               "",
		"reachable: { from: $web, to: $web.public-ip, tcp: 1 }":         "",
		"reachable: { from: $web, to: address.public-ip, udp: 1 }":      "",
		"reachable: { from: $web, to: 8.8.8.8, tcp: 53 }":               "",
		"reachable: { from: web, to: 169.254.169.254, tcp: 80 }":        "",
		"reachable: { from: internet, to: 127.0.0.1, tcp: 22 }":         "not to 127.0.0.1",
		"reachable: { from: internet, to: 0.0.0.0, tcp: 22 }":           "not to 0.0.0.0",
		"reachable: { from: internet, to: 224.0.0.1, udp: 22 }":         "not to 224.0.0.1",
		"reachable: { from: internet, to: '::1', tcp: 22 }":             "not to ::1",
		"reachable: { from: internet, to: '::ffff:10.0.0.1', tcp: 22 }": "not to ::ffff:10.0.0.1",
		"reachable: { from: internet, to: internet, tcp: 22 }":          `there is no role "internet"`,
		"reachable: { from: internet, to: $web.name, tcp: 22 }":         "is a role, $ROLE.public-ip",
		"reachable: { from: 10.0.0.1, to: $web, tcp: 22 }":              "from is a role",
		"reachable: { from: $net, to: $web, tcp: 22 }":                  "the role net has no address",
		"reachable: { from: $address, to: $web, tcp: 22 }":              "the role address has no address: kind elastic-ip",
		"exec: { in: $net, run: id }":                                   "the role net has no address",
	} {
		_, ps := Load("x", FileChecks, []byte(strings.Replace(least, "exists: web", check, 1)))
		got := fmt.Sprint(ps)
		if want == "" && source.Fatal(ps) || want != "" && (!strings.Contains(got, want) || !strings.Contains(got, FileChecks+":12:")) {
			t.Errorf("%s: %v, want %q", check, got, want)
		}
	}
}

// A checks.yaml comes from a stranger: reading it neither panics nor takes long.
func FuzzLoad(f *testing.F) {
	for _, name := range compose.Names() {
		data, err := compose.Labs.ReadFile(name + "/" + FileChecks)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(least)
	for _, text := range bombs() {
		if len(text) < 8<<10 { // of a long one there is not much to change
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		labtest.Bounded(t, func() {
			_, ps := Load("x", FileChecks, []byte(s))
			for _, p := range ps {
				_ = p.String()
			}
			ParseGuide("guide.en.md", s)
		})
	})
}
