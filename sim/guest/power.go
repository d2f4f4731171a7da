package guest

import (
	"os"
	"strings"
	"time"

	"labsim/sim/guest/applet"
)

// noWait gives the last output a moment to arrive.
func noWait() time.Time { return time.Now().Add(50 * time.Millisecond) }

// power is poweroff, halt, reboot and shutdown; the time of shutdown may only
// be now.
func power(c *applet.Call) int {
	f, ok := c.Parse("rhHPfnwdpc", "reboot=r", "poweroff=P", "halt=H", "force=f", "no-wall=n")
	if !ok {
		return 1
	}
	op := "poweroff"
	if c.Name == "reboot" && !f.Has('p', 'P', 'H') || f.Has('r') {
		op = "reboot"
	}
	if c.Name == "shutdown" {
		for i, a := range c.Args {
			if i == 0 && a != "now" && strings.TrimLeft(a, "+0") != "" {
				return c.Fail("only \"now\" is supported")
			}
		}
	}
	_, _, _, err := askInit(ask{Op: op})
	if err != nil {
		return c.Fail("%v", err)
	}
	return 0
}

// su is for root, who may become anybody; others use sudo.
func su(c *applet.Call) int {
	f, ok := c.Parse("+lmpc:s:", "login=l", "command=c", "shell=s")
	if !ok {
		return 1
	}
	if len(c.Args) > 0 && c.Args[0] == "-" {
		f['l'] = nil
		c.Args = c.Args[1:]
	}
	name := "root"
	if len(c.Args) > 0 {
		name = c.Args[0]
		c.Args = c.Args[1:]
	}
	if os.Getuid() != 0 {
		return c.Fail("no password is set: use sudo, sudo -i or sudo -u %s", name)
	}
	user, err := lookupAccount("/", name)
	if err != nil {
		return c.Fail("%v", err)
	}
	shell := f.Get('s', user.shell)
	dir, _ := os.Getwd()
	req := ask{Op: "run", User: user.name, Dir: dir, Env: sudoEnv(user, false), Args: append([]string{shell}, c.Args...)}
	if f.Has('c') {
		req.Args = append([]string{shell, "-c", f.Get('c', "")}, c.Args...)
	}
	if f.Has('l') {
		req.Dir = user.home
	}
	return runAs(c, req)
}
