package files

import (
	"archive/tar"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"labsim/sim/guest/applet"
)

type archiver struct {
	call    *applet.Call
	flags   applet.Flags
	exclude []string
	strip   int
}

// tarCommand is tar: -c -x -t with -f -z -j -v -C -O -p -k, --strip-components, --exclude.
func tarCommand(c *applet.Call) int {
	if len(c.Args) > 0 && !strings.HasPrefix(c.Args[0], "-") { // tar xzf FILE
		c.Args = append([]string{"-" + c.Args[0]}, c.Args[1:]...)
	}
	f, ok := c.Parse("cxtf:zjvC:OpkX:S:maohnT:", "create=c", "extract=x", "list=t", "file=f", "gzip=z", "bzip2=j", "verbose=v", "directory=C",
		"to-stdout=O", "exclude=X", "strip-components=S", "keep-old-files=k", "no-same-owner=o")
	if !ok {
		return 1
	}
	strip, ok := c.Int(f, 'S', 0)
	if !ok {
		return 1
	}
	a := &archiver{call: c, flags: f, exclude: f['X'], strip: strip}
	var err error
	switch {
	case f.Has('c'):
		err = a.create()
	case f.Has('x'), f.Has('t'):
		err = a.read()
	default:
		return c.Usage("-c|-x|-t [-zvf FILE] [-C DIR] [FILE...]")
	}
	if err != nil {
		return c.Fail("%v", err)
	}
	return 0
}

func (a *archiver) excluded(name string) bool {
	for _, p := range a.exclude {
		for n := name; n != "." && n != "/" && n != ""; n = path.Dir(n) {
			if ok, _ := path.Match(p, n); ok {
				return true
			}
			if ok, _ := path.Match(p, path.Base(n)); ok {
				return true
			}
		}
	}
	return false
}

func (a *archiver) create() (err error) {
	out := a.call.Out
	name := a.flags.Get('f', "-")
	if name != "-" {
		file, cerr := os.Create(name)
		if cerr != nil {
			return cerr
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	if a.flags.Has('z') || a.flags.Has('a') && strings.HasSuffix(name, "gz") {
		z := gzip.NewWriter(out)
		defer func() { err = errors.Join(err, z.Close()) }()
		out = z
	}
	if dir := a.flags.Get('C', ""); dir != "" {
		if err := os.Chdir(dir); err != nil {
			return err
		}
	}
	w := tar.NewWriter(out)
	for _, root := range a.call.Args {
		if err := a.add(w, root); err != nil {
			return err
		}
	}
	return w.Close()
}

func (a *archiver) add(w *tar.Writer, root string) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if a.excluded(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(name); err != nil {
				return err
			}
		}
		if info.Mode()&fs.ModeSocket != 0 {
			return nil
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		h.Name = strings.TrimLeft(name, "/")
		if h.Name == "" {
			h.Name = "."
		}
		if d.IsDir() {
			h.Name += "/"
		}
		if a.flags.Has('v') {
			fmt.Fprintln(a.call.Err, h.Name)
		}
		if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(w, file)
		return err
	})
}

func (a *archiver) read() error {
	in := a.call.In
	if name := a.flags.Get('f', "-"); name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	in, err := uncompressed(in)
	if err != nil {
		return err
	}
	dir := a.flags.Get('C', ".")
	root, err := os.OpenRoot(dir) // no name in an archive leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if a.excluded(strings.TrimSuffix(h.Name, "/")) || !a.wanted(h.Name) {
			continue
		}
		switch {
		case a.flags.Has('t'):
			a.list(h)
		case a.flags.Has('O'):
			_, err = io.Copy(a.call.Out, r)
		default:
			err = a.extract(root, h, r)
		}
		if err != nil {
			return err
		}
	}
}

// uncompressed looks at the first bytes: gzip, bzip2 or neither.
func uncompressed(r io.Reader) (io.Reader, error) {
	head := make([]byte, 3)
	n, _ := io.ReadFull(r, head)
	all := io.MultiReader(strings.NewReader(string(head[:n])), r)
	switch {
	case n >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		return gzip.NewReader(all)
	case n == 3 && string(head) == "BZh":
		return bzip2.NewReader(all), nil
	}
	return all, nil
}

