package sim

import (
	"fmt"
	"strings"
)

// Text is something that a user reads, in no language yet: the English format
// with its arguments. sim/text turns it into the user's language; the English
// format is the key there. Arguments are values (ids, addresses, counts) or
// Texts, so that a Text survives JSON.
type Text struct {
	Format string
	Args   []any `json:",omitempty"`
}

// T makes a Text. The format must be a literal: a test collects the literals of
// all calls and fails where a language lacks one.
func T(format string, args ...any) Text { return Text{Format: format, Args: args} }

// String returns the text in English.
func (t Text) String() string {
	return fmt.Sprintf(t.Format, t.Args...)
}

// A file of a stranger's may have a value of any size. Of one, messages show so
// many bytes, and of a list so many values.
const (
	briefValue = 300
	briefList  = 50
)

// Brief returns the text with its long values cut.
func (t Text) Brief() Text {
	args := make([]any, len(t.Args))
	for i, a := range t.Args {
		switch x := a.(type) {
		case string:
			a = brief(x)
		case Text:
			a = x.Brief()
		case []string:
			a = briefAll(x)
		default:
			if s := fmt.Sprint(x); len(s) > briefValue {
				a = brief(s)
			}
		}
		args[i] = a
	}
	t.Args = args
	return t
}

// brief keeps both ends: a path tells most at its last.
func brief(s string) string {
	if len(s) <= briefValue {
		return s
	}
	return strings.ToValidUTF8(s[:briefValue*2/3], "") + "..." + strings.ToValidUTF8(s[len(s)-briefValue/3:], "")
}

// briefAll shares the room among the values.
func briefAll(list []string) []string {
	var out []string
	room := briefValue * 10
	for i, s := range list {
		s = brief(s)
		if room -= len(s); room < 0 || i == briefList {
			return append(out, "...")
		}
		out = append(out, s)
	}
	return out
}

// Failure is an error for the user at the command line: what happened and why,
// and what to do next.
type Failure struct {
	What Text
	Next []Text // commands or advice, in the order in which to try them
	Err  error  // the cause, or nil
}

func (f *Failure) Error() string {
	if f.Err != nil {
		return f.What.String() + ": " + f.Err.Error()
	}
	return f.What.String()
}

func (f *Failure) Unwrap() error { return f.Err }

// Cmd makes a Text that is the same in every language: a command to paste, an
// address, names and numbers only.
func Cmd(format string, args ...any) Text { return Text{Format: format, Args: args} }
