// Package lab reads lab files (Compose files with x-labsim extensions) and
// makes an account look like one: Load checks the whole file and reports all
// problems at once with their places, Diff compares it with what the EC2 API
// describes, Apply makes the calls that are missing, Down deletes what a lab
// has made.
//
// It is a client of the EC2 API like any other: it must not know sim/world,
// Docker or control. Files come from strangers: what could reach into the host
// is refused here, before anything is made.
package lab
