package guest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// account is a line of /etc/passwd with the groups of /etc/group.
type account struct {
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
	home   string
	shell  string
}

// lookupAccount finds a user by name or number; "" is root.
func lookupAccount(root, name string) (*account, error) {
	if name == "" {
		name = "root"
	}
	for _, f := range colonFile(filepath.Join(root, "etc/passwd"), 7) {
		if f[0] != name && f[2] != name {
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("user %s: /etc/passwd has no number for it", name)
		}
		a := &account{name: f[0], uid: uint32(uid), gid: uint32(gid), home: f[5], shell: f[6]}
		a.groups = groupsOf(root, a)
		if a.shell == "" {
			a.shell = "/bin/sh"
		}
		return a, nil
	}
	if name == "root" {
		return &account{name: "root", home: "/root", shell: "/bin/sh"}, nil
	}
	return nil, fmt.Errorf("no user %s", name)
}

func groupsOf(root string, a *account) []uint32 {
	groups := []uint32{a.gid}
	for _, f := range colonFile(filepath.Join(root, "etc/group"), 4) {
		gid, err := strconv.ParseUint(f[2], 10, 32)
		if err == nil && slices.Contains(strings.Split(f[3], ","), a.name) && !slices.Contains(groups, uint32(gid)) {
			groups = append(groups, uint32(gid))
		}
	}
	return groups
}

// inGroup says whether the user belongs to one of the named groups.
func inGroup(root string, a *account, names ...string) bool {
	for _, f := range colonFile(filepath.Join(root, "etc/group"), 4) {
		gid, err := strconv.ParseUint(f[2], 10, 32)
		if err == nil && slices.Contains(names, f[0]) && slices.Contains(a.groups, uint32(gid)) {
			return true
		}
	}
	return false
}

func colonFile(path string, fields int) [][]string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var lines [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if p := strings.Split(s.Text(), ":"); len(p) >= fields {
			lines = append(lines, p)
		}
	}
	return lines
}

func (a *account) credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil // a test: everything runs as the one user there is
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
}

// env is a login's environment.
func (a *account) env() []string {
	return []string{"PATH=" + defaultPath, "HOME=" + a.home, "USER=" + a.name, "LOGNAME=" + a.name, "SHELL=" + a.shell}
}
