package docker

import (
	"math"
	"syscall"
)

// filesAllowed is the most files that a container's limit may name. An engine
// without CAP_SYS_RESOURCE can't go beyond its own hard limit; control runs in a
// container of that engine, so its own limit is the engine's.
func filesAllowed() int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Max > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(r.Max)
}
