package exercise

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"labsim/compose"
	"labsim/sim/lab/source"
)

// The labs that come with labsim have no problem, not even a warning.
func TestOwnLabs(t *testing.T) {
	for _, name := range compose.Names() {
		dir, err := fs.Sub(compose.Labs, name)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := Open(dir, name)
		for _, p := range problems {
			t.Errorf("%s (fatal: %v)", p, source.Fatal([]source.Problem{p}))
		}
	}
}

// A lab comes from a stranger: nothing in it drives the terminal of who reads it,
// and no file is read without end.
func TestHostile(t *testing.T) {
	good, err := compose.Labs.ReadFile("repair-network/" + FileChecks)
	if err != nil {
		t.Fatal(err)
	}
	guide, err := compose.Labs.ReadFile("repair-network/guide.en.md")
	if err != nil {
		t.Fatal(err)
	}
	const escape = "\x1b]0;owned\a"
	for name, files := range map[string][3]string{
		"title":      {strings.Replace(string(good), "the VPC, ko", `"the \e[2J", ko`, 1), string(guide), "could drive a terminal"},
		"check":      {strings.Replace(string(good), "- name: ssh", `- name: "s\e[1A"`, 1), string(guide), "could drive a terminal"},
		"fix":        {strings.Replace(string(good), "- labsim exec", `- "labsim\e[8m"`+"\n          - labsim exec", 1), string(guide), "could drive a terminal"},
		"guide":      {string(good), string(guide) + escape, "could drive a terminal"},
		"large":      {string(good), string(guide) + strings.Repeat("#", source.MaxFile), "no file of at most"},
		"not a list": {strings.Replace(string(good), "steps:", "steps: 7\nstops:", 1), string(guide), ""},
	} {
		dir := fstest.MapFS{FileChecks: {Data: []byte(files[0])}, "guide.en.md": {Data: []byte(files[1])}, "guide.ko.md": {Data: guide}}
		f, problems := Open(dir, "x")
		found := false
		for _, p := range problems {
			found = found || strings.Contains(p.Text.String(), files[2])
		}
		if f != nil || !found {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// What is written wrong is said with what it could have been.
func TestLint(t *testing.T) {
	good, err := compose.Labs.ReadFile("custom-vpc/" + FileChecks)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"http: { to: $web, port: 80 }", "http: { to: $web, port: 99999 }", "http.port is to be a port, from 1 to 65535"},
		{"http: { to: $web, port: 80 }", "http: { port: 80 }", "http lacks to"},
		{"reachable: { from: internet, to: $web, tcp: 22 }", "reachable: { from: intrenet, to: $web, tcp: 22 }", `there is no role "intrenet"`},
		{"{ of: public, public: true }", "{ of: public, public: yes }", "public is true or false"},
		{"state: running, at_least: 2", "state: running, atleast: 2", "kind instance has no atleast; did you mean at_least?"},
		{"state: running, at_least: 2", "state: running, colour: red, at_least: 2", "kind instance has no colour; known are"},
		{"state: running, at_least: 2", "state: running, at_least: 2, at_most: 1", "at least 2 and at most 1"},
		{"vpc: $vpc\n    say: { en: the public subnet", "vpc: $private.vpc\n    say: { en: the public subnet", "the role public is given before private"},
		{"start: empty", "start: finished", "this file is missing"},
		{"exec: { in: $db, run: ", "exec: { in: $db, contains: ", "exec lacks run"},
	} {
		text := strings.Replace(string(good), c.old, c.new, 1)
		if text == string(good) {
			t.Errorf("%s is not in the file", c.old)
		}
		_, problems := Open(fstest.MapFS{FileChecks: {Data: []byte(text)}}, "x")
		found := false
		for _, p := range problems {
			found = found || strings.Contains(p.Text.String(), c.want)
		}
		if !found {
			t.Errorf("%s: %v, want %q", c.new, problems, c.want)
		}
	}
}

// docs/labs.md names every kind with its attributes, and every check.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/labs.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "The least that")
	_, example, _ = strings.Cut(example, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if x, problems := Load("x", FileChecks, []byte(example)); len(problems) > 0 || len(x.Steps) == 0 {
		t.Errorf("the example of docs/labs.md: %v", problems)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			rows[strings.Trim(cells[1], " `")] = cells[2]
		}
	}
	for kind, list := range attributes {
		row, ok := rows[string(kind)]
		if !ok {
			t.Errorf("docs/labs.md lacks %s", kind)
		}
		for _, a := range list {
			if !strings.Contains(row, "`"+a+"`") {
				t.Errorf("docs/labs.md lacks %s of %s", a, kind)
			}
		}
	}
	for _, check := range []string{"exists", "count", "attribute", "reachable", "unreachable", "http", "exec"} {
		found := false
		for k := range rows {
			found = found || strings.HasPrefix(k, check+":")
		}
		if !found {
			t.Errorf("docs/labs.md lacks %s", check)
		}
	}
}
