package procs

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"labsim/sim/guest/applet"
)

// SignalNumber reads a signal's name, with or without SIG, or its number.
func SignalNumber(name string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return syscall.Signal(n), n >= 0 && n < 65
	}
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	s := unix.SignalNum(name)
	return s, s != 0
}

// SignalName is TERM for SIGTERM.
func SignalName(s syscall.Signal) string { return strings.TrimPrefix(unix.SignalName(s), "SIG") }

// Kill is `kill [-SIGNAL | -s SIGNAL] PID...` and `kill -l`.
func Kill(c *applet.Call) int {
	sig := syscall.SIGTERM
	args := c.Args
	if len(args) > 0 && args[0] == "-l" {
		return listSignals(c, args[1:])
	}
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		name := args[0][1:]
		args = args[1:]
		if (name == "s" || name == "n") && len(args) > 0 {
			name, args = args[0], args[1:]
		}
		var ok bool
		if sig, ok = SignalNumber(name); !ok {
			return c.Fail("bad signal name '%s'", name)
		}
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return c.Usage("[-SIGNAL] PID...")
	}
	status := 0
	for _, a := range args {
		pid, err := strconv.Atoi(a)
		if err != nil {
			status = c.Fail("invalid number '%s'", a)
			continue
		}
		if err := syscall.Kill(pid, sig); err != nil {
			status = c.Fail("(%d) - %v", pid, err)
		}
	}
	return status
}

func listSignals(c *applet.Call, args []string) int {
	for _, a := range args {
		n, err := strconv.Atoi(a)
		if err != nil {
			s, _ := SignalNumber(a)
			fmt.Fprintln(c.Out, int(s))
			continue
		}
		fmt.Fprintln(c.Out, SignalName(syscall.Signal(n%128)))
	}
	if len(args) == 0 {
		for n := syscall.Signal(1); n < 32; n++ {
			fmt.Fprintf(c.Out, "%2d) %s\n", n, SignalName(n))
		}
	}
	return 0
}

// killByName is killall, pkill and pidof: processes by their program's name.
func killByName(c *applet.Call) int {
	sig := syscall.SIGTERM
	args := c.Args
	full := false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		name := args[0][1:]
		args = args[1:]
		switch {
		case name == "q" || name == "w" || name == "x":
			continue
		case name == "f":
			full = true
			continue
		case name == "s" && len(args) > 0:
			name, args = args[0], args[1:]
		}
		var ok bool
		if sig, ok = SignalNumber(name); !ok {
			return c.Fail("bad signal name '%s'", name)
		}
	}
	if len(args) == 0 {
		return c.Usage("[-SIGNAL] NAME...")
	}
	status := 0
	for _, name := range args {
		found := false
		for _, p := range processes() {
			if p.self() || !p.matches(name, full) {
				continue
			}
			found = true
			if err := syscall.Kill(p.pid, sig); err != nil {
				status = c.Fail("%s(%d): %v", name, p.pid, err)
			}
		}
		if !found {
			status = 1
			if c.Name == "killall" {
				c.Fail("%s: no process killed", name)
			}
		}
	}
	return status
}

func pidof(c *applet.Call) int {
	f, ok := c.Parse("sxqflano:")
	if !ok {
		return 1
	}
	var pids []string
	for _, name := range c.Args {
		for _, p := range processes() {
			if !p.self() && p.matches(name, f.Has('f')) {
				line := strconv.Itoa(p.pid)
				if f.Has('l', 'a') {
					line += " " + p.command()
				}
				pids = append(pids, line)
			}
		}
	}
	if len(pids) == 0 {
		return 1
	}
	if c.Name == "pgrep" {
		fmt.Fprintln(c.Out, strings.Join(pids, "\n"))
	} else {
		if f.Has('s') {
			pids = pids[:1]
		}
		fmt.Fprintln(c.Out, strings.Join(pids, " "))
	}
	return 0
}
