package files

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"labsim/sim/guest/applet"
)

func stat(c *applet.Call) int {
	f, ok := c.Parse("Lc:ft", "dereference=L", "format=c", "printf=c")
	if !ok {
		return 1
	}
	status := 0
	for _, name := range c.Args {
		look := os.Lstat
		if f.Has('L') {
			look = os.Stat
		}
		info, err := look(name)
		if err != nil {
			status = c.FailOn(name, err)
			continue
		}
		if f.Has('c') {
			fmt.Fprintln(c.Out, statFormat(f.Get('c', ""), name, info))
			continue
		}
		st := sys(info)
		fmt.Fprintf(c.Out, "  File: %s\n  Size: %-15d Blocks: %-10d IO Block: %-6d %s\nDevice: %d,%d\tInode: %-11d Links: %d\n",
			shownName(name, info), st.Size, st.Blocks, st.Blksize, fileKind(info.Mode()), major(st.Dev), minor(st.Dev), st.Ino, st.Nlink)
		fmt.Fprintf(c.Out, "Access: (%04o/%s)  Uid: (%5d/%8s)   Gid: (%5d/%8s)\n", unixMode(info.Mode()), ModeString(info.Mode()),
			st.Uid, userName(st.Uid), st.Gid, groupName(st.Gid))
		fmt.Fprintf(c.Out, "Access: %s\nModify: %s\nChange: %s\n", stamp(st.Atim), stamp(st.Mtim), stamp(st.Ctim))
	}
	return status
}

func shownName(name string, info fs.FileInfo) string {
	if target, err := os.Readlink(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return name + " -> " + target
	}
	return name
}

func stamp(t syscall.Timespec) string {
	return time.Unix(t.Unix()).Format("2006-01-02 15:04:05.000000000 -0700")
}

func fileKind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "fifo"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeCharDevice != 0:
		return "character special file"
	case m&fs.ModeDevice != 0:
		return "block special file"
	}
	return "regular file"
}

func statFormat(format, name string, info fs.FileInfo) string {
	st := sys(info)
	num := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return strings.NewReplacer("%n", name, "%N", "'"+shownName(name, info)+"'", "%s", num(uint64(st.Size)), "%a", fmt.Sprintf("%o", unixMode(info.Mode())),
		"%A", ModeString(info.Mode()), "%U", userName(st.Uid), "%G", groupName(st.Gid), "%u", num(uint64(st.Uid)), "%g", num(uint64(st.Gid)),
		"%F", fileKind(info.Mode()), "%i", num(st.Ino), "%h", num(uint64(st.Nlink)), "%b", num(uint64(st.Blocks)), "%B", "512",
		"%X", num(uint64(st.Atim.Sec)), "%Y", num(uint64(st.Mtim.Sec)), "%Z", num(uint64(st.Ctim.Sec)),
		"%x", stamp(st.Atim), "%y", stamp(st.Mtim), "%z", stamp(st.Ctim), "%d", num(st.Dev), "%t", fmt.Sprintf("%x", major(st.Rdev)),
		"%T", fmt.Sprintf("%x", minor(st.Rdev)), "%f", fmt.Sprintf("%x", st.Mode), "%%", "%", `\n`, "\n", `\t`, "\t").Replace(format)
}
