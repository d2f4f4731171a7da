// Package graph draws a region as a picture: VPCs with their gateways, subnets,
// instances, volumes, and an arrow for each thing that can reach another. It is
// given a plain Model and returns SVG or text for a terminal.
//
// It must not know where the model comes from: no I/O, no world, no evaluator.
// The same model gives the same picture, byte by byte. Names in the model are
// anybody's tags; what is drawn of them is harmless to a terminal and to a page.
package graph
