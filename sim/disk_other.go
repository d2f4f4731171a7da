//go:build !linux

package sim

// DiskOf knows nothing: what keeps root disks and volumes runs on Linux.
func DiskOf(string) (Disk, error) { return Disk{}, nil }
