package lab

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
	"gopkg.in/yaml.v3"

	"labsim/sim"
)

// MaxFile bounds a lab file, in bytes.
const MaxFile = 1 << 20

// Load reads a lab file. It returns all problems of the file; where one of them
// is Fatal, the lab can't be used. Nothing outside data is read: neither other
// files nor the environment.
func Load(file string, data []byte) (*Lab, []Problem) {
	ps := &problems{file: file}
	if len(data) > MaxFile {
		ps.add(0, sim.T("the file is larger than %d bytes", MaxFile))
		return nil, ps.sorted()
	}
	root, ok := parse(data, ps)
	if !ok {
		return nil, ps.sorted()
	}
	interpolate(root, ps)
	r := &reader{lab: &Lab{}, ps: ps, lines: map[string]int{}}
	r.file(value{root, "", ps})
	if !Fatal(ps.list) {
		r.services(readCompose(file, data, ps))
	}
	ps.settle()
	r.check()
	return r.lab, ps.sorted()
}

func parse(data []byte, ps *problems) (*yaml.Node, bool) {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			ps.add(0, sim.T("the file is empty"))
			return nil, false
		}
		ps.add(yamlLine(err), sim.T("not YAML: %s", oneLine(err)))
		return nil, false
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		ps.add(0, sim.T("a lab file is one YAML document"))
		return nil, false
	}
	// Decoding into plain values is what finds aliases that grow without bound,
	// keys that stand twice, and cycles.
	var plain any
	if err := doc.Decode(&plain); err != nil {
		ps.add(yamlLine(err), sim.T("not YAML: %s", oneLine(err)))
		return nil, false
	}
	return follow(doc.Content[0]), true
}

// oneLine is an error's text in one line: a library's may have several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

var lineInError = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`line (\d+)`)
})

func yamlLine(err error) int {
	if m := lineInError().FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

// interpolate replaces Compose's $$ and ${...} in every value. Variables have
// no values here: a file of a stranger must not read the user's environment.
func interpolate(n *yaml.Node, ps *problems) {
	seen := map[*yaml.Node]bool{}
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for i, c := range n.Content {
			if n.Kind != yaml.MappingNode || i%2 == 1 {
				walk(follow(c))
			}
		}
		if n.Kind != yaml.ScalarNode || !strings.Contains(n.Value, "$") {
			return
		}
		var asked []string
		s, err := template.Substitute(n.Value, func(name string) (string, bool) {
			asked = append(asked, name)
			return "", false
		})
		switch {
		case err != nil:
			ps.add(n.Line, sim.T("Compose reads $ as a variable; write $$ for one $"))
		case len(asked) > 0 && s == "" || slices.ContainsFunc(asked, func(a string) bool { return !hasDefault(n.Value, a) }):
			ps.add(n.Line, sim.T("the variable %s has no value: labsim reads no variables of your environment; write $$ for one $", asked[0]))
		}
		n.Value = s
	}
	walk(n)
}

func hasDefault(text, name string) bool {
	return strings.Contains(text, "${"+name+":") || strings.Contains(text, "${"+name+"-")
}

// readCompose lets compose-go read the file too: it knows Compose's whole
// schema, and what it refuses `docker compose config` refuses. It returns nil
// where that is so.
func readCompose(file string, data []byte, ps *problems) *types.Project {
	logrus.SetOutput(io.Discard)
	p, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  "/nonexistent",
		ConfigFiles: []types.ConfigFile{{Filename: file, Content: data}},
		Environment: types.Mapping{},
	}, func(o *loader.Options) {
		o.SkipInclude, o.SkipExtends = true, true
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.ResolvePaths = false
	})
	if err != nil {
		ps.add(yamlLine(err), sim.T("not a Compose file: %s", oneLine(err)))
		return nil
	}
	return p
}

// reader fills the lab from the file. lines remembers where things were named,
// for the checks that need the whole lab.
type reader struct {
	lab     *Lab
	ps      *problems
	lines   map[string]int
	depends []dependency
}

func (r *reader) file(v value) {
	v.path = "file"
	v.each(func(key string, val value) {
		val.path = key
		switch key {
		case "name":
			r.lab.Name = val.str()
			r.lines["name"] = val.line()
		case "x-labsim":
			r.extension(val)
		case "services":
			val.each(r.sane("service", maxServices, r.service))
		case "networks":
			val.each(r.sane("network", maxNetworks, r.network))
		case "volumes":
			val.each(r.sane("volume", maxVolumes, r.volume))
		case "version": // obsolete, and without meaning
		case "include", "configs", "secrets", "models":
			val.bad(sim.T("%s is refused: %s", key, sim.T("a lab file can't read other files of the host")))
		default:
			if !strings.HasPrefix(key, "x-") {
				val.bad(sim.T("%s: unknown key; known are %v", key, []string{"name", "networks", "services", "volumes", "x-labsim"}))
			} else if strings.HasPrefix(key, "x-labsim") {
				val.bad(sim.T("%s: unknown key; did you mean %s?", key, "x-labsim"))
			}
		}
	})
}

func (r *reader) at(what string) int { return r.lines[what] }

// cidr reads a block; host bits are cleared as EC2 does, with a warning that
// shows the block that was meant.
func cidr(v value) netip.Prefix {
	p, changed, err := sim.ParseCIDR(v.str())
	if err != nil {
		v.bad(sim.T("%s: %q is not a CIDR block such as 10.0.0.0/16", v.path, v.str()))
		return netip.Prefix{}
	}
	if changed {
		v.ps.warn(v.line(), sim.T("%s: %s has bits set behind its prefix; it is taken as %s", v.path, v.str(), p))
	}
	return p
}
