// Package script runs the commands of a lab: what a guide shows, a solution does
// and a fault breaks, written as a learner would type it, in a POSIX shell with
// the AWS CLI. It needs neither of them on the machine.
//
// A lab comes from a stranger, so a script reaches nothing but labsim's API: it
// has one program, aws, and there of one service, ec2; its files are in memory.
//
// It does not know what a lab checks.
package script
