// Package docker runs a site on a Docker engine: Engine is the reconciler's
// view of it (engine.Engine), and beside that interface stand Install, Find,
// Uninstall and Check, with which the CLI brings the site itself there and
// away again.
//
// It is the one place that imports Docker's client. It must know nothing of
// worlds, labs or packets. Invariants:
//   - it touches only what carries the site's label, name or driver;
//   - every step may be killed anywhere and run by two at once; calling it
//     again finishes it;
//   - nothing is written on the machine of the CLI: the engine may run in a
//     virtual machine, so directories come and go by one-shot containers.
package docker
