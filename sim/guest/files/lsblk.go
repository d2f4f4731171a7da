package files

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"labsim/sim/guest/applet"
)

// block is a block device of this instance, by the names of lsblk's columns.
type block map[string]string

var blockColumns = []string{"NAME", "MAJ:MIN", "SIZE", "RO", "TYPE", "MOUNTPOINTS"}

// lsblk lists the block devices that this instance has: those under its mounts
// and in its /dev. What /sys lists is the host's. A volume's serial is its id
// without the dash, as on EC2.
func lsblk(c *applet.Call) int {
	f, ok := c.Parse("fpnlabdrPo:J", "output=o", "noheadings=n", "raw=r", "bytes=b", "list=l", "nodeps=d", "fs=f")
	if !ok {
		return 1
	}
	columns := blockColumns
	if f.Has('f') {
		columns = []string{"NAME", "FSTYPE", "SIZE", "MOUNTPOINTS"}
	}
	if f.Has('o') {
		columns = strings.Split(strings.ToUpper(f.Get('o', "")), ",")
	}
	list := blocks(f.Has('b'))
	rows := [][]string{}
	if !f.Has('n') {
		rows = append(rows, columns)
	}
	known := block{"NAME": "", "MAJ:MIN": "", "SIZE": "", "RO": "", "TYPE": "", "MOUNTPOINT": "", "MOUNTPOINTS": "", "SERIAL": "", "FSTYPE": "", "KNAME": "", "PATH": ""}
	for _, col := range columns {
		if _, ok := known[col]; !ok {
			return c.Fail("unknown column: %s", col)
		}
	}
	for _, b := range list {
		row := make([]string, len(columns))
		for i, col := range columns {
			row[i] = b[col]
		}
		rows = append(rows, row)
	}
	printRows(c, rows, f.Has('r'))
	return 0
}

func printRows(c *applet.Call, rows [][]string, raw bool) {
	var width []int
	if len(rows) > 0 {
		width = make([]int, len(rows[0]))
	}
	for _, r := range rows {
		for i, t := range r {
			width[i] = max(width[i], len(t))
		}
	}
	for _, r := range rows {
		if raw {
			fmt.Fprintln(c.Out, strings.Join(r, " "))
			continue
		}
		var line strings.Builder
		for i, t := range r {
			fmt.Fprintf(&line, "%-*s ", width[i], t)
		}
		fmt.Fprintln(c.Out, strings.TrimRight(line.String(), " "))
	}
}

func blocks(inBytes bool) []block {
	size := applet.Size
	if inBytes {
		size = func(n int64) string { return strconv.FormatInt(n, 10) }
	}
	var list []block
	seen := map[uint64]bool{}
	add := func(name string, dev uint64, n int64, dir, kind, ro string) {
		seen[dev] = true
		number := fmt.Sprintf("%d:%d", major(dev), minor(dev))
		list = append(list, block{"NAME": name, "KNAME": name, "PATH": "/dev/" + name, "MAJ:MIN": number, "SIZE": size(n), "RO": ro, "TYPE": "disk",
			"MOUNTPOINT": dir, "MOUNTPOINTS": dir, "FSTYPE": kind, "SERIAL": serial(number)})
	}
	for _, m := range mounts() {
		info, err := os.Stat(m.dir)
		if !strings.HasPrefix(m.device, "/dev/") || err != nil || !info.IsDir() || m.dir == "/.labsim" {
			continue
		}
		var s unix.Statfs_t
		if unix.Statfs(m.dir, &s) == nil {
			ro := "0"
			if strings.HasPrefix(m.options, "ro") {
				ro = "1"
			}
			n := blockSize(fmt.Sprintf("%d:%d", major(sys(info).Dev), minor(sys(info).Dev)))
			if n == 0 {
				n = int64(s.Blocks) * int64(s.Bsize)
			}
			add(filepath.Base(m.device), sys(info).Dev, n, m.dir, m.kind, ro)
		}
	}
	devices, _ := os.ReadDir("/dev")
	for _, e := range devices {
		info, err := e.Info()
		if err == nil && info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0 && !seen[sys(info).Rdev] {
			add(e.Name(), sys(info).Rdev, deviceSize("/dev/"+e.Name()), "", "", "0")
		}
	}
	return list
}

// blockSize is the size in bytes that the kernel tells of a device, or 0.
func blockSize(number string) int64 {
	data, err := os.ReadFile("/sys/dev/block/" + number + "/size")
	if err != nil {
		return 0
	}
	sectors, _ := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return sectors * 512
}

// serial is vol0123... of a volume: its file bears its id.
func serial(number string) string {
	data, err := os.ReadFile("/sys/dev/block/" + number + "/loop/backing_file")
	if err != nil {
		return ""
	}
	name := filepath.Base(strings.TrimSuffix(strings.TrimSpace(string(data)), " (deleted)"))
	id, ok := strings.CutPrefix(strings.TrimSuffix(name, ".img"), "vol-")
	if !ok {
		return ""
	}
	return "vol" + id
}

func deviceSize(name string) int64 {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	n, _ := f.Seek(0, io.SeekEnd)
	return n
}
