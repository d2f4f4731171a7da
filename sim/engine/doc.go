// Package engine is what labsim needs of a container engine, in one small
// interface with no type of any engine in it. Implementations: docker, none
// (swarm follows); enginetest is the suite that all of them pass.
package engine
