// Package dockerd gives a test a Docker engine of its own, on what looks like a
// machine of its own: namespaces with a first process, in which the engine may
// be stopped, killed and started, and the power pulled. The engine of the
// machine that the tests run on is never touched.
//
// It is for tests only. It must know nothing of labsim, and leaves nothing
// behind, however the test ends: the first process lives on a pipe to the test.
package dockerd
