// Package agent is the node's privileged part: Docker's managed plugin, which is
// network, address and volume driver in one, keeps the VPCs' routers, serves
// metadata and DNS in them, holds the guests' connections and does what control
// asks for.
//
// It decides nothing. Control hands it a whole dataplane.Config; the agent keeps
// the last one on disk and answers Docker's hooks from it alone, so that it needs
// neither control nor Docker to let an instance start.
//
// Invariants:
//   - Docker's questions about what the plugin is are answered at once, from
//     constants, whatever else is broken: an engine that waits for them doesn't
//     boot. A hook that takes too long ends the process; Docker starts it again.
//   - A config with a field that it does not know is refused, and the one before
//     stays in force (dataplane.Revision).
//   - A subnet or interface that the held config lacks is refused. What takes
//     something away succeeds, also for what is not known any more.
//   - It never opens a path below another process' root.
//   - Guests are hostile: whose a connection is gets counted before anything is
//     done for it, what they hold together leaves a reserve of descriptors (budget),
//     and what they can make the agent say goes through Agent.provoked. What they
//     send is read by package wire's bounded readers and heard at a pace.
//   - No lock is held across I/O, but the one that orders the configs.
package agent
