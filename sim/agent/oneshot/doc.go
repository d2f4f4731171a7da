// Package oneshot is what `labsim oneshot VERB` does inside a short-lived
// container, or one command inside control: the few things on the engine's
// machine that the CLI can't do through Docker's API, as the engine may run in a
// virtual machine. Results go to standard output as JSON.
//
// It must know nothing of configs, and of worlds no more than package store tells, and needs no network.
package oneshot
