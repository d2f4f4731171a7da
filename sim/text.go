package sim

import "fmt"

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
