//go:build linux

// Command attack is what a hostile guest runs: one verb for each attack. Tests
// build it, copy it into an instance and run it there as root (cmd/labsim,
// TestAttacks). It prints what it got, for the test to judge; it is bounded in
// what it does and in time, and attacks nothing but the instance it runs in and
// what that instance can reach of labsim.
package main

import (
	"fmt"
	"os"
)

// An attack gets its arguments and says what it has achieved on standard output.
// An error means that it could not be tried, not that it was repelled.
type attack struct {
	about string
	run   func(args []string) error
}

// attacks is the list; each stands in a file of its kind.
var attacks = map[string]attack{
	"syscalls": {"call what no program of an instance needs, and print how each call ended", callForbidden},
	"trace":    {"take over the process PID: trace it, write its memory, take its descriptors", trace},
}

func main() {
	if len(os.Args) < 2 || attacks[os.Args[1]].run == nil {
		fmt.Fprintln(os.Stderr, "usage: attack VERB [ARGUMENT...]; the verbs:")
		for verb, a := range attacks {
			fmt.Fprintf(os.Stderr, "  %s: %s\n", verb, a.about)
		}
		os.Exit(2)
	}
	if err := attacks[os.Args[1]].run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
