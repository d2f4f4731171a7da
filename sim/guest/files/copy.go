package files

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"labsim/sim/guest/applet"
)

// copier is cp, and mv between file systems.
type copier struct {
	call      *applet.Call
	recursive bool
	links     bool // copy symbolic links as such
	preserve  bool
	force     bool
	verbose   bool
	update    bool
	noClobber bool
	status    int
}

func cp(c *applet.Call) int {
	f, ok := c.Parse("aRrpdPLHfivTnut:l", "recursive=r", "archive=a", "force=f", "verbose=v", "no-clobber=n", "update=u", "target-directory=t", "preserve=p")
	if !ok {
		return 1
	}
	k := &copier{call: c, recursive: f.Has('R', 'r', 'a'), links: f.Has('a', 'd', 'P') || f.Has('R', 'r') && !f.Has('L'),
		preserve: f.Has('a', 'p'), force: f.Has('f'), verbose: f.Has('v'), update: f.Has('u'), noClobber: f.Has('n')}
	return eachTarget(c, f, func(from, to string) error { return k.copy(from, to) }, func() int { return k.status })
}

// eachTarget calls do for each pair of source and target of `cp A... B`.
func eachTarget(c *applet.Call, f applet.Flags, do func(from, to string) error, status func() int) int {
	args := c.Args
	if f.Has('t') {
		args = append(args, f.Get('t', ""))
	}
	if len(args) < 2 {
		return c.Usage("SOURCE... TARGET")
	}
	target, sources := args[len(args)-1], args[:len(args)-1]
	st, err := os.Stat(target)
	isDir := err == nil && st.IsDir() && !f.Has('T')
	if len(sources) > 1 && !isDir {
		return c.Fail("target '%s' is not a directory", target)
	}
	code := 0
	for _, from := range sources {
		to := target
		if isDir {
			to = filepath.Join(target, filepath.Base(from))
		}
		if err := do(from, to); err != nil {
			code = c.FailOn(from, err)
		}
	}
	return max(code, status())
}

func (k *copier) copy(from, to string) error {
	stat := os.Stat
	if k.links {
		stat = os.Lstat
	}
	info, err := stat(from)
	if err != nil {
		return err
	}
	if old, err := os.Stat(to); err == nil {
		switch {
		case os.SameFile(info, old):
			return errors.New("source and target are the same file")
		case k.noClobber, k.update && !info.ModTime().After(old.ModTime()):
			return nil
		}
	}
	if k.verbose {
		fmt.Fprintf(k.call.Out, "'%s' -> '%s'\n", from, to)
	}
	switch {
	case info.IsDir():
		if !k.recursive {
			return errors.New("omitting directory (use -r)")
		}
		return k.directory(from, to, info)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		os.Remove(to)
		if err := os.Symlink(target, to); err != nil {
			return err
		}
		if k.preserve {
			os.Lchown(to, int(sys(info).Uid), int(sys(info).Gid))
		}
		return nil
	case info.Mode()&fs.ModeNamedPipe != 0:
		err = syscall.Mkfifo(to, uint32(info.Mode().Perm()))
	default:
		err = k.file(from, to, info)
	}
	if err != nil {
		return err
	}
	return k.attributes(to, info)
}

