// Package plan compares what a world wants with what a machine shows, and says
// what to do next: steps for the engine, and facts for the world to record.
//
// It is pure: a function of its arguments, no clock, no I/O. It knows neither
// Docker nor how steps are carried out. Steps of one plan depend on nothing but
// what was observed, so they may run in any order and at once; what has to wait
// for another step's result comes up in the next plan. Objects are recognised
// by the id that they carry, never by their name.
//
// Invariant: an instance is started only after its node has acknowledged a
// config with its interfaces, so that a guest's first packet meets its rules.
package plan
