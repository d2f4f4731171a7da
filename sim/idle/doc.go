// Package idle gives memory back once a process of labsim has come to rest. One
// binary is command line, control, agent, edge and guest: what its packages do
// when they are initialized, and the code that starting ran, would stay resident
// in each of them, the guest's part once per instance.
//
// It knows nothing of who calls it.
package idle
