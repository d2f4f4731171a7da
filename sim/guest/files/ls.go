package files

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"labsim/sim/guest/applet"
)

type lister struct {
	call  *applet.Call
	flags applet.Flags
	width int // of the terminal; 0 is one name a line
	users map[uint32]string
	group map[uint32]string
}

// entry is one line of ls.
type entry struct {
	name string
	info fs.FileInfo
	link string
}

func ls(c *applet.Call) int {
	f, ok := c.Parse("laA1dhRtSrFinpgoHLUCxks", "all=a", "almost-all=A", "human-readable=h", "directory=d", "recursive=R", "reverse=r", "color=C", "inode=i")
	if !ok {
		return 2
	}
	l := &lister{call: c, flags: f, users: map[uint32]string{}, group: map[uint32]string{}}
	if out, isFile := c.Out.(*os.File); isFile && !f.Has('1') {
		if w, _, err := term.GetSize(int(out.Fd())); err == nil {
			l.width = w
		}
	}
	names := c.Args
	if len(names) == 0 {
		names = []string{"."}
	}
	w := c.Buffer()
	defer w.Flush()
	status := 0
	var plain, dirs []entry
	for _, n := range names {
		info, err := os.Lstat(n)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 && (!f.Has('l') || f.Has('L')) && !f.Has('d') {
			if target, terr := os.Stat(n); terr == nil {
				info = target
			}
		}
		if err != nil {
			status = c.FailOn(n, err)
			continue
		}
		if info.IsDir() && !f.Has('d') {
			dirs = append(dirs, entry{name: n, info: info})
		} else {
			plain = append(plain, l.entry(n, n, info))
		}
	}
	l.sort(plain)
	l.print(w, plain, false)
	for i, d := range dirs {
		if len(names) > 1 || f.Has('R') {
			if i > 0 || len(plain) > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "%s:\n", d.name)
		}
		if l.directory(w, d.name) != nil {
			status = 1
		}
	}
	return status
}

func (l *lister) directory(w io.Writer, dir string) error {
	found, err := os.ReadDir(dir)
	if err != nil {
		l.call.FailOn(dir, err)
		return err
	}
	var list []entry
	if l.flags.Has('a') {
		for _, n := range []string{".", ".."} {
			if info, err := os.Lstat(filepath.Join(dir, n)); err == nil {
				list = append(list, entry{name: n, info: info})
			}
		}
	}
	for _, e := range found {
		if strings.HasPrefix(e.Name(), ".") && !l.flags.Has('a', 'A') {
			continue
		}
		if info, err := e.Info(); err == nil {
			list = append(list, l.entry(filepath.Join(dir, e.Name()), e.Name(), info))
		}
	}
	l.sort(list)
	l.print(w, list, true)
	if !l.flags.Has('R') {
		return nil
	}
	for _, e := range list {
		if e.info.IsDir() && e.name != "." && e.name != ".." {
			sub := filepath.Join(dir, e.name)
			fmt.Fprintf(w, "\n%s:\n", sub)
			if serr := l.directory(w, sub); serr != nil {
				err = serr
			}
		}
	}
	return err
}

func (l *lister) entry(path, name string, info fs.FileInfo) entry {
	e := entry{name: name, info: info}
	if info.Mode()&fs.ModeSymlink != 0 {
		if l.flags.Has('L') {
			if target, err := os.Stat(path); err == nil {
				e.info = target
				return e
			}
		}
		e.link, _ = os.Readlink(path)
	}
	return e
}

func (l *lister) sort(list []entry) {
	if l.flags.Has('U') {
		return
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		n := 0
		switch {
		case l.flags.Has('t'):
			n = b.info.ModTime().Compare(a.info.ModTime())
		case l.flags.Has('S'):
			n = cmp.Compare(b.info.Size(), a.info.Size())
		}
		if n == 0 {
			n = strings.Compare(a.name, b.name)
		}
		if l.flags.Has('r') {
			n = -n
		}
		return n
	})
}

func (l *lister) print(w io.Writer, list []entry, total bool) {
	if l.flags.Has('l', 'n', 'g', 'o') {
		l.long(w, list, total)
		return
	}
	names := make([]string, len(list))
	widest := 0
	for i, e := range list {
		names[i] = e.name + l.mark(e)
		if l.flags.Has('i') {
			names[i] = fmt.Sprintf("%d %s", sys(e.info).Ino, names[i])
		}
		widest = max(widest, len([]rune(names[i])))
	}
	perLine := 1
	if l.width > 0 && len(names) > 0 {
		perLine = max(1, l.width/(widest+2))
	}
	rows := (len(names) + perLine - 1) / perLine
	for r := range rows {
		var line strings.Builder
		for i := r; i < len(names); i += rows {
			line.WriteString(names[i])
			if i+rows < len(names) {
				line.WriteString(strings.Repeat(" ", widest+2-len([]rune(names[i]))))
			}
		}
		fmt.Fprintln(w, line.String())
	}
}

