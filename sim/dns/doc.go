// Package dns is the resolver of a VPC, at its base address plus two and at
// 169.254.169.253 (VPC User Guide, "DNS attributes"). It must know neither
// namespaces nor worlds: the agent listens in each VPC's router and serves the
// names of that VPC's config there.
//
// It knows, and answers for:
//   - the private names of the VPC's interfaces, ip-10-0-1-10.ec2.internal, and
//     the names of their addresses; other names of that domain don't exist;
//   - public names, ec2-198-51-100-20.compute-1.amazonaws.com: of the VPC's own
//     interfaces the private address, of the rest of the site's public range the
//     public one;
//   - names of one label: they don't exist. The names of the lab's instances are
//     no DNS names, on AWS neither.
//
// All others, where the VPC's internet is real, it asks of the machine's resolvers
// (Forwarder), but for the names of private networks, which don't exist here.
//
// Where it isn't, it is the resolver of a closed network: it answers SERVFAIL, as
// a resolver does that reaches no authority, with the extended error 23
// "Network Error" (RFC 8914) for those who ask by EDNS. NXDOMAIN would be a lie,
// and REFUSED would say that another client might get an answer.
package dns
