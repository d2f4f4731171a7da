// Package imds speaks the protocol of the instance metadata service, versions 1
// and 2 (EC2 User Guide, "Instance metadata and user data"). It must know
// neither namespaces nor sockets: the agent listens in each VPC's router, with
// the response's hop limit, and serves Handler there.
//
// Invariant: an instance learns about itself only, by the source address of its
// packets, which it can't forge.
package imds
