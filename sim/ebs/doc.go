// Package ebs keeps volumes: files of a data directory that become block
// devices (loop) and are mounted for the engine.
//
// A volume is two files: vol-ID.img, sparse and of the volume's full size, and
// vol-ID.json, which says whose it is, so that the data can be adopted after
// everything else of the site is gone. The package knows neither Docker's volume
// names nor instances.
//
// Invariants: an image has at most one loop device, whoever made it; a loop
// device lives no longer than the mount on it (the kernel clears it); data is
// destroyed by Set with Delete and by Purge only; what is done with one volume, which
// may take as long as its disk does, keeps nobody from another or from a report.
package ebs
