package sim

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

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

// What a guest writes is shown and not obeyed, in whatever pieces it comes.
func TestCopyPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"boot\r\nready\n":           "boot\nready\n",
		"a\tb":                      "a\tb",
		"10%\r20%":                  `10%\r20%`,
		"\r":                        `\r`,
		"\x1b]0;owned\a\x1b[2J\x00": `\x1b]0;owned\a\x1b[2J\x00`,
		"\u009b31m":                 `\u009b31m`,
		"사용자 지정 \u202e":             `사용자 지정 \u202e`,
		"cut \xec\x82":              `cut \xec\x82`,
		"bad\xff\xffok":             `bad\xff\xffok`,
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(in), "byte by byte": iotest.OneByteReader(strings.NewReader(in))} {
			var got strings.Builder
			if err := CopyPrintable(&got, r); err != nil || got.String() != want {
				t.Errorf("%q %s: %q %v, want %q", in, name, got.String(), err, want)
			}
		}
	}
}

// FuzzCopyPrintable holds that nothing gets through that drives a terminal, and
// that the pieces in which text comes make no difference.
func FuzzCopyPrintable(f *testing.F) {
	f.Add("a\x1b[2J\r\n\xec\x82사")
	f.Add("\r\r\n\xff\r")
	f.Fuzz(func(t *testing.T, in string) {
		var got strings.Builder
		if err := CopyPrintable(&got, iotest.OneByteReader(strings.NewReader(in))); err != nil {
			t.Fatal(err)
		}
		if want := PrintableLines(in); got.String() != want {
			t.Errorf("%q byte by byte: %q, at once %q", in, got.String(), want)
		}
		if lines := strings.NewReplacer("\n", "", "\t", "").Replace(got.String()); Printable(lines) != lines {
			t.Errorf("%q becomes %q", in, got.String())
		}
	})
}
