// Package cli holds labsim's commands. It is thin: it finds or creates the box
// through the engine, makes resources by the EC2 API only, and asks the box
// itself under /_labsim/. It must not know sim/world nor any type of Docker.
//
// Everything that a user reads is a sim.Text. Exit codes: 0 done, 1 it failed
// or is not so, 2 the command line is wrong; exec passes the code of its
// command on.
package cli
