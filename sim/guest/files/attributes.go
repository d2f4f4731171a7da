package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"labsim/sim/guest/applet"
)

// parseMode reads an octal mode or a symbolic one (u+x,go-w,a=rX) that changes old.
func parseMode(text string, old fs.FileMode, mask uint32) (fs.FileMode, error) {
	if n, err := strconv.ParseUint(text, 8, 32); err == nil {
		if n > 0o7777 {
			return 0, fmt.Errorf("invalid mode '%s'", text)
		}
		return fileMode(uint32(n)), nil
	}
	bits := unixMode(old)
	for _, clause := range strings.Split(text, ",") {
		at := strings.IndexAny(clause, "+-=")
		if at < 0 {
			return 0, fmt.Errorf("invalid mode '%s'", text)
		}
		who, limit := uint32(0), uint32(0o7777)
		for _, w := range clause[:at] {
			switch w {
			case 'u':
				who |= 0o4700
			case 'g':
				who |= 0o2070
			case 'o':
				who |= 0o1007
			case 'a':
				who |= 0o7777
			default:
				return 0, fmt.Errorf("invalid mode '%s'", text)
			}
		}
		if at == 0 {
			who, limit = 0o7777, ^mask
		}
		for rest := clause[at:]; rest != ""; {
			op := rest[0]
			end := strings.IndexAny(rest[1:], "+-=") + 1
			if end == 0 {
				end = len(rest)
			}
			perm, err := permBits(rest[1:end], bits, old.IsDir())
			if err != nil {
				return 0, fmt.Errorf("invalid mode '%s'", text)
			}
			perm &= who & limit
			switch op {
			case '+':
				bits |= perm
			case '-':
				bits &^= perm
			case '=':
				bits = bits&^(who&0o777) | perm
			}
			rest = rest[end:]
		}
	}
	return fileMode(bits), nil
}

func permBits(letters string, old uint32, dir bool) (uint32, error) {
	var p uint32
	for _, l := range letters {
		switch l {
		case 'r':
			p |= 0o444
		case 'w':
			p |= 0o222
		case 'x':
			p |= 0o111
		case 'X':
			if dir || old&0o111 != 0 {
				p |= 0o111
			}
		case 's':
			p |= 0o6000
		case 't':
			p |= 0o1000
		case 'u':
			p |= old >> 6 & 7 * 0o111
		case 'g':
			p |= old >> 3 & 7 * 0o111
		case 'o':
			p |= old & 7 * 0o111
		default:
			return 0, errors.New("bad letter")
		}
	}
	return p, nil
}

func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, s := range special {
		if m&s.mode != 0 {
			bits |= s.bit
		}
	}
	return bits
}

func fileMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for _, s := range special {
		if bits&s.bit != 0 {
			m |= s.mode
		}
	}
	return m
}

var special = []struct {
	bit  uint32
	mode fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

func umask() uint32 {
	old := unix.Umask(0)
	unix.Umask(old)
	return uint32(old)
}

// walk calls f for name, and with recursive for all below it.
func walk(c *applet.Call, name string, recursive bool, f func(path string, info fs.FileInfo) error) (status int) {
	info, err := os.Lstat(name)
	if err == nil {
		err = f(name, info)
	}
	if err != nil {
		return c.FailOn(name, err)
	}
	if !recursive || !info.IsDir() {
		return 0
	}
	filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if path == name && err == nil {
			return nil
		}
		if err == nil {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				err = f(path, info)
			}
		}
		if err != nil {
			status = c.FailOn(path, err)
		}
		return nil
	})
	return status
}

func chmod(c *applet.Call) int {
	// A mode may begin with '-': take it before the flags are read.
	var mode string
	for i, a := range c.Args {
		if len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "rwxXst") == "" && a != "-R" {
			mode = a
			c.Args = append(append([]string{}, c.Args[:i]...), c.Args[i+1:]...)
			break
		}
	}
	f, ok := c.Parse("Rvcf", "recursive=R", "verbose=v")
	if !ok {
		return 1
	}
	if mode == "" && len(c.Args) > 0 {
		mode, c.Args = c.Args[0], c.Args[1:]
	}
	if mode == "" || len(c.Args) == 0 {
		return c.Usage("[-R] MODE FILE...")
	}
	mask := umask()
	status := 0
	for _, name := range c.Args {
		status |= walk(c, name, f.Has('R'), func(path string, info fs.FileInfo) error {
			if info.Mode()&fs.ModeSymlink != 0 {
				if path != name {
					return nil
				}
				target, err := os.Stat(path)
				if err != nil {
					return err
				}
				info = target
			}
			m, err := parseMode(mode, info.Mode(), mask)
			if err != nil {
				return err
			}
			return os.Chmod(path, m)
		})
	}
	return status
}

