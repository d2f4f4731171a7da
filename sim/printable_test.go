package sim

import "testing"

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"web":             "web",
		"사용자 지정 VPC":      "사용자 지정 VPC",
		"a\x1b[2Jb":       `a\x1b[2Jb`,
		"a\nb\tc":         `a\nb\tc`,
		"\u009b31m":       `\u009b31m`,
		"gnp\u202eexe":    `gnp\u202eexe`,
		"bad\xff":         `bad\xff`,
		"title\x1b]0;x\a": `title\x1b]0;x\a`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}
