//go:build linux

package linuxtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Tracked returns how many connections the network namespace of the calling thread
// tracks: the first column of any CPU's line, in hexadecimal.
func Tracked() (int, error) {
	const file = "/proc/thread-self/net/stat/nf_conntrack"
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	_, lines, _ := strings.Cut(string(b), "\n") // without the names of the columns
	column, _, _ := strings.Cut(lines, " ")
	n, err := strconv.ParseUint(column, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return int(n), nil
}
