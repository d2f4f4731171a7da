package world

import "labsim/sim"

var errUnfinished = sim.Errorf(sim.CodeUnsupportedOperation, "This operation is being written.")