func (l *lister) mark(e entry) string {
	if !l.flags.Has('F', 'p') {
		return ""
	}
	m := e.info.Mode()
	switch {
	case m.IsDir():
		return "/"
	case l.flags.Has('p'):
		return ""
	case m&fs.ModeSymlink != 0:
		return "@"
	case m&fs.ModeNamedPipe != 0:
		return "|"
	case m&fs.ModeSocket != 0:
		return "="
	case m&0o111 != 0:
		return "*"
	}
	return ""
}

func (l *lister) long(w io.Writer, list []entry, total bool) {
	var blocks int64
	rows := make([][]string, len(list))
	width := make([]int, 5)
	for i, e := range list {
		st := sys(e.info)
		blocks += st.Blocks
		rows[i] = []string{strconv.FormatUint(uint64(st.Nlink), 10), l.user(st.Uid), l.groupName(st.Gid), l.size(e.info, st)}
		for j, t := range rows[i] {
			width[j] = max(width[j], len(t))
		}
	}
	if total {
		n := strconv.FormatInt(blocks/2, 10)
		if l.flags.Has('h') {
			n = applet.Size(blocks * 512)
		}
		fmt.Fprintf(w, "total %s\n", n)
	}
	for i, e := range list {
		r := rows[i]
		if l.flags.Has('i') {
			fmt.Fprintf(w, "%8d ", sys(e.info).Ino)
		}
		fmt.Fprintf(w, "%s %*s ", ModeString(e.info.Mode()), width[0], r[0])
		if !l.flags.Has('g') {
			fmt.Fprintf(w, "%-*s ", width[1], r[1])
		}
		if !l.flags.Has('o') {
			fmt.Fprintf(w, "%-*s ", width[2], r[2])
		}
		fmt.Fprintf(w, "%*s %s %s%s", width[3], r[3], when(e.info.ModTime()), e.name, l.mark(e))
		if e.link != "" {
			fmt.Fprintf(w, " -> %s", e.link)
		}
		fmt.Fprintln(w)
	}
}

func (l *lister) size(info fs.FileInfo, st *syscall.Stat_t) string {
	switch {
	case info.Mode()&fs.ModeDevice != 0:
		return fmt.Sprintf("%d, %3d", major(st.Rdev), minor(st.Rdev))
	case l.flags.Has('h'):
		return applet.Size(info.Size())
	}
	return strconv.FormatInt(info.Size(), 10)
}

func (l *lister) user(uid uint32) string {
	if l.flags.Has('n') {
		return strconv.FormatUint(uint64(uid), 10)
	}
	if l.users[uid] == "" {
		l.users[uid] = userName(uid)
	}
	return l.users[uid]
}

func (l *lister) groupName(gid uint32) string {
	if l.flags.Has('n') {
		return strconv.FormatUint(uint64(gid), 10)
	}
	if l.group[gid] == "" {
		l.group[gid] = groupName(gid)
	}
	return l.group[gid]
}

func when(t time.Time) string {
	t = t.Local()
	if age := time.Since(t); age > 180*24*time.Hour || age < -time.Hour {
		return t.Format("Jan _2  2006")
	}
	return t.Format("Jan _2 15:04")
}

func sys(info fs.FileInfo) *syscall.Stat_t {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st
	}
	return &syscall.Stat_t{}
}

// ModeString is drwxr-xr-x.
func ModeString(m fs.FileMode) string {
	kind := byte('-')
	switch {
	case m.IsDir():
		kind = 'd'
	case m&fs.ModeSymlink != 0:
		kind = 'l'
	case m&fs.ModeNamedPipe != 0:
		kind = 'p'
	case m&fs.ModeSocket != 0:
		kind = 's'
	case m&fs.ModeCharDevice != 0:
		kind = 'c'
	case m&fs.ModeDevice != 0:
		kind = 'b'
	}
	b := []byte("?rwxrwxrwx")
	b[0] = kind
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			b[i+1] = '-'
		}
	}
	for _, s := range []struct {
		bit fs.FileMode
		at  int
		on  byte
	}{{fs.ModeSetuid, 3, 's'}, {fs.ModeSetgid, 6, 's'}, {fs.ModeSticky, 9, 't'}} {
		if m&s.bit != 0 {
			if b[s.at] == '-' {
				b[s.at] = s.on - 'a' + 'A'
			} else {
				b[s.at] = s.on
			}
		}
	}
	return string(b)
}

func major(dev uint64) uint64 { return dev>>8&0xfff | dev>>32&^0xfff }
func minor(dev uint64) uint64 { return dev&0xff | dev>>12&^0xff }

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
