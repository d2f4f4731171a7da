package world

import "labsim/sim"

// inUse is EC2's answer where something that depends on a resource keeps it.
func inUse(what, id string) error {
	return sim.Errorf(sim.CodeDependencyViolation, "The %s '%s' has dependencies and cannot be deleted.", what, id)
}

func missing(parameter string) error {
	return sim.Errorf(sim.CodeMissingParameter, "The request must contain the parameter %s", parameter)
}
