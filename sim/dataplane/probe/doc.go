// Package probe asks whether sim/path and the kernel agree: it makes random worlds
// by the calls of sim/world, has the real driver program them in plain network
// namespaces, sends real packets, and compares what comes of them with the
// evaluator's verdict and with the counters of the rules that it names.
//
// Its pieces are apart, so that each resource that carries packets adds its part:
//
//	maker     makes a world and changes it: a step for each call (steps.go)
//	drawer    chooses packets, those of rare fates first (packet.go)
//	machine   engine, edges and guests in namespaces, and the driver (machine_linux.go)
//	sender    sends one packet and tells what came of it (sender_linux.go)
//	expected  compares that with the verdict (expected.go)
//	text      writes a world so that a failure can be read (text.go); shrink makes it small
//
// It must know neither Docker nor the driver's insides: it sees what a guest sees, and
// the counters. Invariants: all that is drawn follows from the seed; nothing of a run
// outlives its process.
package probe
