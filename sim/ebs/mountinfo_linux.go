package ebs

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
)

// mountsBelow returns the mount points below dir that the calling thread sees, the
// last mounted first. Without /proc nothing here works, and mounting fails then.
func mountsBelow(dir string) []string {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		field := strings.Fields(s.Text())
		if len(field) > 4 && strings.HasPrefix(field[4], filepath.Clean(dir)+"/") {
			out = append([]string{unescape(field[4])}, out...)
		}
	}
	return out
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
