// Package killtest ends a process at each of its steps to the disk, one after the
// other, so that a test can look at what it leaves. It is for tests only: the
// process is the test's own program, called again.
//
// The kill is SIGKILL's: what the kernel has taken is kept, as when a process
// crashes. It says nothing of a machine that loses its power.
package killtest
