package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the READMEs tell a reader to type is typed here, in their order, by a
// reader with a site of its own; what they show is what was printed.

// block is a fenced part of a README.
type block struct {
	line int
	lang string
	text string
}

func blocks(t *testing.T, file string) []block {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for n, line := range strings.Split(string(data), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{line: n + 1, lang: fence}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block does not end", file, open.line)
	}
	return all
}

// elsewhere are blocks that run by other means: this test is part of the first,
// and the second takes minutes and has tests of its own.
var elsewhere = regexp.MustCompile(`(?m)^go test \./\.\.\.$|^(CGO_ENABLED=0 )?go run \./cmd/labsim-bench `)

func commands(all []block) (text []string, list []block) {
	for _, b := range all {
		if b.lang == "sh" {
			text, list = append(text, b.text), append(list, b)
		}
	}
	return text, list
}

// shown is the block of a README that shows what `up` prints.
func shown(t *testing.T, file string, all []block) string {
	for _, b := range all {
		if strings.Contains(b.text, "\n 5 ✓ ") {
			return b.text
		}
	}
	t.Fatalf("%s does not show what up prints", file)
	return ""
}

// shape takes out what differs from one machine and one `up` to the next.
func shape(s string) string {
	var keep []string
	for _, line := range strings.Split(s, "\n") {
		if regexp.MustCompile(`^ (\d )?✓ `).MatchString(line) {
			keep = append(keep, line)
		}
	}
	s = strings.Join(keep, "\n")
	for _, r := range []struct{ what, by string }{
		{`\b(vpc|igw)-0[0-9a-f]+…?`, "$1-ID"},
		{`Docker \S+ · \S+ ·`, "Docker VERSION · PLATFORM ·"},
		{`\b198\.(51|18|19)\.\d+\.\d+`, "PUBLIC"},
		{`(?m)  \(\d+\.\d s\)$`, ""}, // a slow step says how long it took
	} {
		s = regexp.MustCompile(r.what).ReplaceAllString(s, r.by)
	}
	return s
}

func TestReadme(t *testing.T) {
	t.Parallel()
	en, ko := blocks(t, "../../README.md"), blocks(t, "../../README.ko.md")
	enText, list := commands(en)
	koText, _ := commands(ko)
	if diff := cmp.Diff(enText, koText); diff != "" {
		t.Fatalf("the two READMEs have different commands (-en +ko):\n%s", diff)
	}
	r := newReader(t)
	ran, printed := 0, ""
	for _, b := range list {
		if elsewhere.MatchString(b.text) {
			continue
		}
		ran++
		out := r.run(b)
		if strings.Contains(out, "\n 5 ✓ ") && printed == "" {
			printed = out
			r.public = r.web()
		}
	}
	if ran < 5 {
		t.Errorf("only %d blocks were run", ran)
	}
	if diff := cmp.Diff(shape(shown(t, "README.md", en)), shape(printed)); diff != "" {
		t.Errorf("README.md shows another `up` (-shown +printed):\n%s", diff)
	}
	r.env = append(r.env, "LC_ALL=ko_KR.UTF-8")
	korean, _ := r.call("up")
	if diff := cmp.Diff(shape(shown(t, "README.ko.md", ko)), shape(korean)); diff != "" {
		t.Errorf("README.ko.md shows another `up` (-shown +printed):\n%s", diff)
	}
}

// reader types what stands in a README.
type reader struct {
	*user
	dir    string
	public string // web's public address; that of the READMEs is the default site's
}

// newReader gives a shell in which `go run ./cmd/labsim` is this tree's labsim,
// built once: to link it for each line would take most of the time.
func newReader(t *testing.T) *reader {
	r := &reader{user: newUser(t), dir: t.TempDir()}
	shim := "#!/bin/sh\n" + `[ "$1 $2" = "run ./cmd/labsim" ] || { echo "this go only runs labsim, not: $*" >&2; exit 2; }` +
		"\nshift 2\nexec " + r.bin + ` "$@"` + "\n"
	bin := filepath.Join(r.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(shim), 0o755); err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "PATH="+bin+":"+os.Getenv("PATH"), "LABSIM_SITE="+r.site)
	return r
}

// saysNo are the commands whose answer is no, which is exit code 1.
var saysNo = regexp.MustCompile(` trace internet db tcp/5432$`)

// run types a block into one shell, line by line; every line must end as it
// should.
func (r *reader) run(b block) string {
	r.t.Helper()
	var script strings.Builder
	for _, line := range strings.Split(strings.TrimRight(b.text, "\n"), "\n") {
		want := 0
		if saysNo.MatchString(line) {
			want = 1
		}
		if r.public != "" {
			line = strings.ReplaceAll(line, "198.51.100.20", r.public)
		}
		fmt.Fprintf(&script, "%s\ncode=$?; [ $code = %d ] || { echo \"line '%s' ended with $code\" >&2; exit 99; }\n", line, want, strings.NewReplacer("'", "", `"`, "", "$", "", "`", "").Replace(line))
	}
	c := exec.Command("sh", "-c", script.String()) // its input is empty: who logs in leaves again
	c.Dir, c.Env = r.dir, r.env
	out, err := c.CombinedOutput()
	if err != nil {
		r.t.Fatalf("README.md:%d: %v\n%s\n%s", b.line, err, b.text, out)
	}
	return string(out)
}
