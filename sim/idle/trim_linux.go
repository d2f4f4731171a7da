package idle

import (
	"bufio"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim returns free heap to the system and unmaps the pages of files, the
// program's own first of all. They are clean: the kernel keeps them cached while
// it has room, and what is needed again is mapped again by a minor fault.
func Trim() {
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return // only memory is lost
	}
	defer f.Close()
	for _, m := range cleanMappings(f) {
		unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

type mapping struct{ start, end uintptr }

// cleanMappings reads proc(5)'s smaps and returns what can be read again from
// its file: mappings of files that nobody can write to, or has written to. Of a
// mapping with relocated pages the content would be lost.
func cleanMappings(smaps io.Reader) []mapping {
	var found []mapping
	var m mapping
	file := false
	for s := bufio.NewScanner(smaps); s.Scan(); {
		fields := strings.Fields(s.Text())
		if start, end, ok := addresses(fields); ok {
			m = mapping{start, end}
			file = len(fields) >= 6 && strings.HasPrefix(fields[5], "/") && !strings.Contains(fields[1], "w")
		} else if file && len(fields) > 1 && fields[0] == "Anonymous:" && fields[1] == "0" {
			found = append(found, m)
		}
	}
	return found
}

// addresses reads the first field of a mapping's head: 00400000-010f8000.
func addresses(fields []string) (start, end uintptr, ok bool) {
	if len(fields) < 5 {
		return 0, 0, false
	}
	from, to, ok := strings.Cut(fields[0], "-")
	a, err1 := strconv.ParseUint(from, 16, 64)
	b, err2 := strconv.ParseUint(to, 16, 64)
	return uintptr(a), uintptr(b), ok && err1 == nil && err2 == nil
}
