package main

import "labsim/sim/guest"

// runGuest is PID 1 of an instance, or one of its tools, if name is one of theirs.
func runGuest(name string, args []string) (code int, ok bool) {
	if name == "init" {
		guest.RunInit() // does not return
	}
	if _, tool := guest.Applets[name]; tool {
		return guest.RunApplet(name, args), true
	}
	return 0, false
}
