package sim

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s with everything escaped that could drive a terminal or
// turn the direction of writing: names and messages come from lab files and tags,
// and those from strangers. Line ends and tabs are escaped too.
func Printable(s string) string {
	if strings.IndexFunc(s, harmful) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if harmful(r) {
			b.WriteString(escaped(s[i:], r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// CheckText says why a text can't be the value of a parameter, or nil: it has a
// character that Printable would escape, which no name and no description needs.
func CheckText(parameter, s string) error {
	i := strings.IndexFunc(s, harmful)
	if i < 0 {
		return nil
	}
	r, _ := utf8.DecodeRuneInString(s[i:])
	return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. It contains the character %s; control characters and those that turn the direction of writing are not allowed.",
		Printable(s), Printable(parameter), escaped(s[i:], r))
}

func harmful(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// escaped is the harmful character at the start of s, as Go writes it.
func escaped(s string, r rune) string {
	if r == utf8.RuneError {
		return fmt.Sprintf(`\x%02x`, s[0])
	}
	q := fmt.Sprintf("%+q", r)
	return q[1 : len(q)-1]
}
