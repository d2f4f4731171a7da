package procs

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim/guest/applet"
)

// memory is /proc/meminfo, in KiB.
func memory() map[string]int64 {
	m := map[string]int64{}
	data, _ := os.ReadFile("/proc/meminfo")
	for _, l := range strings.Split(string(data), "\n") {
		name, rest, _ := strings.Cut(l, ":")
		if f := strings.Fields(rest); len(f) > 0 {
			m[name], _ = strconv.ParseInt(f[0], 10, 64)
		}
	}
	return m
}

func free(c *applet.Call) int {
	f, ok := c.Parse("bkmghtws:", "human=h")
	if !ok {
		return 1
	}
	show := func(kib int64) string { return strconv.FormatInt(kib, 10) }
	switch {
	case f.Has('h'):
		show = func(kib int64) string { return applet.Size(kib << 10) }
	case f.Has('b'):
		show = func(kib int64) string { return strconv.FormatInt(kib<<10, 10) }
	case f.Has('m'):
		show = func(kib int64) string { return strconv.FormatInt(kib>>10, 10) }
	case f.Has('g'):
		show = func(kib int64) string { return strconv.FormatInt(kib>>20, 10) }
	}
	m := memory()
	cache := m["Buffers"] + m["Cached"] + m["SReclaimable"]
	fmt.Fprintf(c.Out, "%7s%12s%12s%12s%12s%12s%12s\n", "", "total", "used", "free", "shared", "buff/cache", "available")
	fmt.Fprintf(c.Out, "%-7s%12s%12s%12s%12s%12s%12s\n", "Mem:", show(m["MemTotal"]), show(m["MemTotal"]-m["MemFree"]-cache), show(m["MemFree"]), show(m["Shmem"]), show(cache), show(m["MemAvailable"]))
	fmt.Fprintf(c.Out, "%-7s%12s%12s%12s\n", "Swap:", show(m["SwapTotal"]), show(m["SwapTotal"]-m["SwapFree"]), show(m["SwapFree"]))
	return 0
}

func upText() string {
	up := ""
	if p, ok := readProcess(1); ok { // the instance's, not the host's
		d := time.Since(p.started())
		if days := int(d.Hours()) / 24; days > 0 {
			up = fmt.Sprintf("%d days, ", days)
		}
		up += fmt.Sprintf("%d:%02d", int(d.Hours())%24, int(d.Minutes())%60)
	}
	load, _ := os.ReadFile("/proc/loadavg")
	f := append(strings.Fields(string(load)), "?", "?", "?")
	return fmt.Sprintf(" %s up %s,  load average: %s, %s, %s", time.Now().Format("15:04:05"), up, f[0], f[1], f[2])
}

func uptime(c *applet.Call) int {
	fmt.Fprintln(c.Out, upText())
	return 0
}

func nproc(c *applet.Call) int {
	fmt.Fprintln(c.Out, runtime.NumCPU())
	return 0
}

func id(c *applet.Call) int {
	f, ok := c.Parse("ugGnr", "user=u", "group=g", "groups=G", "name=n")
	if !ok {
		return 1
	}
	uid, gid := strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid())
	list := []string{gid}
	if len(c.Args) > 0 {
		u, err := user.Lookup(c.Args[0])
		if err != nil {
			return c.Fail("'%s': no such user", c.Args[0])
		}
		uid, gid = u.Uid, u.Gid
		list, _ = u.GroupIds()
	} else if g, err := os.Getgroups(); err == nil {
		for _, n := range g {
			if s := strconv.Itoa(n); s != gid {
				list = append(list, s)
			}
		}
	}
	n, _ := strconv.ParseUint(uid, 10, 32)
	name := func(id string, text string) string {
		if f.Has('n') {
			return text
		}
		return id
	}
	switch {
	case f.Has('u'):
		fmt.Fprintln(c.Out, name(uid, userName(uint32(n))))
	case f.Has('g'):
		fmt.Fprintln(c.Out, name(gid, groupName(gid)))
	case f.Has('G'):
		for i, g := range list {
			list[i] = name(g, groupName(g))
		}
		fmt.Fprintln(c.Out, strings.Join(list, " "))
	default:
		for i, g := range list {
			list[i] = g + "(" + groupName(g) + ")"
		}
		fmt.Fprintf(c.Out, "uid=%s(%s) gid=%s(%s) groups=%s\n", uid, userName(uint32(n)), gid, groupName(gid), strings.Join(list, ","))
	}
	return 0
}