func (a *archiver) wanted(name string) bool {
	if len(a.call.Args) == 0 {
		return true
	}
	name = strings.TrimSuffix(name, "/")
	for _, w := range a.call.Args {
		w = strings.TrimSuffix(w, "/")
		if name == w || strings.HasPrefix(name, w+"/") {
			return true
		}
	}
	return false
}

func (a *archiver) list(h *tar.Header) {
	if !a.flags.Has('v') {
		fmt.Fprintln(a.call.Out, h.Name)
		return
	}
	owner := fmt.Sprintf("%s/%s", orNumber(h.Uname, h.Uid), orNumber(h.Gname, h.Gid))
	fmt.Fprintf(a.call.Out, "%s %s %9d %s %s\n", ModeString(h.FileInfo().Mode()), owner, h.Size, h.ModTime.Format("2006-01-02 15:04:05"), h.Name)
}

func orNumber(name string, n int) string {
	if name == "" {
		return fmt.Sprint(n)
	}
	return name
}

func (a *archiver) extract(root *os.Root, h *tar.Header, r io.Reader) error {
	name := path.Clean("/" + h.Name)[1:]
	for range a.strip {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return nil
		}
		name = rest
	}
	if name == "" {
		return nil
	}
	if a.flags.Has('v') {
		fmt.Fprintln(a.call.Out, h.Name)
	}
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	info := h.FileInfo()
	if h.Typeflag != tar.TypeDir {
		if _, err := root.Lstat(name); err == nil {
			if a.flags.Has('k') {
				return nil
			}
			root.Remove(name)
		}
	}
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		if err = root.Mkdir(name, info.Mode().Perm()); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	case tar.TypeSymlink:
		err = root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return root.Link(path.Clean("/" + h.Linkname)[1:], name)
	case tar.TypeReg:
		err = a.file(root, name, info.Mode().Perm(), r)
	default:
		a.call.Fail("%s: skipped: not a file, directory or link", h.Name)
		return nil
	}
	if err != nil {
		return err
	}
	if os.Getuid() == 0 && !a.flags.Has('o') {
		if err := root.Lchown(name, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	if err := root.Chmod(name, info.Mode().Perm()); err != nil {
		return err
	}
	if a.flags.Has('m') {
		return nil
	}
	return root.Chtimes(name, h.ModTime, h.ModTime)
}

func (a *archiver) file(root *os.Root, name string, mode fs.FileMode, r io.Reader) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, r); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// gzipCommand is gzip, gunzip and zcat.
func gzipCommand(c *applet.Call) int {
	f, ok := c.Parse("cdfkv123456789nqt", "stdout=c", "to-stdout=c", "decompress=d", "uncompress=d", "force=f", "keep=k", "test=t", "best=9", "fast=1")
	if !ok {
		return 1
	}
	level := gzip.DefaultCompression
	for l := byte('1'); l <= '9'; l++ {
		if f.Has(l) {
			level = int(l - '0')
		}
	}
	down := c.Name == "gunzip" || c.Name == "zcat" || f.Has('d', 't')
	convert := func(w io.Writer, r io.Reader) error {
		if down {
			z, err := gzip.NewReader(r)
			if err == nil {
				_, err = io.Copy(w, z)
			}
			return err
		}
		z, _ := gzip.NewWriterLevel(w, level)
		if _, err := io.Copy(z, r); err != nil {
			return err
		}
		return z.Close()
	}
	if len(c.Args) == 0 || f.Has('c', 't') || c.Name == "zcat" {
		return c.EachFile(c.Args, func(_ string, r io.Reader) error {
			if f.Has('t') {
				return convert(io.Discard, r)
			}
			return convert(c.Out, r)
		})
	}
	status := 0
	for _, name := range c.Args {
		if err := gzipFile(name, down, f.Has('k'), f.Has('f'), convert); err != nil {
			status = c.FailOn(name, err)
		}
	}
	return status
}

func gzipFile(name string, down, keep, force bool, convert func(io.Writer, io.Reader) error) error {
	to := name + ".gz"
	if down {
		var ok bool
		if to, ok = strings.CutSuffix(name, ".gz"); !ok {
			if to, ok = strings.CutSuffix(name, ".tgz"); !ok {
				return errors.New("unknown suffix")
			}
			to += ".tar"
		}
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flag = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(to, flag, info.Mode().Perm())
	if err != nil {
		return err
	}
	err = errors.Join(convert(out, in), out.Close())
	if err != nil {
		os.Remove(to)
		return err
	}
	if keep {
		return nil
	}
	return os.Remove(name)
}
