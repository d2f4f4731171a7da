package procs

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim/guest/applet"
)

// flock is `flock [-sxun] [-w SECONDS] FILE|FD [-c] COMMAND...`.
func flock(c *applet.Call) int {
	f, ok := c.Parse("+sxeunoFw:E:", "shared=s", "exclusive=x", "unlock=u", "nonblock=n", "nb=n", "close=o", "wait=w", "timeout=w")
	if !ok {
		return 64
	}
	if len(c.Args) == 0 {
		return c.Usage("[-sxun] [-w SECONDS] FILE|FD [-c] COMMAND")
	}
	how := unix.LOCK_EX
	switch {
	case f.Has('s'):
		how = unix.LOCK_SH
	case f.Has('u'):
		how = unix.LOCK_UN
	}
	if len(c.Args) == 1 {
		fd, err := strconv.Atoi(c.Args[0])
		if err != nil {
			return c.Fail("bad file descriptor '%s'", c.Args[0])
		}
		return lock(c, f, fd, how)
	}
	file, err := os.OpenFile(c.Args[0], os.O_RDONLY|os.O_CREATE, 0o666)
	if err != nil {
		return c.FailOn(c.Args[0], err)
	}
	defer file.Close()
	if code := lock(c, f, int(file.Fd()), how); code != 0 {
		return code
	}
	args := c.Args[1:]
	if args[0] == "-c" && len(args) == 2 {
		args = []string{"/bin/sh", "-c", args[1]}
	}
	cmd, err := run(c, args, nil)
	if err != nil {
		return notFound(c, args[0], err)
	}
	passOn(cmd)
	cmd.Wait()
	return status(cmd)
}

func lock(c *applet.Call, f applet.Flags, fd, how int) int {
	until := time.Now().Add(1 << 62)
	if f.Has('w') {
		d, err := duration(f.Get('w', ""))
		if err != nil {
			return c.Fail("%v", err)
		}
		until = time.Now().Add(d)
	}
	for {
		var err error
		if f.Has('n', 'w') {
			err = unix.Flock(fd, how|unix.LOCK_NB)
		} else {
			err = unix.Flock(fd, how)
		}
		switch {
		case err == nil:
			return 0
		case err == unix.EINTR:
		case err != unix.EWOULDBLOCK:
			return c.Fail("%v", err)
		case f.Has('n') || time.Now().After(until):
			return 1
		default:
			time.Sleep(10 * time.Millisecond) // flock(2) has no time limit, and no event either
		}
	}
}