func whoami(c *applet.Call) int {
	fmt.Fprintln(c.Out, userName(uint32(os.Geteuid())))
	return 0
}

func groups(c *applet.Call) int {
	c.Args = append([]string{"-Gn"}, c.Args...)
	return id(c)
}

func hostname(c *applet.Call) int {
	f, ok := c.Parse("sfdiI", "short=s", "fqdn=f", "long=f", "domain=d", "ip-address=i", "all-ip-addresses=I")
	if !ok {
		return 1
	}
	name, err := os.Hostname()
	if err != nil {
		return c.Fail("%v", err)
	}
	short, domain, _ := strings.Cut(name, ".")
	switch {
	case len(c.Args) > 0:
		if err := unix.Sethostname([]byte(c.Args[0])); err != nil {
			return c.Fail("sethostname: %v", err)
		}
	case f.Has('i', 'I'):
		fmt.Fprintln(c.Out, strings.Join(ownAddresses(), " "))
	case f.Has('d'):
		fmt.Fprintln(c.Out, domain)
	case f.Has('s'):
		fmt.Fprintln(c.Out, short)
	default:
		fmt.Fprintln(c.Out, name)
	}
	return 0
}

func uname(c *applet.Call) int {
	f, ok := c.Parse("asnrvmpio", "all=a", "kernel-name=s", "nodename=n", "kernel-release=r", "machine=m")
	if !ok {
		return 1
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return c.Fail("%v", err)
	}
	all := f.Has('a')
	var parts []string
	add := func(text string, letters ...byte) {
		if all || f.Has(letters...) {
			parts = append(parts, text)
		}
	}
	if len(f) == 0 {
		f['s'] = nil
	}
	add(unix.ByteSliceToString(u.Sysname[:]), 's')
	add(unix.ByteSliceToString(u.Nodename[:]), 'n')
	add(unix.ByteSliceToString(u.Release[:]), 'r')
	add(unix.ByteSliceToString(u.Version[:]), 'v')
	add(unix.ByteSliceToString(u.Machine[:]), 'm')
	if f.Has('p', 'i') {
		parts = append(parts, unix.ByteSliceToString(u.Machine[:]))
	}
	add("GNU/Linux", 'o')
	fmt.Fprintln(c.Out, strings.Join(parts, " "))
	return 0
}

func tty(c *applet.Call) int {
	name, err := os.Readlink("/proc/self/fd/0")
	if _, ioerr := unix.IoctlGetTermios(0, unix.TCGETS); err != nil || ioerr != nil {
		fmt.Fprintln(c.Out, "not a tty")
		return 1
	}
	fmt.Fprintln(c.Out, name)
	return 0
}

// who lists the sessions that have a terminal.
func who(c *applet.Call) int {
	for _, p := range processes() {
		if p.pid == p.session && p.tty != 0 {
			fmt.Fprintf(c.Out, "%-10s %-10s %s  %s\n", p.user(), p.ttyName(), p.started().Format("2006-01-02 15:04"), p.command())
		}
	}
	return 0
}

func syncDisks(c *applet.Call) int {
	unix.Sync()
	return 0
}

func clear(c *applet.Call) int {
	if c.Name == "reset" {
		io.WriteString(c.Out, "\x1bc")
	}
	io.WriteString(c.Out, "\x1b[H\x1b[J")
	return 0
}

// logger writes to the instance's console.
func logger(c *applet.Call) int {
	f, ok := c.Parse("st:p:i", "tag=t")
	if !ok {
		return 1
	}
	w, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		return c.FailOn("/dev/console", err)
	}
	defer w.Close()
	tag := f.Get('t', userName(uint32(os.Getuid())))
	if len(c.Args) > 0 {
		fmt.Fprintf(w, "%s: %s\n", tag, strings.Join(c.Args, " "))
		return 0
	}
	io.Copy(w, c.In)
	return 0
}
