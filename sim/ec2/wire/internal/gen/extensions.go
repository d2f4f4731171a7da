package main

import "maps"

// extensions are the few members that labsim adds to EC2's shapes, each with
// its reason. No client of AWS ever sends them.
var extensions = map[string]map[string]ref{
	// A launch attaches a volume that stands already: what `labsim up` finds
	// after `labsim down`. EC2 only makes new ones at launch.
	"EbsBlockDevice": {"VolumeId": {Shape: "String", LocationName: "volumeId", QueryName: "VolumeId"}},
}

// extend returns the model with the extensions; model.json stays EC2's own.
func extend(m model) model {
	m.Shapes = maps.Clone(m.Shapes)
	for name, members := range extensions {
		s, ok := m.Shapes[name]
		if !ok {
			continue
		}
		s.Members = maps.Clone(s.Members)
		maps.Copy(s.Members, members)
		m.Shapes[name] = s
	}
	return m
}
