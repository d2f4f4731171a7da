package lab

import (
	"context"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
	"gopkg.in/yaml.v3"

	"labsim/sim"
	"labsim/sim/lab/source"
)

// Load reads a lab file. It returns all problems of the file; where one of them
// is Fatal, the lab can't be used. Nothing outside data is read: neither other
// files nor the environment.
func Load(file string, data []byte) (*Lab, []source.Problem) {
	ps := &source.Problems{File: file}
	root, ok := source.Parse(data, ps)
	if !ok {
		return nil, ps.Sorted()
	}
	plain := forCompose(root)
	if !interpolate(root.Node(), ps) {
		return nil, ps.Sorted()
	}
	r := &reader{lab: &Lab{}, ps: ps, lines: map[string]int{}}
	r.file(root)
	if !ps.Fatal() {
		r.services(readCompose(file, plain, ps))
	}
	ps.Settle()
	r.check()
	return r.lab, ps.Sorted()
}

// What a value with $NAME or ${...} in it may have: a default may have another variable in
// it, and Compose's reader searches the rest of the value for each of them again.
const (
	maxVariables   = 16
	maxSubstituted = 4 << 10 // bytes
)

// interpolate replaces Compose's $$ and ${...} in every value. Variables have
// no values here: a file of a stranger must not read the user's environment. It
// returns false where a value has so many that nobody should try.
func interpolate(n *yaml.Node, ps *source.Problems) bool {
	seen, ok := map[*yaml.Node]bool{}, true
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for i, c := range n.Content {
			if n.Kind != yaml.MappingNode || i%2 == 1 {
				walk(source.Follow(c))
			}
		}
		if n.Kind != yaml.ScalarNode || !strings.Contains(n.Value, "$") {
			return
		}
		count := strings.Count(strings.ReplaceAll(n.Value, "$$", ""), "$")
		if count == 0 {
			n.Value = strings.ReplaceAll(n.Value, "$$", "$")
			return
		}
		if count > maxVariables || len(n.Value) > maxSubstituted {
			ps.Add(n.Line, sim.T("a value has at most %d variables, and with one at most %d bytes; write $$ for one $", maxVariables, maxSubstituted))
			ok = false
			return
		}
		var asked []string
		s, err := template.Substitute(n.Value, func(name string) (string, bool) {
			asked = append(asked, name)
			return "", false
		})
		switch {
		case err != nil:
			ps.Add(n.Line, sim.T("Compose reads $ as a variable; write $$ for one $"))
		case len(asked) > 0 && s == "" || slices.ContainsFunc(asked, func(a string) bool { return !hasDefault(n.Value, a) }):
			ps.Add(n.Line, sim.T("the variable %s has no value: labsim reads no variables of your environment; write $$ for one $", asked[0]))
		}
		n.Value = s
	}
	walk(n)
	return ok
}

func hasDefault(text, name string) bool {
	return strings.Contains(text, "${"+name+":") || strings.Contains(text, "${"+name+"-")
}

// forCompose returns the file as Compose's reader takes it, before the variables
// in it are replaced. What Compose does not look at, it need not read: x-labsim,
// and whatever else is at the top and begins with x-.
func forCompose(root source.Value) map[string]any {
	plain := map[string]any{}
	if root.Node().Decode(&plain) != nil {
		return nil // no mapping of words: the reader complains of it
	}
	maps.DeleteFunc(plain, func(key string, _ any) bool { return strings.HasPrefix(key, "x-") })
	return plain
}

// readCompose lets compose-go read the file too: it knows Compose's whole
// schema, and what it refuses `docker compose config` refuses. It returns nil
// where that is so.
//
// It does not have it hold the services against each other, as the reader below
// does: its search for circles in depends_on tries every way through them, which
// are as many as one likes in a file of forty services.
func readCompose(file string, plain map[string]any, ps *source.Problems) *types.Project {
	logrus.SetOutput(io.Discard)
	p, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  "/nonexistent",
		ConfigFiles: []types.ConfigFile{{Filename: file, Config: plain, Content: []byte("{}")}}, // without Content, it reads the file
		Environment: types.Mapping{},
	}, func(o *loader.Options) {
		if name, ok := plain["name"].(string); ok {
			o.SetProjectName(loader.NormalizeProjectName(name), false)
		}
		o.SkipInclude, o.SkipExtends = true, true
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.SkipConsistencyCheck = true
		o.ResolvePaths = false
	})
	if err != nil {
		ps.Add(source.YAMLLine(err), sim.T("not a Compose file: %s", source.OneLine(err)))
		return nil
	}
	return p
}

// reader fills the lab from the file. lines remembers where things were named,
// for the checks that need the whole lab.
type reader struct {
	lab     *Lab
	ps      *source.Problems
	lines   map[string]int
	depends []dependency
}

func (r *reader) file(v source.Value) {
	v.Path = "file"
	v.Each(func(key string, val source.Value) {
		val.Path = key
		switch key {
		case "name":
			r.lab.Name = val.Str()
			r.lines["name"] = val.Line()
		case "x-labsim":
			r.extension(val)
		case "services":
			val.Each(r.sane("service", maxServices, r.service))
		case "networks":
			val.Each(r.sane("network", maxNetworks, r.network))
		case "volumes":
			val.Each(r.sane("volume", maxVolumes, r.volume))
		case "version": // obsolete, and without meaning
		case "include", "configs", "secrets", "models":
			val.Bad(sim.T("%s is refused: %s", key, sim.T("a lab file can't read other files of the host")))
		default:
			if !strings.HasPrefix(key, "x-") {
				val.Bad(sim.T("%s: unknown key; known are %v", key, []string{"name", "networks", "services", "volumes", "x-labsim"}))
			} else if strings.HasPrefix(key, "x-labsim") {
				val.Bad(sim.T("%s: unknown key; did you mean %s?", key, "x-labsim"))
			}
		}
	})
}

func (r *reader) at(what string) int { return r.lines[what] }

// cidr reads a block; host bits are cleared as EC2 does, with a warning that
// shows the block that was meant.
func cidr(v source.Value) netip.Prefix {
	p, changed, err := sim.ParseCIDR(v.Str())
	if err != nil {
		v.Bad(sim.T("%s: %q is not a CIDR block such as 10.0.0.0/16", v.Path, v.Str()))
		return netip.Prefix{}
	}
	if changed {
		v.Warn(sim.T("%s: %s has bits set behind its prefix; it is taken as %s", v.Path, v.Str(), p))
	}
	return p
}