func (k *copier) directory(from, to string, info fs.FileInfo) error {
	if strings.HasPrefix(filepath.Clean(to)+"/", filepath.Clean(from)+"/") {
		return errors.New("can't copy a directory into itself")
	}
	if err := os.Mkdir(to, info.Mode().Perm()|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range list {
		path := filepath.Join(from, e.Name())
		if err := k.copy(path, filepath.Join(to, e.Name())); err != nil {
			k.status = k.call.FailOn(path, err)
		}
	}
	os.Chmod(to, info.Mode().Perm())
	return k.attributes(to, info)
}

func (k *copier) file(from, to string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil && k.force {
		os.Remove(to)
		out, err = os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func (k *copier) attributes(to string, info fs.FileInfo) error {
	if !k.preserve {
		return nil
	}
	st := sys(info)
	os.Chown(to, int(st.Uid), int(st.Gid)) // only root may
	if err := os.Chmod(to, info.Mode()); err != nil {
		return err
	}
	return os.Chtimes(to, time.Unix(st.Atim.Unix()), info.ModTime())
}

func mv(c *applet.Call) int {
	f, ok := c.Parse("finuvTt:", "force=f", "no-clobber=n", "verbose=v", "target-directory=t")
	if !ok {
		return 1
	}
	return eachTarget(c, f, func(from, to string) error {
		if _, err := os.Lstat(from); err != nil {
			return err
		}
		if _, err := os.Lstat(to); err == nil && f.Has('n') {
			return nil
		}
		if f.Has('v') {
			fmt.Fprintf(c.Out, "'%s' -> '%s'\n", from, to)
		}
		err := os.Rename(from, to)
		if !errors.Is(err, syscall.EXDEV) {
			return err
		}
		k := &copier{call: c, recursive: true, links: true, preserve: true, force: true}
		if err := k.copy(from, to); err != nil || k.status != 0 {
			return err
		}
		return os.RemoveAll(from)
	}, func() int { return 0 })
}

func rm(c *applet.Call) int {
	f, ok := c.Parse("rRfivd", "recursive=r", "force=f", "verbose=v")
	if !ok {
		return 1
	}
	if len(c.Args) == 0 && !f.Has('f') {
		return c.Usage("[-rf] FILE...")
	}
	answers := bufio.NewReader(c.In)
	status := 0
	for _, name := range c.Args {
		if base := filepath.Base(name); base == "." || base == ".." || filepath.Clean(name) == "/" {
			status = c.Fail("refusing to remove '%s'", name)
			continue
		}
		info, err := os.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.Has('f'):
			continue
		case err != nil:
			status = c.FailOn(name, err)
			continue
		case info.IsDir() && !f.Has('r', 'R', 'd'):
			status = c.Fail("'%s' is a directory", name)
			continue
		}
		if f.Has('i') {
			fmt.Fprintf(c.Err, "rm: remove '%s'? ", name)
			if line, _ := answers.ReadString('\n'); !strings.HasPrefix(strings.ToLower(line), "y") {
				continue
			}
		}
		if f.Has('r', 'R') {
			err = os.RemoveAll(name)
		} else {
			err = os.Remove(name)
		}
		if err != nil {
			status = c.FailOn(name, err)
		} else if f.Has('v') {
			fmt.Fprintf(c.Out, "removed '%s'\n", name)
		}
	}
	return status
}

// install is cp with a mode and an owner.
func install(c *applet.Call) int {
	f, ok := c.Parse("dDm:o:g:vCt:Ts", "mode=m", "owner=o", "group=g", "directory=d")
	if !ok {
		return 1
	}
	mode := f.Get('m', "755")
	finish := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		m, err := parseMode(mode, info.Mode(), 0)
		if err != nil {
			return err
		}
		if f.Has('o', 'g') {
			uid, gid, err := parseOwner(f.Get('o', "") + ":" + f.Get('g', ""))
			if err != nil {
				return err
			}
			if err := os.Chown(path, uid, gid); err != nil {
				return err
			}
		}
		return os.Chmod(path, m)
	}
	if f.Has('d') {
		status := 0
		for _, d := range c.Args {
			err := os.MkdirAll(d, 0o755)
			if err == nil {
				err = finish(d)
			}
			if err != nil {
				status = c.FailOn(d, err)
			}
		}
		return status
	}
	k := &copier{call: c, force: true, verbose: f.Has('v')}
	return eachTarget(c, f, func(from, to string) error {
		if f.Has('D') {
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
		}
		if err := k.copy(from, to); err != nil {
			return err
		}
		return finish(to)
	}, func() int { return k.status })
}
