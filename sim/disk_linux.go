package sim

import (
	"os"
	"syscall"
)

// DiskOf looks at the filesystem that a file or directory lies on. Free is what is
// left for those who are not root, so that the kernel's own reserve stays untouched.
func DiskOf(path string) (Disk, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return Disk{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return Disk{Free: st.Bavail * uint64(st.Bsize), Size: st.Blocks * uint64(st.Bsize)}, nil
}
