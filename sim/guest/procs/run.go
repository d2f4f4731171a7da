package procs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"labsim/sim/guest/applet"
)

// replace becomes the command args; it returns only on failure.
func replace(c *applet.Call, args, env []string) int {
	if os.Getenv("PATH") == "" { // as execvp does
		os.Setenv("PATH", "/usr/bin:/bin")
		defer os.Unsetenv("PATH")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return notFound(c, args[0], err)
	}
	err = syscall.Exec(path, args, env)
	if errors.Is(err, syscall.ENOEXEC) {
		err = syscall.Exec("/bin/sh", append([]string{"sh", path}, args[1:]...), env)
	}
	c.Fail("%s: %v", args[0], err)
	return 126
}

func notFound(c *applet.Call, name string, err error) int {
	if errors.Is(err, fs.ErrPermission) {
		c.Fail("%s: permission denied", name)
		return 126
	}
	c.Fail("%s: not found", name)
	return 127
}

// run runs args as a child and returns its exit status.
func run(c *applet.Call, args []string, attr *syscall.SysProcAttr) (*exec.Cmd, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = c.In, c.Out, c.Err, attr
	return cmd, cmd.Start()
}

func status(cmd *exec.Cmd) int {
	ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		return 127
	}
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

func env(c *applet.Call) int {
	f, ok := c.Parse("+iu:0C:S:", "ignore-environment=i", "unset=u", "null=0", "chdir=C", "split-string=S")
	if !ok {
		return 125
	}
	if f.Has('S') {
		c.Args = append(strings.Fields(f.Get('S', "")), c.Args...)
	}
	if len(c.Args) > 0 && c.Args[0] == "-" {
		f['i'] = nil
		c.Args = c.Args[1:]
	}
	if f.Has('i') {
		os.Clearenv()
	}
	for _, name := range f['u'] {
		os.Unsetenv(name)
	}
	for len(c.Args) > 0 && strings.Contains(c.Args[0], "=") {
		name, value, _ := strings.Cut(c.Args[0], "=")
		os.Setenv(name, value)
		c.Args = c.Args[1:]
	}
	if f.Has('C') {
		if err := os.Chdir(f.Get('C', "")); err != nil {
			return c.FailOn(f.Get('C', ""), err)
		}
	}
	if len(c.Args) > 0 {
		return replace(c, c.Args, os.Environ())
	}
	end := "\n"
	if f.Has('0') {
		end = "\x00"
	}
	for _, e := range os.Environ() {
		fmt.Fprint(c.Out, e, end)
	}
	return 0
}

func printenv(c *applet.Call) int {
	if len(c.Args) == 0 {
		return env(c)
	}
	code := 0
	for _, name := range c.Args {
		v, ok := os.LookupEnv(name)
		if !ok {
			code = 1
			continue
		}
		fmt.Fprintln(c.Out, v)
	}
	return code
}

