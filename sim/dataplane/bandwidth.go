package dataplane

import "labsim/sim"

// bandwidth returns an instance type's limit in Mbit/s, or 0 for none.
func bandwidth(name string) int {
	t, _ := sim.InstanceTypeNamed(name)
	return t.NetworkMbit
}
