package procs

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"labsim/sim/guest/applet"
)

// column is one of ps: its heading, and its text.
type column struct {
	head string
	text func(p process) string
}

var columns = map[string]column{
	"pid":   {"PID", func(p process) string { return strconv.Itoa(p.pid) }},
	"ppid":  {"PPID", func(p process) string { return strconv.Itoa(p.ppid) }},
	"pgid":  {"PGID", func(p process) string { return strconv.Itoa(p.pgrp) }},
	"sid":   {"SID", func(p process) string { return strconv.Itoa(p.session) }},
	"user":  {"USER", func(p process) string { return p.user() }},
	"uid":   {"UID", func(p process) string { return strconv.Itoa(int(p.uid)) }},
	"tty":   {"TTY", process.ttyName},
	"stat":  {"STAT", func(p process) string { return p.state }},
	"time":  {"TIME", func(p process) string { return clock(p.cpu()) }},
	"etime": {"ELAPSED", func(p process) string { return clock(time.Since(p.started())) }},
	"stime": {"STIME", func(p process) string { return p.started().Format("15:04") }},
	"start": {"START", func(p process) string { return p.started().Format("15:04") }},
	"vsz":   {"VSZ", func(p process) string { return strconv.FormatUint(p.vsize>>10, 10) }},
	"rss":   {"RSS", func(p process) string { return strconv.FormatUint(p.rss>>10, 10) }},
	"pcpu":  {"%CPU", func(p process) string { return share(p.cpu(), time.Since(p.started())) }},
	"pmem":  {"%MEM", func(p process) string { return share(time.Duration(p.rss>>10), time.Duration(memory()["MemTotal"])) }},
	"c":     {"C", func(process) string { return "0" }},
	"comm":  {"COMMAND", func(p process) string { return p.comm }},
	"args":  {"COMMAND", process.command},
}

var columnAliases = map[string]string{"cmd": "args", "command": "args", "ucmd": "comm", "tt": "tty", "s": "stat", "state": "stat",
	"pgrp": "pgid", "sess": "sid", "%cpu": "pcpu", "%mem": "pmem", "vsize": "vsz", "rssize": "rss", "euser": "user"}

// ps takes the options that people type: ps, aux, -ef, -e, -o LIST, -p PID, -u USER.
func ps(c *applet.Call) int {
	format, all, pids, owner := "pid,tty,time,comm", false, map[int]bool{}, ""
	noHead := false
	args := c.Args
	for len(args) > 0 {
		a := strings.TrimPrefix(args[0], "-")
		dash := a != args[0]
		args = args[1:]
		for i := 0; i < len(a); i++ {
			switch l := a[i]; {
			case l == 'o' || l == 'p' || l == 'u' && dash:
				value := strings.TrimPrefix(a[i+1:], "=")
				if value == "" && len(args) > 0 {
					value, args = args[0], args[1:]
				}
				i = len(a)
				switch l {
				case 'o':
					format = value
				case 'u':
					owner = value
				default:
					for _, f := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }) {
						n, _ := strconv.Atoi(f)
						pids[n] = true
					}
				}
			case l == 'f' && dash:
				format = "user,pid,ppid,c,stime,tty,time,args"
			case l == 'u':
				format = "user,pid,pcpu,pmem,vsz,rss,tty,stat,start,time,args"
			case l == 'e' || l == 'A' || l == 'a' || l == 'x' || l == 'd':
				all = true
			case l == 'h' || l == '-' && a == "-no-headers":
				noHead = true
				if a[i] == '-' {
					i = len(a)
				}
			case strings.ContainsRune("lwjHTfFy", rune(l)):
			default:
				return c.Fail("unknown option %c", l)
			}
		}
	}
	cols, err := parseColumns(format)
	if err != nil {
		return c.Fail("%v", err)
	}
	me := os.Getuid()
	mine, _ := readProcess(os.Getpid())
	var list []process
	for _, p := range processes() {
		switch {
		case len(pids) > 0:
			if !pids[p.pid] {
				continue
			}
		case owner != "":
			if p.user() != owner && strconv.Itoa(int(p.uid)) != owner {
				continue
			}
		case !all && (int(p.uid) != me || p.tty != mine.tty):
			continue
		}
		list = append(list, p)
	}
	printTable(c, cols, list, noHead)
	if len(list) == 0 {
		return 1
	}
	return 0
}

func parseColumns(format string) ([]column, error) {
	var cols []column
	for _, f := range strings.FieldsFunc(format, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, head, renamed := strings.Cut(f, "=")
		if alias := columnAliases[name]; alias != "" {
			name = alias
		}
		col, ok := columns[name]
		if !ok {
			return nil, fmt.Errorf("bad -o argument '%s'", name)
		}
		if renamed {
			col.head = head
		}
		cols = append(cols, col)
	}
	return cols, nil
}

