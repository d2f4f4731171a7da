package lab

import (
	"regexp"
	"sync"

	"labsim/sim"
	"labsim/sim/lab/source"
)

// What a lab may have. A file comes from a stranger: it must be neither a way to
// keep this machine busy for hours nor one to fool its user.
const (
	maxServices    = 200
	maxNetworks    = 200 // EC2's quota of subnets per VPC
	maxVolumes     = 200
	maxVPCs        = 20
	maxRouteTables = 200
	maxGroups      = 200
	maxRules       = 60 // EC2's quota per group and direction
	maxLabels      = sim.MaxTags - 5
)

// saneName is what may name a resource: it becomes a part of the names of Docker's
// objects and of files, and is printed.
var saneName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`)
})

// sane passes on what has a name that can be used, up to a number of them.
func (r *reader) sane(kind string, most int, f func(name string, v source.Value)) func(string, source.Value) {
	n := 0
	return func(key string, v source.Value) {
		switch n++; {
		case n == most+1:
			v.Bad(sim.T("a lab has at most %d of a kind, here %s", most, kind))
		case n > most:
		case !saneName().MatchString(key) || key == "internet":
			v.Bad(sim.T("%q can't name a %s: letters, digits, _ . and -, at most 63, beginning with a letter or digit, and not internet", key, kind))
		default:
			f(key, v)
		}
	}
}

func (r *reader) keyName(v source.Value) string {
	s := v.Str()
	if !saneName().MatchString(s) {
		v.Bad(sim.T("%q can't name a %s: letters, digits, _ . and -, at most 63, beginning with a letter or digit, and not internet", s, "key"))
		return ""
	}
	return s
}

func (r *reader) description(v source.Value) string {
	s := v.Str()
	if !sim.IsGroupText(s) {
		v.Bad(sim.T("%s: EC2 takes at most 255 letters without accents, digits, spaces and ._-:/()#,@[]+=&;{}!$*", v.Path))
	}
	return s
}
