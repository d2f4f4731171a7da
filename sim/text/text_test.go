package text

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"labsim/sim"
)

var verb = regexp.MustCompile(`%(\[\d+\])?[-+# 0]*[\d*]*(\.[\d*]+)?[a-zA-Z%]`)

// Every literal that reaches sim.T has a Korean text with the same verbs, and
// every Korean text is used.
func TestCatalogueComplete(t *testing.T) {
	for _, en := range twice {
		t.Errorf("two Korean texts for %q", en)
	}
	used := literals(t, "../..")
	for format, at := range used {
		ko, ok := korean[format]
		if !ok {
			t.Errorf("%s: no Korean text for %q", at, format)
			continue
		}
		if a, b := len(verb.FindAllString(format, -1)), len(verb.FindAllString(ko, -1)); a != b {
			t.Errorf("%s: %q has %d arguments, the Korean %q has %d", at, format, a, ko, b)
		}
	}
	for format := range korean {
		if _, ok := used[format]; !ok {
			t.Errorf("Korean text for %q, which no code says", format)
		}
	}
}

func TestGlossary(t *testing.T) {
	b, err := os.ReadFile("glossary.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		en, ko, ok := strings.Cut(line, " = ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		word := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(en) + `s?\b`)
		for format, text := range korean {
			if word.MatchString(format) && !strings.Contains(text, ko) {
				t.Errorf("%q says %q; the Korean %q lacks %q", format, en, text, ko)
			}
		}
	}
}

// literals returns the formats of all calls of sim.T (T within sim) below dir,
// with the place of one of them. A call with something else than a literal fails.
func literals(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isT(call.Fun, f.Name.Name) || len(call.Args) == 0 {
				return true
			}
			s, ok := literal(call.Args[0])
			if !ok {
				t.Errorf("%s: sim.T wants a literal", fset.Position(call.Pos()))
				return true
			}
			found[s] = fset.Position(call.Pos()).String()
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func isT(fun ast.Expr, pkg string) bool {
	switch f := fun.(type) {
	case *ast.SelectorExpr:
		x, ok := f.X.(*ast.Ident)
		return ok && x.Name == "sim" && f.Sel.Name == "T"
	case *ast.Ident:
		return pkg == "sim" && f.Name == "T"
	}
	return false
}

func literal(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		a, ok1 := literal(x.X)
		b, ok2 := literal(x.Y)
		return a + b, ok1 && ok2
	}
	return "", false
}

func TestFromEnv(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Lang
	}{
		{map[string]string{"LANG": "ko_KR.UTF-8"}, Korean},
		{map[string]string{"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, English},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR"}, Korean},
		{map[string]string{"LANG": "de_DE.UTF-8"}, English},
		{nil, English},
	} {
		if got := FromEnv(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %s, want %s", c.env, got, c.want)
		}
	}
}

// Whatever an argument is, what it says can't drive a terminal: an address has a
// zone, and a list of known names comes from a file.
func TestHostileArguments(t *testing.T) {
	type name string
	const bad = "a\x1b[2J\nb"
	for _, a := range []any{bad, name(bad), errors.New(bad), []string{"x", bad}, []any{bad}, []name{bad}, map[string]string{bad: bad},
		sim.Cmd("%v", []string{bad}), struct{ A name }{bad}, netip.MustParseAddr("fe80::1%" + bad), []sim.Text{{Format: bad}}} {
		for _, l := range []Lang{English, Korean} {
			if got := In(l, sim.Cmd("%v", a)); sim.Printable(got) != got {
				t.Errorf("%T: %q", a, got)
			}
		}
	}
	if got := In(English, sim.Cmd("%d %v %v", 3, []string{"가", "b"}, netip.MustParseAddr("10.0.0.1"))); got != "3 [가 b] 10.0.0.1" {
		t.Errorf("what is harmless is changed: %s", got)
	}
}
