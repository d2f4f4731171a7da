package files

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"labsim/sim/guest/applet"
)

func pwd(c *applet.Call) int {
	f, ok := c.Parse("LP")
	if !ok {
		return 1
	}
	dir, err := os.Getwd()
	if err == nil && f.Has('P') {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return c.Fail("%v", applet.Cause(err))
	}
	fmt.Fprintln(c.Out, dir)
	return 0
}

func basename(c *applet.Call) int {
	f, ok := c.Parse("+as:", "multiple=a", "suffix=s")
	if !ok || len(c.Args) == 0 {
		return c.Usage("NAME [SUFFIX]")
	}
	suffix, names := f.Get('s', ""), c.Args
	if !f.Has('a', 's') {
		if len(names) > 1 {
			suffix = names[1]
		}
		names = names[:1]
	}
	for _, n := range names {
		b := filepath.Base(n)
		if b != suffix {
			b = strings.TrimSuffix(b, suffix)
		}
		fmt.Fprintln(c.Out, b)
	}
	return 0
}

func dirname(c *applet.Call) int {
	if len(c.Args) == 0 {
		return c.Usage("NAME...")
	}
	for _, n := range c.Args {
		fmt.Fprintln(c.Out, filepath.Dir(strings.TrimRight(n, "/")+strings.Repeat("/", bool2int(strings.Trim(n, "/") == "" && n != ""))))
	}
	return 0
}

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}

func readlink(c *applet.Call) int {
	f, ok := c.Parse("femnqsv", "canonicalize=f", "canonicalize-existing=e", "canonicalize-missing=m", "no-newline=n")
	if !ok {
		return 1
	}
	if len(c.Args) == 0 {
		return c.Usage("[-fn] FILE...")
	}
	status := 0
	for _, name := range c.Args {
		var target string
		var err error
		if f.Has('f', 'e', 'm') {
			target, err = canonical(name, f.Has('e'), f.Has('m'))
		} else {
			target, err = os.Readlink(name)
		}
		if err != nil {
			status = 1
			continue
		}
		fmt.Fprint(c.Out, target)
		if !f.Has('n') {
			fmt.Fprintln(c.Out)
		}
	}
	return status
}

func realpath(c *applet.Call) int {
	f, ok := c.Parse("emsqLP", "canonicalize-existing=e", "canonicalize-missing=m", "no-symlinks=s")
	if !ok {
		return 1
	}
	status := 0
	for _, name := range c.Args {
		target, err := canonical(name, f.Has('e'), f.Has('m'))
		if f.Has('s') {
			target, err = filepath.Abs(name)
		}
		if err != nil {
			status = c.FailOn(name, err)
			continue
		}
		fmt.Fprintln(c.Out, target)
	}
	return status
}

// canonical resolves all links; the last part need not exist, with missing none.
func canonical(name string, exist, missing bool) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(abs)
	if err == nil || exist || !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	dir, derr := filepath.EvalSymlinks(filepath.Dir(abs))
	if derr == nil {
		return filepath.Join(dir, filepath.Base(abs)), nil
	}
	if missing {
		return abs, nil
	}
	return "", err
}

func mktemp(c *applet.Call) int {
	f, ok := c.Parse("dp:tuq", "directory=d", "tmpdir=p", "dry-run=u", "quiet=q")
	if !ok {
		return 1
	}
	template := "tmp.XXXXXXXXXX"
	dir := f.Get('p', os.Getenv("TMPDIR"))
	if dir == "" {
		dir = "/tmp"
	}
	if len(c.Args) > 0 {
		template = c.Args[0]
		if !f.Has('p', 't') {
			dir = ""
		}
	}
	stem := strings.TrimRight(template, "X")
	xs := len(template) - len(stem)
	if xs < 3 {
		return c.Fail("too few X's in template '%s'", template)
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for range 1000 {
		name := []byte(stem)
		for range xs {
			name = append(name, letters[rand.IntN(len(letters))])
		}
		path := string(name)
		if dir != "" {
			path = strings.TrimSuffix(dir, "/") + "/" + path
		}
		var err error
		switch {
		case f.Has('u'):
			_, err = os.Lstat(path)
			if err == nil {
				err = fs.ErrExist
			} else {
				err = nil
			}
		case f.Has('d'):
			err = os.Mkdir(path, 0o700)
		default:
			var file *os.File
			if file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				file.Close()
			}
		}
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return c.FailOn(path, err)
		}
		fmt.Fprintln(c.Out, path)
		return 0
	}
	return c.Fail("no free name for '%s'", template)
}

func mkfifo(c *applet.Call) int {
	f, ok := c.Parse("m:", "mode=m")
	if !ok {
		return 1
	}
	mode, err := parseMode(f.Get('m', "666"), 0, 0)
	if err != nil {
		return c.Fail("%v", err)
	}
	status := 0
	for _, n := range c.Args {
		if err := syscall.Mkfifo(n, uint32(mode.Perm())); err != nil {
			status = c.FailOn(n, err)
		}
	}
	return status
}

// bytesOf reads 10, 4k, 2M, 1G.
func bytesOf(s string) (int64, error) {
	shift := 0
	number := strings.TrimSuffix(strings.TrimSuffix(s, "B"), "i")
	if number != "" {
		if i := strings.IndexByte("KMGT", number[len(number)-1]&^0x20); i >= 0 {
			shift, number = 10*(i+1), number[:len(number)-1]
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > 1<<62>>shift || n < 0 {
		return 0, fmt.Errorf("invalid number '%s'", s)
	}
	return n << shift, nil
}

func truncate(c *applet.Call) int {
	f, ok := c.Parse("s:c", "size=s", "no-create=c")
	if !ok {
		return 1
	}
	n, err := bytesOf(f.Get('s', ""))
	if err != nil {
		return c.Fail("%v", err)
	}
	status := 0
	for _, name := range c.Args {
		flag := os.O_WRONLY | os.O_CREATE
		if f.Has('c') {
			flag = os.O_WRONLY
		}
		file, err := os.OpenFile(name, flag, 0o666)
		if err == nil {
			err = file.Truncate(n)
			file.Close()
		}
		if err != nil {
			status = c.FailOn(name, err)
		}
	}
	return status
}

func which(c *applet.Call) int {
	f, ok := c.Parse("a", "all=a")
	if !ok {
		return 1
	}
	status := 0
	for _, name := range c.Args {
		found := false
		dirs := filepath.SplitList(os.Getenv("PATH"))
		if strings.Contains(name, "/") {
			dirs = []string{""}
		}
		for _, d := range dirs {
			path := filepath.Join(d, name)
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				found = true
				fmt.Fprintln(c.Out, path)
				if !f.Has('a') {
					break
				}
			}
		}
		if !found {
			status = 1
		}
	}
	return status
}
