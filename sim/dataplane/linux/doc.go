// Package linux puts a dataplane.Config into a Linux kernel, by netlink alone.
//
// Each VPC is one network namespace, its router: pinned by name, so that it
// outlives this process. Every network interface (ENI) is a veth pair from the
// router straight to its guest; there is no bridge. All addresses of the VPC
// are /32 routes in the router, which answers ARP for them; a subnet's route
// table is chosen by a mark that follows from the interface's device group. One
// nftables table per router, "inet vpc", holds everything that decides on a
// packet: see ruleset.go.
//
// What EC2 tracks of connections, and what it does not, is in tracking.go.
//
// The internet gateway is a veth between the router and the namespace of an edge
// container, where the 1:1 translation is done: see edge.go.
//
// Invariants:
//   - Fail closed: the base chains with policy drop exist before forwarding is
//     switched on and before any link is up. A live table or base chain is never
//     deleted; a change of rules is one transaction of the kernel.
//   - Level-triggered: Set compares with what the kernel has, so it also mends
//     what was changed behind its back, and writes nothing where nothing differs.
//     A guest that runs gets a link back that it has lost, with its router or alone.
//   - Everything may be killed at any point; the next Set or Join finishes it.
//
// The package knows neither Docker nor the control plane.
package linux
