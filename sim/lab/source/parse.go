package source

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"labsim/sim"
)

// MaxFile bounds a file, in bytes.
const MaxFile = 1 << 20

// Parse reads a YAML document of at most MaxFile bytes. Where it can't be read,
// ps says why.
func Parse(data []byte, ps *Problems) (root Value, ok bool) {
	if len(data) > MaxFile {
		ps.Add(0, sim.T("the file is larger than %d bytes", MaxFile))
		return Value{}, false
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			ps.Add(0, sim.T("the file is empty"))
			return Value{}, false
		}
		ps.Add(YAMLLine(err), sim.T("not YAML: %s", OneLine(err)))
		return Value{}, false
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		ps.Add(0, sim.T("the file is to be one YAML document"))
		return Value{}, false
	}
	// Decoding into plain values is what finds aliases that grow without bound,
	// keys that stand twice, and cycles.
	var plain any
	if err := doc.Decode(&plain); err != nil {
		ps.Add(YAMLLine(err), sim.T("not YAML: %s", OneLine(err)))
		return Value{}, false
	}
	return Value{Follow(doc.Content[0]), "", ps}, true
}

// OneLine is an error's text in one line: a library's may have several.
func OneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

var lineInError = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`line (\d+)`)
})

// YAMLLine returns the line that an error of a YAML library names, or 0.
func YAMLLine(err error) int {
	if m := lineInError().FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}
