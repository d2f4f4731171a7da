package sim

import (
	"encoding/json"
	"errors"
	"strings"
)

// lastWords begins the line by which a process tells another program why it
// could not go on.
const lastWords = "labsim failure: "

// LastWords returns the line that a process whose log another program reads
// ends with, because of err.
func LastWords(err error) string {
	var f *Failure
	if !errors.As(err, &f) {
		return "labsim: " + err.Error()
	}
	words := struct {
		What  Text
		Next  []Text `json:",omitempty"`
		Cause string `json:",omitempty"`
	}{What: f.What, Next: f.Next}
	if f.Err != nil {
		words.Cause = f.Err.Error()
	}
	line, merr := json.Marshal(words)
	if merr != nil { // an argument that is no value
		return "labsim: " + err.Error()
	}
	return lastWords + string(line)
}

// ReadLastWords returns the failure that a log ends with, or nil where it ends
// with something else.
func ReadLastWords(log string) *Failure {
	log = strings.TrimSpace(log)
	line, ok := strings.CutPrefix(log[strings.LastIndexByte(log, '\n')+1:], lastWords)
	var words struct {
		What  Text
		Next  []Text
		Cause string
	}
	if !ok || json.Unmarshal([]byte(line), &words) != nil || words.What.Format == "" {
		return nil
	}
	f := &Failure{What: words.What, Next: words.Next}
	if words.Cause != "" {
		f.Err = errors.New(words.Cause)
	}
	return f
}