// parseOwner reads USER[:GROUP] or :GROUP; -1 leaves one as it is.
func parseOwner(text string) (uid, gid int, err error) {
	uid, gid = -1, -1
	owner, group, both := strings.Cut(text, ":")
	if owner != "" {
		if uid, err = strconv.Atoi(owner); err != nil {
			u, uerr := user.Lookup(owner)
			if uerr != nil {
				return 0, 0, fmt.Errorf("unknown user %s", owner)
			}
			uid, _ = strconv.Atoi(u.Uid)
			if both && group == "" {
				group = u.Gid
			}
		}
	}
	if group != "" {
		if gid, err = strconv.Atoi(group); err != nil {
			g, gerr := user.LookupGroup(group)
			if gerr != nil {
				return 0, 0, fmt.Errorf("unknown group %s", group)
			}
			gid, _ = strconv.Atoi(g.Gid)
		}
	}
	return uid, gid, nil
}

func chown(c *applet.Call) int {
	f, ok := c.Parse("Rhvcf", "recursive=R", "no-dereference=h", "verbose=v")
	if !ok {
		return 1
	}
	if len(c.Args) < 2 {
		return c.Usage("[-R] OWNER[:GROUP] FILE...")
	}
	who := c.Args[0]
	if c.Name == "chgrp" {
		who = ":" + who
	}
	uid, gid, err := parseOwner(who)
	if err != nil {
		return c.Fail("%v", err)
	}
	status := 0
	for _, name := range c.Args[1:] {
		status |= walk(c, name, f.Has('R'), func(path string, info fs.FileInfo) error {
			if f.Has('h', 'R') {
				return os.Lchown(path, uid, gid)
			}
			return os.Chown(path, uid, gid)
		})
	}
	return status
}

func mkdir(c *applet.Call) int {
	f, ok := c.Parse("pm:v", "parents=p", "mode=m", "verbose=v")
	if !ok {
		return 1
	}
	if len(c.Args) == 0 {
		return c.Usage("[-p] [-m MODE] DIRECTORY...")
	}
	status := 0
	for _, d := range c.Args {
		var err error
		if f.Has('p') {
			err = os.MkdirAll(d, 0o777)
		} else {
			err = os.Mkdir(d, 0o777)
		}
		if err == nil && f.Has('m') {
			var m fs.FileMode
			if m, err = parseMode(f.Get('m', ""), 0o777, 0); err == nil {
				err = os.Chmod(d, m)
			}
		}
		if err != nil {
			status = c.Fail("can't create directory '%s': %v", d, applet.Cause(err))
		}
	}
	return status
}

func rmdir(c *applet.Call) int {
	f, ok := c.Parse("pv", "parents=p", "ignore-fail-on-non-empty=v")
	if !ok {
		return 1
	}
	status := 0
	for _, d := range c.Args {
		for {
			if err := syscall.Rmdir(d); err != nil {
				status = c.FailOn(d, err)
				break
			}
			if d = filepath.Dir(d); !f.Has('p') || d == "." || d == "/" {
				break
			}
		}
	}
	return status
}

func ln(c *applet.Call) int {
	f, ok := c.Parse("sfnvTrt:", "symbolic=s", "force=f", "no-dereference=n", "verbose=v")
	if !ok {
		return 1
	}
	if len(c.Args) == 1 {
		c.Args = append(c.Args, ".")
	}
	if len(c.Args) == 2 {
		if st, err := os.Lstat(c.Args[1]); err == nil && f.Has('n') && st.Mode()&fs.ModeSymlink != 0 {
			f['T'] = nil
		}
	}
	return eachTarget(c, f, func(from, to string) error {
		if f.Has('f') {
			if info, err := os.Lstat(to); err == nil && !info.IsDir() {
				os.Remove(to)
			}
		}
		if f.Has('s') {
			return os.Symlink(from, to)
		}
		return os.Link(from, to)
	}, func() int { return 0 })
}
