package sim

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s with everything escaped that could drive a terminal or
// turn the direction of writing: names and messages come from lab files, tags and
// guests, and those from strangers. Line ends and tabs are escaped too.
func Printable(s string) string { return escape(s, harmful) }

// PrintableLines is Printable for what may have several lines: line ends (without
// a carriage return before them) and tabs stay.
func PrintableLines(s string) string {
	return escape(strings.ReplaceAll(s, "\r\n", "\n"), func(r rune) bool { return r != '\n' && r != '\t' && harmful(r) })
}

func escape(s string, bad func(rune) bool) string {
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if bad(r) {
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

// CopyPrintable copies text as it comes, with the escapes of PrintableLines.
func CopyPrintable(w io.Writer, r io.Reader) error {
	buf := make([]byte, 32<<10)
	kept := 0 // bytes at buf's beginning of which more is needed
	for {
		n, err := r.Read(buf[kept:])
		text := buf[:kept+n]
		whole := len(text)
		if err == nil {
			whole -= unfinished(text)
		}
		if _, werr := io.WriteString(w, PrintableLines(string(text[:whole]))); werr != nil {
			return werr
		}
		kept = copy(buf, text[whole:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unfinished is how many bytes at the end of text depend on what follows: the
// beginning of a character, or a carriage return.
func unfinished(text []byte) int {
	if len(text) > 0 && text[len(text)-1] == '\r' {
		return 1
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return n
			}
			break
		}
	}
	return 0
}
