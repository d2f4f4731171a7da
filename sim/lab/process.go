package lab

import (
	"regexp"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"

	"labsim/sim"
	"labsim/sim/lab/source"
)

// process notes where a key of a service's process stands.
func (r *reader) process(service string) source.Field {
	return func(v source.Value) {
		if _, ok := r.lines["process of "+service]; !ok {
			r.lines["process of "+service] = v.Line()
		}
	}
}

// services takes over from Compose's reader what the guests are to run.
func (r *reader) services(p *types.Project) {
	if p == nil {
		return
	}
	for i := range r.lab.Instances {
		x := &r.lab.Instances[i]
		line, ok := r.lines["process of "+x.Name]
		if !ok {
			continue
		}
		s := p.Services[x.Name]
		x.Service = &sim.Service{Command: append(append([]string{}, s.Entrypoint...), s.Command...), Dir: s.WorkingDir, User: s.User}
		for _, k := range sortedKeys(s.Environment) {
			if v := s.Environment[k]; v == nil {
				r.ps.Add(line, sim.T("%s: the variable %s has no value: labsim reads no variables of your environment", x.Name, k))
			} else if !variable().MatchString(k) || strings.ContainsRune(*v, 0) {
				r.ps.Add(line, sim.T("%s: %q can't be a variable of a process", x.Name, k))
			} else {
				x.Service.Environment = append(x.Service.Environment, k+"="+*v)
			}
		}
		if len(x.Service.Command) == 0 {
			r.ps.Add(line, sim.T("%s: environment, user and working_dir are those of command or entrypoint, and it has neither", x.Name))
		}
	}
}

var variable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
})

// userData is what the instance is launched with: the script alone, or together
// with the process that its guest is to run.
func (x Instance) userData() string {
	if x.Service == nil {
		return x.UserData
	}
	doc, err := sim.JoinUserData(x.UserData, *x.Service)
	if err != nil { // strings always become JSON
		panic(err)
	}
	return doc
}