func printTable(c *applet.Call, cols []column, list []process, noHead bool) {
	width := make([]int, len(cols))
	rows := make([][]string, 0, len(list)+1)
	head := make([]string, len(cols))
	blank := true
	for i, col := range cols {
		head[i] = col.head
		blank = blank && col.head == ""
	}
	if !noHead && !blank {
		rows = append(rows, head)
	}
	for _, p := range list {
		row := make([]string, len(cols))
		for i, col := range cols {
			row[i] = col.text(p)
		}
		rows = append(rows, row)
	}
	for _, row := range rows {
		for i, t := range row {
			width[i] = max(width[i], len(t))
		}
	}
	limit := 0
	if f, ok := c.Out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			limit = w
		}
	}
	w := c.Buffer()
	defer w.Flush()
	for _, row := range rows {
		var line strings.Builder
		for i, t := range row {
			switch {
			case i == len(row)-1:
				line.WriteString(t)
			case cols[i].head == "USER" || cols[i].head == "TTY" || cols[i].head == "COMMAND" || cols[i].head == "STAT":
				fmt.Fprintf(&line, "%-*s ", width[i], t)
			default:
				fmt.Fprintf(&line, "%*s ", width[i], t)
			}
		}
		text := line.String()
		if limit > 0 && len(text) > limit {
			text = text[:limit]
		}
		fmt.Fprintln(w, text)
	}
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	if s >= 86400 {
		return fmt.Sprintf("%d-%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func share(part, whole time.Duration) string {
	if whole <= 0 {
		return "0.0"
	}
	return fmt.Sprintf("%.1f", 100*float64(part)/float64(whole))
}

// top shows the processes that use most, every -d seconds; -b -n for a file.
func top(c *applet.Call) int {
	f, ok := c.Parse("bd:n:HmO:")
	if !ok {
		return 1
	}
	rounds, ok := c.Int(f, 'n', 0)
	if !ok {
		return 1
	}
	delay, err := time.ParseDuration(f.Get('d', "2") + "s")
	if err != nil {
		return c.Fail("invalid number '%s'", f.Get('d', ""))
	}
	out, _ := c.Out.(*os.File)
	batch := f.Has('b') || out == nil || !term.IsTerminal(int(out.Fd()))
	if batch && !f.Has('n') {
		rounds = 1
	}
	keys := make(chan byte, 1)
	if !batch {
		if old, err := term.MakeRaw(0); err == nil {
			defer term.Restore(0, old)
			go readKeys(keys)
		}
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	before, at := map[int]time.Duration{}, bootTime()
	for i := 0; rounds == 0 || i < rounds; i++ {
		at = topPage(c, batch, before, at)
		if i+1 == rounds {
			break
		}
		select {
		case <-time.After(delay):
		case <-interrupted:
			return 0
		case k := <-keys:
			if k == 'q' || k == 3 {
				return 0
			}
		}
	}
	return 0
}

func readKeys(keys chan<- byte) {
	var b [1]byte
	for {
		if n, err := os.Stdin.Read(b[:]); n == 0 || err != nil {
			return
		}
		keys <- b[0]
	}
}

func topPage(c *applet.Call, batch bool, before map[int]time.Duration, since time.Time) time.Time {
	now := time.Now()
	list := processes()
	used := map[int]time.Duration{}
	for _, p := range list {
		used[p.pid] = p.cpu() - before[p.pid]
		before[p.pid] = p.cpu()
	}
	slices.SortStableFunc(list, func(a, b process) int { return int(used[b.pid] - used[a.pid]) })
	rows := 1 << 20
	var b bytes.Buffer
	if !batch {
		b.WriteString("\x1b[H\x1b[J")
		if _, h, err := term.GetSize(1); err == nil {
			rows = h - 5
		}
	}
	m := memory()
	fmt.Fprintf(&b, "top -%s\n", upText())
	fmt.Fprintf(&b, "Mem: %dK total, %dK used, %dK free\nTasks: %d\n", m["MemTotal"], m["MemTotal"]-m["MemAvailable"], m["MemAvailable"], len(list))
	fmt.Fprintf(&b, "%5s %-8s %5s %7s %7s %1s %5s %s\n", "PID", "USER", "PPID", "VSZ", "RSS", "S", "%CPU", "COMMAND")
	for i, p := range list {
		if i >= rows {
			break
		}
		line := fmt.Sprintf("%5d %-8s %5d %6dk %6dk %1s %5s %s", p.pid, p.user(), p.ppid, p.vsize>>10, p.rss>>10, p.state,
			share(used[p.pid], now.Sub(since)), p.command())
		if w, _, err := term.GetSize(1); err == nil && !batch && len(line) > w {
			line = line[:w]
		}
		fmt.Fprintln(&b, line)
	}
	text := b.Bytes()
	if !batch {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
	c.Out.Write(text)
	return now
}
