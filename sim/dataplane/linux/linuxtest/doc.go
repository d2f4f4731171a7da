// Package linuxtest reads from the kernel what tests of the dataplane look at. It
// is for tests only, and takes nothing from the driver: both could be wrong in the
// same way.
package linuxtest
