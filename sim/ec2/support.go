package ec2

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"labsim/sim"
)

// support is the set of members of a request that its handler honours, by their
// paths in the shape: Ebs.VolumeSize. A member that is named is honoured with
// all that it has; NAME=VALUE says that only that value is, because labsim does
// that anyway.
type support struct {
	paths  map[string]bool   // true: honoured; false: some of its members are
	values map[string]string // path -> the one value
}

func supportOf(t reflect.Type, names []string) support {
	s := support{paths: map[string]bool{"DryRun": true, "Filters": true, "MaxResults": true, "NextToken": true}, values: map[string]string{}}
	for _, name := range names {
		path, only, valued := strings.Cut(name, "=")
		mustHave(t, path)
		if valued {
			s.values[path] = only
		} else {
			s.paths[path] = true
		}
	}
	return s
}

// mustHave finds a wrong name when the program starts.
func mustHave(t reflect.Type, path string) {
	for step := range strings.SplitSeq(path, ".") {
		for t.Kind() != reflect.Struct {
			t = t.Elem()
		}
		f, ok := t.FieldByName(step)
		if !ok {
			panic("ec2: " + t.Name() + " has no member " + step)
		}
		t = f.Type
	}
}

// check refuses a member that the handler would ignore, unless its value asks
// for nothing: false, 0, "".
func (s support) check(v reflect.Value, prefix string) error {
	for n := range v.NumField() {
		path := prefix + v.Type().Field(n).Name
		if s.paths[path] || v.Field(n).IsZero() {
			continue
		}
		if err := s.checkMember(v.Field(n), path); err != nil {
			return err
		}
	}
	return nil
}

func (s support) checkMember(v reflect.Value, path string) error {
	switch kind := v.Kind(); {
	case kind == reflect.Pointer:
		return s.checkMember(v.Elem(), path)
	case kind == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		return s.check(v, path+".")
	case kind == reflect.Slice:
		for n := range v.Len() {
			if err := s.checkMember(v.Index(n), path); err != nil {
				return err
			}
		}
		return nil
	}
	if v.IsZero() {
		return nil
	}
	if only, ok := s.values[path]; ok {
		if fmt.Sprint(v.Interface()) == only {
			return nil
		}
		return sim.Errorf(sim.CodeUnsupportedOperation, "labsim has no other value than %s for the parameter %s yet", only, path)
	}
	return sim.Errorf(sim.CodeUnsupportedOperation, "labsim does not have the parameter %s yet, and does not ignore it", path)
}
