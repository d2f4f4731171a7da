// Package path says where a packet goes in a world, hop by hop, which rule,
// route or fact decides, and, for a drop, how to let it pass. It is pure: it
// reads a world's snapshot and sends nothing.
//
// Invariant: a verdict is the packet's fate in the dataplane (sim/dataplane):
// both follow the same order. Out of an interface: the router's own addresses;
// whether the target stands; the sender's groups; the subnet's route, longest
// prefix first, and what the internet gateway takes; the receiver's groups. Then the answer's way back,
// which the groups let pass because they are stateful, and the routes may not.
package path
