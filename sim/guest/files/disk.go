package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"labsim/sim/guest/applet"
)

// mounted is a line of /proc/self/mounts.
type mounted struct{ device, dir, kind, options string }

func mounts() []mounted {
	data, _ := os.ReadFile("/proc/self/mounts")
	var list []mounted
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`)
	for _, l := range strings.Split(string(data), "\n") {
		if f := strings.Fields(l); len(f) >= 4 {
			list = append(list, mounted{unescape.Replace(f[0]), unescape.Replace(f[1]), f[2], f[3]})
		}
	}
	return list
}

func mount(c *applet.Call) int {
	f, ok := c.Parse("t:o:arwv", "types=t", "options=o")
	if !ok {
		return 1
	}
	if len(c.Args) > 0 || f.Has('a') {
		return c.Fail("not supported yet: a volume is mounted where the lab file says")
	}
	for _, m := range mounts() {
		if !f.Has('t') || f.Get('t', "") == m.kind {
			fmt.Fprintf(c.Out, "%s on %s type %s (%s)\n", m.device, m.dir, m.kind, m.options)
		}
	}
	return 0
}

func umount(c *applet.Call) int {
	return c.Fail("not supported yet: a volume is mounted where the lab file says")
}

var pseudo = map[string]bool{"proc": true, "sysfs": true, "devpts": true, "mqueue": true, "cgroup": true, "cgroup2": true, "securityfs": true}

func df(c *applet.Call) int {
	f, ok := c.Parse("hkmiPTat:B:", "human-readable=h", "inodes=i", "portability=P", "print-type=T", "all=a")
	if !ok {
		return 1
	}
	show := func(n uint64) string { return strconv.FormatUint(n>>10, 10) }
	head := "1K-blocks"
	switch {
	case f.Has('h'):
		show, head = func(n uint64) string { return applet.Size(int64(n)) }, "Size"
	case f.Has('m'):
		show, head = func(n uint64) string { return strconv.FormatUint(n>>20, 10) }, "1M-blocks"
	}
	list := mounts()
	if len(c.Args) > 0 {
		list = nil
		for _, name := range c.Args {
			m, err := mountOf(name)
			if err != nil {
				return c.FailOn(name, err)
			}
			list = append(list, m)
		}
	}
	kind := func(s string) string {
		if f.Has('T') {
			return fmt.Sprintf("%-10s ", s)
		}
		return ""
	}
	used, avail := "Used", "Available"
	if f.Has('i') {
		head, used, avail = "Inodes", "IUsed", "IFree"
		show = func(n uint64) string { return strconv.FormatUint(n, 10) }
	}
	fmt.Fprintf(c.Out, "%-20s %s%10s %10s %10s %4s %s\n", "Filesystem", kind("Type"), head, used, avail, "Use%", "Mounted on")
	for _, m := range list {
		var s unix.Statfs_t
		if unix.Statfs(m.dir, &s) != nil || len(c.Args) == 0 && !f.Has('a') && (s.Blocks == 0 || pseudo[m.kind] || !isDir(m.dir)) {
			continue
		}
		unit := uint64(s.Bsize)
		total, free, left := s.Blocks*unit, s.Bfree*unit, s.Bavail*unit
		if f.Has('i') {
			total, free, left = s.Files, s.Ffree, s.Ffree
		}
		percent := "-"
		if whole := total - free + left; whole > 0 {
			percent = fmt.Sprintf("%d%%", ((total-free)*100+whole-1)/whole)
		}
		fmt.Fprintf(c.Out, "%-20s %s%10s %10s %10s %4s %s\n", m.device, kind(m.kind), show(total), show(total-free), show(left), percent, m.dir)
	}
	return 0
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// mountOf is the mount that holds name: the longest directory above it.
func mountOf(name string) (mounted, error) {
	path, err := filepath.Abs(name)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return mounted{}, err
	}
	var best mounted
	for _, m := range mounts() {
		if (path == m.dir || strings.HasPrefix(path, strings.TrimSuffix(m.dir, "/")+"/")) && len(m.dir) >= len(best.dir) {
			best = m
		}
	}
	return best, nil
}

func du(c *applet.Call) int {
	f, ok := c.Parse("shkmabcd:xL", "summarize=s", "human-readable=h", "all=a", "bytes=b", "total=c", "max-depth=d")
	if !ok {
		return 1
	}
	depth, ok := c.Int(f, 'd', 1<<30)
	if !ok {
		return 1
	}
	if f.Has('s') {
		depth = 0
	}
	show := func(n int64) string { return strconv.FormatInt((n+1023)>>10, 10) }
	switch {
	case f.Has('h'):
		show = applet.Size
	case f.Has('b'):
		show = func(n int64) string { return strconv.FormatInt(n, 10) }
	case f.Has('m'):
		show = func(n int64) string { return strconv.FormatInt((n+1<<20-1)>>20, 10) }
	}
	d := &usage{call: c, show: show, all: f.Has('a'), apparent: f.Has('b'), depth: depth, seen: map[uint64]bool{}}
	names := c.Args
	if len(names) == 0 {
		names = []string{"."}
	}
	var total int64
	for _, n := range names {
		total += d.sum(n, 0)
	}
	if f.Has('c') {
		fmt.Fprintf(c.Out, "%s\ttotal\n", show(total))
	}
	return d.status
}

type usage struct {
	call     *applet.Call
	show     func(int64) string
	all      bool
	apparent bool
	depth    int
	seen     map[uint64]bool // inodes with several links count once
	status   int
}

func (d *usage) sum(path string, level int) int64 {
	info, err := os.Lstat(path)
	if err != nil {
		d.status = d.call.FailOn(path, err)
		return 0
	}
	st := sys(info)
	if !info.IsDir() && st.Nlink > 1 {
		if d.seen[st.Ino] {
			return 0
		}
		d.seen[st.Ino] = true
	}
	size := st.Blocks * 512
	if d.apparent {
		size = st.Size
	}
	if info.IsDir() {
		list, err := os.ReadDir(path)
		if err != nil {
			d.status = d.call.FailOn(path, err)
		}
		for _, e := range list {
			size += d.sum(filepath.Join(path, e.Name()), level+1)
		}
	}
	if level == 0 || level <= d.depth && (info.IsDir() || d.all) {
		fmt.Fprintf(d.call.Out, "%s\t%s\n", d.show(size), path)
	}
	return size
}
