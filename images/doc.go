// Package images builds the system image labsim/linux out of labsim's own
// binary: no base image, no network, the same bytes each time. It serves
// control, edge and one-shots, and it is the built-in AMI.
//
// The image has the binary at /labsim, and the tools as links to /.labsim/init:
// in an instance that is the guest volume with the same binary, whose memory all
// instances share.
package images
