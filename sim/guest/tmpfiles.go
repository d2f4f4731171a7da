package guest

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// makeRuntimeDirs makes the directories in /run that the image's packages expect
// there (tmpfiles.d(5)): /run is in memory and empty at each boot, and there is no
// systemd that would make them.
func makeRuntimeDirs(root string) {
	makeRuntimeDir(root, []string{"d", "/run/lock", "1777"})
	seen := map[string]bool{}
	for _, dir := range []string{"etc/tmpfiles.d", "run/tmpfiles.d", "usr/lib/tmpfiles.d"} { // the first of a name counts
		files, _ := filepath.Glob(filepath.Join(root, dir, "*.conf"))
		for _, f := range files {
			if seen[filepath.Base(f)] {
				continue
			}
			seen[filepath.Base(f)] = true
			data, _ := os.ReadFile(f)
			for line := range strings.Lines(string(data)) {
				makeRuntimeDir(root, strings.Fields(line))
			}
		}
	}
}

// makeRuntimeDir does one line: TYPE PATH MODE USER GROUP, of which the last three
// may be missing or "-".
func makeRuntimeDir(root string, line []string) {
	for len(line) < 5 {
		line = append(line, "-")
	}
	kind := strings.TrimRight(line[0], "!+-=~^$")
	dir := path.Clean(line[1])
	if rest, ok := strings.CutPrefix(dir, "/var/run/"); ok {
		dir = "/run/" + rest
	}
	if !slices.Contains([]string{"d", "D", "v", "q", "Q"}, kind) || !strings.HasPrefix(dir, "/run/") || strings.Contains(dir, "%") {
		return
	}
	at := filepath.Join(root, dir)
	if os.MkdirAll(filepath.Dir(at), 0o755) != nil || os.Mkdir(at, 0o755) != nil {
		return // what is there already is somebody's
	}
	user, err := lookupAccount(root, strings.Trim(line[3], "-"))
	if err != nil {
		return
	}
	gid := user.gid
	if g := strings.Trim(line[4], "-"); g != "" {
		for _, f := range colonFile(filepath.Join(root, "etc/group"), 3) {
			if n, err := strconv.ParseUint(f[2], 10, 32); err == nil && (f[0] == g || f[2] == g) {
				gid = uint32(n)
			}
		}
	}
	os.Chown(at, int(user.uid), int(gid))
	if mode, err := strconv.ParseUint(strings.TrimLeft(line[2], "~:"), 8, 32); err == nil {
		unix.Chmod(at, uint32(mode)) // os.Chmod has its own idea of setgid and sticky
	}
}
