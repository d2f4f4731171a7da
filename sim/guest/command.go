package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/creack/pty"
)

// command is a process to be started in a session of its own.
type command struct {
	args  []string
	argv0 string // instead of args[0]
	env   []string
	dir   string
	user  *account
	in    *os.File // nil is /dev/null
	out   *os.File
	err   *os.File
	tty   bool // in is a terminal and becomes the session's own
}

func (g *guest) start(c command) (*process, error) {
	path, err := lookPath(c.args[0], c.env, c.dir)
	if err != nil {
		return nil, err
	}
	argv := append([]string{}, c.args...)
	if c.argv0 != "" {
		argv[0] = c.argv0
	}
	if st, err := os.Stat(c.dir); err != nil || !st.IsDir() {
		c.dir = "/"
	}
	if c.in == nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return nil, err
		}
		defer null.Close()
		c.in = null
	}
	attr := &syscall.ProcAttr{
		Dir: c.dir, Env: c.env,
		Files: []uintptr{c.in.Fd(), c.out.Fd(), c.err.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: c.tty, Credential: c.user.credential()},
	}
	p, err := g.reaper.start(path, argv, attr)
	if err == syscall.EACCES && c.user.uid != 0 { // the user may not enter the directory
		attr.Dir = "/"
		p, err = g.reaper.start(path, argv, attr)
	}
	if err == syscall.ENOEXEC { // a script without #!
		p, err = g.reaper.start("/bin/sh", append([]string{"sh", path}, argv[1:]...), attr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.args[0], err)
	}
	return p, nil
}

// lookPath finds a program as execvp does, with the PATH of env.
func lookPath(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, nil
	}
	path := defaultPath
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	for _, d := range filepath.SplitList(path) {
		file := filepath.Join(d, name)
		if st, err := os.Stat(file); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: not found", name)
}

// openTTY makes a terminal that belongs to the user.
func openTTY(user *account, rows, cols uint16) (master, slave *os.File, err error) {
	master, slave, err = pty.Open()
	if err != nil {
		return nil, nil, err
	}
	if rows > 0 && cols > 0 {
		pty.Setsize(master, &pty.Winsize{Rows: rows, Cols: cols})
	}
	slave.Chown(int(user.uid), -1)
	slave.Chmod(0o620)
	return master, slave, nil
}
