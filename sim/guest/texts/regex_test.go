package texts

import "testing"

func TestCompile(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		extended bool
		yes, no  string
	}{
		{`a\(b\)*c`, false, "abbc", "adc"},
		{`a(b`, false, "a(b", "ab"},
		{`a+`, false, "a+", "aa"},
		{`a+`, true, "aa", "b"},
		{`a\+b`, false, "aab", "a+b"},
		{`*a`, false, "*a", "ba"},
		{`a|b`, false, "a|b", "a"},
		{`a|b`, true, "b", "c"},
		{`[]x]`, false, "]", "a"},
		{`[^]]`, false, "a", "]"},
		{`[[:digit:]_]\{2\}`, false, "1_", "a1"},
		{`[\.]`, false, `\`, "a"},
		{`a^b$c`, false, "a^b$c", "abc"},
		{`\<word\>`, false, "a word", "words"},
		{`x{1,2}$`, true, "axx", "xa"},
		{`{`, true, "{", "a"},
		{`\.`, true, ".", "a"},
	} {
		re, err := compile(c.pattern, c.extended, false)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if !re.MatchString(c.yes) || re.MatchString(c.no) {
			t.Errorf("%s (extended %v) is %s: matches %q %v, %q %v", c.pattern, c.extended, re, c.yes, re.MatchString(c.yes), c.no, re.MatchString(c.no))
		}
	}
	for _, bad := range []string{`\(a\)\1`, `[a`} {
		if _, err := compile(bad, false, false); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
