// Package dataplane is what one node has to program into its kernel and serve
// from it: Config, compiled whole from a world by Compile, handed over whole,
// and put into the kernel by a Driver that works out the difference.
//
// Compile is pure. It must know neither netlink nor Docker. Invariant: whatever
// a guest may send or receive follows from the Config alone.
package dataplane
