//go:build !windows

package docker

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// groupOf returns the name of the group that may use the socket, or "".
func groupOf(file string) string {
	st, err := os.Stat(file)
	if err != nil {
		return ""
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || st.Mode()&0o060 != 0o060 {
		return ""
	}
	g, err := user.LookupGroupId(strconv.Itoa(int(sys.Gid)))
	if err != nil || g.Name == "root" {
		return ""
	}
	return g.Name
}
