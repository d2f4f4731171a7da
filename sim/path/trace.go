package path

import "labsim/sim/world"

// Trace returns the fate of q's packet in s.
func Trace(s *world.State, q Query) Verdict { return Verdict{} }
