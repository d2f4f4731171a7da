// Package world holds the state of a region and every rule of EC2's behaviour
// over it. It is pure: no clock, no random, no I/O of its own; these come in
// through Options. It knows neither the wire, nor Docker, nor files.
//
// There is one writer. Update runs a function on a copy of the state, in which
// each table is copied in O(1) and shares its rows until one changes; commit
// hands the changed rows to Options.Commit (durable first), then swaps the copy
// in, then wakes the watchers. An error from the function drops the copy, so
// half a change is never seen. View returns the current state as a snapshot
// that never changes.
//
// Invariant: every fact stands once. What follows from other facts (a route's
// blackhole, a volume's attachment, a security group's members) is computed.
package world
