package procs

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// process is what /proc says of one. Fields are proc(5)'s, of /proc/PID/stat.
type process struct {
	pid, ppid, pgrp, session, tty int
	comm                          string
	args                          []string
	state                         string
	utime, stime                  uint64 // clock ticks
	start                         uint64 // ticks after boot
	threads                       int
	vsize                         uint64 // bytes
	rss                           uint64 // bytes
	uid                           uint32
}

// ticks a second: a constant of the kernel's interface.
const ticks = 100

func processes() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var list []process
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, ok := readProcess(pid); ok {
				list = append(list, p)
			}
		}
	}
	slices.SortFunc(list, func(a, b process) int { return a.pid - b.pid })
	return list
}

func readProcess(pid int) (process, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, false
	}
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	f := strings.Fields(string(stat[end+1:]))
	if open < 0 || end < open || len(f) < 22 {
		return process{}, false
	}
	num := func(i int) uint64 { n, _ := strconv.ParseUint(f[i], 10, 64); return n }
	p := process{
		pid: pid, comm: string(stat[open+1 : end]), state: f[0], ppid: int(num(1)), pgrp: int(num(2)), session: int(num(3)),
		tty: int(num(4)), utime: num(11), stime: num(12), threads: int(num(17)), start: num(19), vsize: num(20),
		rss: num(21) * uint64(os.Getpagesize()),
	}
	if cmdline, err := os.ReadFile(dir + "/cmdline"); err == nil && len(cmdline) > 0 {
		p.args = strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	}
	if status, err := os.ReadFile(dir + "/status"); err == nil {
		for _, l := range strings.Split(string(status), "\n") {
			if rest, ok := strings.CutPrefix(l, "Uid:"); ok {
				n, _ := strconv.ParseUint(strings.Fields(rest)[1], 10, 32)
				p.uid = uint32(n)
			}
		}
	}
	return p, true
}

// name is the applet's or program's name: comm is "init" for all of ours.
func (p process) name() string {
	if len(p.args) > 0 && p.args[0] != "" {
		return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(p.args[0]), "-"), ":")
	}
	return p.comm
}

func (p process) command() string {
	if len(p.args) == 0 {
		return "[" + p.comm + "]"
	}
	return strings.Join(p.args, " ")
}

func (p process) self() bool { return p.pid == os.Getpid() }

func (p process) matches(name string, full bool) bool {
	if full {
		re, err := regexp.Compile(name)
		return err == nil && re.MatchString(p.command())
	}
	if p.name() == name || p.comm == name || len(p.args) > 0 && p.args[0] == name {
		return true
	}
	// A script: its interpreter comes first.
	return len(p.args) > 1 && filepath.Base(p.args[1]) == name
}

func (p process) user() string {
	return userName(p.uid)
}

func (p process) ttyName() string {
	if p.tty == 0 {
		return "?"
	}
	major, minor := p.tty>>8&0xfff, p.tty&0xff|p.tty>>12&0xfff00
	if major >= 136 && major <= 143 {
		return fmt.Sprintf("pts/%d", (major-136)<<8|minor)
	}
	return fmt.Sprintf("%d,%d", major, minor)
}

func (p process) cpu() time.Duration {
	return time.Duration(p.utime+p.stime) * time.Second / ticks
}

func (p process) started() time.Time {
	return bootTime().Add(time.Duration(p.start) * time.Second / ticks)
}

func bootTime() time.Time {
	stat, _ := os.ReadFile("/proc/stat")
	for _, l := range strings.Split(string(stat), "\n") {
		if rest, ok := strings.CutPrefix(l, "btime "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return time.Unix(n, 0)
		}
	}
	return time.Time{}
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid string) string {
	if g, err := user.LookupGroupId(gid); err == nil {
		return g.Name
	}
	return gid
}