// duration reads "1.5", "10s", "2m", "1h", "1d".
func duration(s string) (time.Duration, error) {
	unit := time.Second
	number := s
	if s != "" {
		switch s[len(s)-1] {
		case 's':
			number = s[:len(s)-1]
		case 'm':
			unit, number = time.Minute, s[:len(s)-1]
		case 'h':
			unit, number = time.Hour, s[:len(s)-1]
		case 'd':
			unit, number = 24*time.Hour, s[:len(s)-1]
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("invalid number '%s'", s)
	}
	return time.Duration(min(n*float64(unit), 1<<62)), nil
}

func sleep(c *applet.Call) int {
	if len(c.Args) == 0 {
		return c.Usage("NUMBER[smhd]...")
	}
	var total time.Duration
	for _, a := range c.Args {
		d, err := duration(a)
		if a == "infinity" || a == "inf" {
			d, err = 1<<61, nil
		}
		if err != nil {
			return c.Fail("%v", err)
		}
		total += d
	}
	time.Sleep(total)
	return 0
}

func nohup(c *applet.Call) int {
	if len(c.Args) == 0 {
		return c.Usage("COMMAND [ARG...]")
	}
	if term.IsTerminal(0) {
		if null, err := os.Open(os.DevNull); err == nil {
			unix.Dup3(int(null.Fd()), 0, 0)
		}
	}
	if term.IsTerminal(1) {
		out, err := os.OpenFile("nohup.out", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			out, err = os.OpenFile(os.Getenv("HOME")+"/nohup.out", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		}
		if err != nil {
			return c.FailOn("nohup.out", err)
		}
		fmt.Fprintf(c.Err, "nohup: appending output to %s\n", out.Name())
		unix.Dup3(int(out.Fd()), 1, 0)
	}
	if term.IsTerminal(2) {
		unix.Dup3(1, 2, 0)
	}
	signal.Ignore(syscall.SIGHUP)
	return replace(c, c.Args, os.Environ())
}

func setsid(c *applet.Call) int {
	f, ok := c.Parse("+cfw", "ctty=c", "fork=f", "wait=w")
	if !ok {
		return 1
	}
	if len(c.Args) == 0 {
		return c.Usage("[-cfw] COMMAND [ARG...]")
	}
	_, err := unix.Setsid()
	if err == nil && !f.Has('f') {
		if f.Has('c') {
			unix.IoctlSetInt(0, unix.TIOCSCTTY, 1)
		}
		return replace(c, c.Args, os.Environ())
	}
	// A group's leader can't have a session: a child can.
	cmd, err := run(c, c.Args, &syscall.SysProcAttr{Setsid: true, Setctty: f.Has('c')})
	if err != nil {
		return notFound(c, c.Args[0], err)
	}
	if !f.Has('w') {
		return 0
	}
	cmd.Wait()
	return status(cmd)
}

func timeout(c *applet.Call) int {
	f, ok := c.Parse("+s:k:v", "signal=s", "kill-after=k", "preserve-status=v", "foreground=v")
	if !ok {
		return 125
	}
	if len(c.Args) < 2 {
		return c.Usage("[-s SIGNAL] [-k SECONDS] SECONDS COMMAND [ARG...]")
	}
	limit, err := duration(c.Args[0])
	if err != nil {
		return c.Fail("%v", err) + 124
	}
	sig, ok := SignalNumber(f.Get('s', "TERM"))
	if !ok {
		return c.Fail("invalid signal '%s'", f.Get('s', "")) + 124
	}
	cmd, err := run(c, c.Args[1:], nil)
	if err != nil {
		return notFound(c, c.Args[1], err)
	}
	passOn(cmd)
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	if limit == 0 {
		limit = 1 << 62
	}
	select {
	case <-ended:
		return status(cmd)
	case <-time.After(limit):
	}
	cmd.Process.Signal(sig)
	if k, err := duration(f.Get('k', "")); err == nil {
		select {
		case <-ended:
		case <-time.After(k):
			cmd.Process.Kill()
		}
	}
	<-ended
	if sig == syscall.SIGKILL {
		return 137
	}
	return 124
}

// passOn gives a child the signals that end us.
func passOn(cmd *exec.Cmd) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT) // a terminal sends it to the child, too
	go func() {
		for s := range ch {
			cmd.Process.Signal(s)
		}
	}()
}

func timeCommand(c *applet.Call) int {
	if _, ok := c.Parse("+pv"); !ok {
		return 1
	}
	if len(c.Args) == 0 {
		return 0
	}
	began := time.Now()
	cmd, err := run(c, c.Args, nil)
	if err != nil {
		return notFound(c, c.Args[0], err)
	}
	passOn(cmd)
	cmd.Wait()
	p := cmd.ProcessState
	for _, l := range []struct {
		name string
		d    time.Duration
	}{{"real", time.Since(began)}, {"user", p.UserTime()}, {"sys", p.SystemTime()}} {
		fmt.Fprintf(c.Err, "%s\t%dm %.2fs\n", l.name, int(l.d.Minutes()), (l.d % time.Minute).Seconds())
	}
	return status(cmd)
}

func watch(c *applet.Call) int {
	f, ok := c.Parse("+n:td", "interval=n", "no-title=t", "differences=d")
	if !ok {
		return 1
	}
	every, err := duration(f.Get('n', "2"))
	if err != nil || len(c.Args) == 0 {
		return c.Usage("[-n SECONDS] [-t] COMMAND")
	}
	text := strings.Join(c.Args, " ")
	for {
		cmd := exec.Command("/bin/sh", "-c", text)
		out, _ := cmd.CombinedOutput()
		fmt.Fprint(c.Out, "\x1b[H\x1b[J")
		if !f.Has('t') {
			fmt.Fprintf(c.Out, "Every %v: %s    %s\n\n", every, text, time.Now().Format("15:04:05"))
		}
		c.Out.Write(out)
		time.Sleep(every)
	}
}

func nice(c *applet.Call) int {
	f, ok := c.Parse("+n:")
	if !ok || len(c.Args) == 0 {
		return c.Usage("[-n N] COMMAND [ARG...]")
	}
	n, ok := c.Int(f, 'n', 10)
	if !ok {
		return 125
	}
	syscall.Setpriority(syscall.PRIO_PROCESS, 0, n)
	return replace(c, c.Args, os.Environ())
}
