package sim

import (
	"errors"
	"fmt"
	"strings"
)

// Error is the one error type of the domain: a code out of EC2's list (EC2 API
// Reference, "Error codes") and a sentence for the one who asked. How it looks
// on the wire is decided at the edge, once.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error with that code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Codes that more than one rule returns.
const (
	CodeInvalidParameterValue       = "InvalidParameterValue"
	CodeInvalidParameterCombination = "InvalidParameterCombination"
	CodeMissingParameter            = "MissingParameter"
	CodeDependencyViolation         = "DependencyViolation"
	CodeIncorrectState              = "IncorrectState"
	CodeIncorrectInstanceState      = "IncorrectInstanceState"
	CodeUnsupported                 = "Unsupported"
	CodeUnsupportedOperation        = "UnsupportedOperation"
	CodeInternalError               = "InternalError"
	CodeUnavailable                 = "Unavailable"
	CodeDryRun                      = "DryRunOperation"
)

// NoSpace says of a message that the disk of the engine's machine is full.
const NoSpace = "no space left on the engine's disk"

// SaysNoSpace reports whether a message is about a full disk: in our words, or
// in those of the kernel (ENOSPC), which others pass on.
func SaysNoSpace(message string) bool { return strings.Contains(message, "no space left on ") }

// ErrorCode returns the code of the Error in err's chain, or "" where there is none.
func ErrorCode(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
