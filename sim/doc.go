// Package sim is the domain of labsim: the nouns of EC2 and VPC, their
// identifiers, the rules about addresses that more than one room needs, and
// the one error type.
//
// It imports the standard library only. Everything else points inwards to it.
// A row (VPC, Subnet, Instance, ...) is a plain value: once it is in a table of
// sim/world it is never changed in place, only replaced by a changed copy, so
// readers share it without locks. Slices and maps inside a row follow the same
// rule: copy before you change.
package sim
