package source

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"labsim/sim"
)

// What a file may have. Its aliases count as often as they are followed: the
// readers behind this one take them for what they stand for. A large lab has some
// thousand values, ten deep.
const (
	MaxFile   = 256 << 10 // bytes, of guides too
	MaxValues = 10000
	MaxDepth  = 32
	MaxKeys   = 1000        // of one mapping: a library compares each with each
	MaxBytes  = 2 * MaxFile // of all values and keys
)

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
	if w := (weighing{ps: ps}); !w.fits(doc.Content[0], 0) {
		return Value{}, false
	}
	// Decoding into plain values is what finds keys that stand twice.
	var plain any
	if err := doc.Decode(&plain); err != nil {
		ps.Add(YAMLLine(err), sim.T("not YAML: %s", OneLine(err)))
		return Value{}, false
	}
	return Value{Follow(doc.Content[0]), "", ps}, true
}

// weighing counts the values of a document as its readers will meet them.
type weighing struct {
	ps            *Problems
	values, bytes int
}

// fits reports whether a value is within the bounds, with all below it; what is
// in itself is too deep.
func (w *weighing) fits(n *yaml.Node, depth int) bool {
	line := n.Line
	n = Follow(n)
	w.values++
	w.bytes += len(n.Value)
	switch {
	case depth > MaxDepth:
		w.ps.Add(line, sim.T("the file is nested more than %d deep", MaxDepth))
	case w.values > MaxValues:
		w.ps.Add(line, sim.T("the file has more than %d values, each alias counted as what it stands for", MaxValues))
	case w.bytes > MaxBytes:
		w.ps.Add(line, sim.T("the file's values have more than %d bytes, each alias counted as what it stands for", MaxBytes))
	case n.Kind == yaml.MappingNode && len(n.Content) > 2*MaxKeys:
		w.ps.Add(line, sim.T("a mapping has more than %d keys", MaxKeys))
	default:
		return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !w.fits(c, depth+1) })
	}
	return false
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
