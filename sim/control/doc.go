// Package control is the one process that decides: it serves the EC2 API and
// what is about the box itself (/_labsim/), and it makes the engine and the
// node's agent follow the world.
//
// The reconciler is level-triggered: a change of the world, an event of the
// engine or a report of the agent only wakes it; what it does follows from
// comparing everything anew (sim/plan). A request never waits for the engine.
//
// It knows neither Docker nor the kernel: the engine, the node and the store
// come in through Options. Invariant: nothing in memory matters. Killed at any
// point and started again, it converges.
package control
