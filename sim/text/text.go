package text

import (
	"fmt"
	"strings"

	"labsim/sim"
)

// Lang is a language that labsim speaks.
type Lang string

const (
	English Lang = "en"
	Korean  Lang = "ko"
)

// Parse returns the language of a locale's name (ko_KR.UTF-8, ko, en-US) and
// whether labsim speaks it. C, POSIX and "" are English.
func Parse(locale string) (Lang, bool) {
	base, _, _ := strings.Cut(locale, ".")
	base, _, _ = strings.Cut(base, "@")
	base = strings.ToLower(strings.ReplaceAll(base, "-", "_"))
	lang, _, _ := strings.Cut(base, "_")
	switch lang {
	case "ko", "korean":
		return Korean, true
	case "en", "", "c", "posix", "english":
		return English, true
	}
	return English, false
}

// FromEnv returns the language of the environment: LC_ALL before LC_MESSAGES
// before LANG (POSIX, "Internationalization Variables").
func FromEnv(getenv func(string) string) Lang {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			l, _ := Parse(v)
			return l
		}
	}
	return English
}

// In returns t in that language.
func In(l Lang, t sim.Text) string {
	format := t.Format
	if l == Korean {
		if k, ok := korean[t.Format]; ok {
			format = k
		}
	}
	format = sim.PrintableLines(format) // one that came over JSON may be anybody's
	args := make([]any, len(t.Args))
	for i, a := range t.Args {
		args[i] = argument(l, a)
	}
	if l == Korean {
		return settle(fmt.Sprintf(format, args...))
	}
	return fmt.Sprintf(format, args...)
}

// argument turns a Text among the arguments into the language; one that came
// over JSON arrives as a map, a whole number as a float64. What came from a file
// or a tag can't drive the terminal.
func argument(l Lang, a any) any {
	switch x := a.(type) {
	case sim.Text:
		return In(l, x)
	case map[string]any:
		if f, ok := x["Format"].(string); ok {
			args, _ := x["Args"].([]any)
			return In(l, sim.Text{Format: f, Args: args})
		}
	case float64:
		if x == float64(int64(x)) {
			return int64(x)
		}
	}
	// Lists of names and addresses with a zone are no strings, and say as much.
	if s := fmt.Sprint(a); sim.Printable(s) != s {
		return sim.Printable(s)
	}
	return a
}

// korean holds the Korean texts by their English formats.
var korean = map[string]string{}

// twice are the texts that two rooms translate differently; a test wants none.
var twice []string

// add puts a room's entries into the catalogue.
func add(entries map[string]string) struct{} {
	for en, ko := range entries {
		if old, had := korean[en]; had && old != ko {
			twice = append(twice, en)
		}
		korean[en] = ko
	}
	return struct{}{}
}
