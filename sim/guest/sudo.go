package guest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"labsim/sim/guest/applet"
)

// sudo asks PID 1 to run the command: a file system that is nosuid and a
// process that may gain no privilege leave no other way.
func sudo(c *applet.Call) int {
	f, ok := c.Parse("+u:g:nEHisSkKvlb", "user=u", "login=i", "shell=s", "non-interactive=n", "preserve-env=E", "set-home=H")
	if !ok {
		return 1
	}
	if f.Has('k', 'K', 'v') && len(c.Args) == 0 {
		return 0
	}
	user, err := lookupAccount("/", f.Get('u', "root"))
	if err != nil {
		return c.Fail("%v", err)
	}
	dir, _ := os.Getwd()
	req := ask{Op: "run", User: user.name, Dir: dir, Env: sudoEnv(user, f.Has('E'))}
	args := c.Args
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "=") {
		req.Env = withEnv(req.Env, args[0])
		args = args[1:]
	}
	switch {
	case f.Has('i') && len(args) == 0:
		args = []string{user.shell, "-l"}
	case f.Has('s') && len(args) == 0:
		args = []string{user.shell}
	case f.Has('i', 's'):
		args = []string{user.shell, "-c", strings.Join(quoteAll(args), " ")}
	case len(args) == 0:
		return c.Usage("[-u USER] [-i | -s | -E] [NAME=VALUE...] [COMMAND [ARG...]]")
	}
	if f.Has('i') {
		req.Dir = user.home
	}
	req.Args = args
	return runAs(c, req)
}

// sudoEnv is what sudo's own policy keeps.
func sudoEnv(user *account, all bool) []string {
	env := user.env()
	var kept []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if all || slices.Contains([]string{"TERM", "LANG", "LANGUAGE", "TZ", "COLORTERM"}, name) || strings.HasPrefix(name, "LC_") {
			kept = append(kept, e)
		}
	}
	me, _ := lookupAccount("/", fmt.Sprint(os.Getuid()))
	if me != nil {
		kept = append(kept, "SUDO_USER="+me.name, fmt.Sprintf("SUDO_UID=%d", me.uid), fmt.Sprintf("SUDO_GID=%d", me.gid))
	}
	return withEnv(kept, env...)
}

// quoteAll quotes words for the shell.
func quoteAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return out
}

// runAs sends req to PID 1 and stays until the command has ended.
func runAs(c *applet.Call, req ask) int {
	in := int(os.Stdin.Fd())
	req.TTY = term.IsTerminal(in) && term.IsTerminal(int(os.Stdout.Fd()))
	if req.TTY {
		if w, h, err := term.GetSize(in); err == nil {
			req.Rows, req.Cols = uint16(h), uint16(w)
		}
	}
	conn, r, files, err := askInit(req)
	if err != nil {
		return c.Fail("%v", err)
	}
	defer conn.Close()
	if req.TTY && len(files) == 1 {
		return relayTTY(conn, r, files[0])
	}
	forwardSignals(conn)
	return lastReply(r)
}

// askInit sends a request, with our streams, and reads the first reply.
func askInit(req ask) (*net.UnixConn, *bufio.Reader, []*os.File, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: controlSocket, Net: "unix"})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("PID 1 of this machine is not labsim's: %w", err)
	}
	line, _ := json.Marshal(req)
	var oob []byte
	if req.Op == "run" && !req.TTY {
		oob = unix.UnixRights(0, 1, 2)
	}
	if _, _, err := conn.WriteMsgUnix(append(line, '\n'), oob, nil); err != nil {
		return nil, nil, nil, err
	}
	buf, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, on, _, _, err := conn.ReadMsgUnix(buf, control)
	if err != nil {
		return nil, nil, nil, err
	}
	r := bufio.NewReader(io.MultiReader(strings.NewReader(string(buf[:n])), conn))
	var first reply
	data, err := r.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(data, &first)
	}
	if err == nil && first.Error != "" {
		err = fmt.Errorf("%s", first.Error)
	}
	return conn, r, receivedFiles(control[:on]), err
}

func lastReply(r *bufio.Reader) int {
	var last reply
	data, err := r.ReadBytes('\n')
	if err != nil || json.Unmarshal(data, &last) != nil {
		return 1
	}
	return last.Exit
}

func forwardSignals(conn *net.UnixConn) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range ch {
			conn.Write([]byte{'s', byte(s.(syscall.Signal))})
		}
	}()
}

// relayTTY connects our terminal with the command's.
func relayTTY(conn *net.UnixConn, r *bufio.Reader, master *os.File) int {
	in := int(os.Stdin.Fd())
	if old, err := term.MakeRaw(in); err == nil {
		defer term.Restore(in, old)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	go func() {
		for range resized {
			if size, err := pty.GetsizeFull(os.Stdin); err == nil {
				conn.Write([]byte{'w', byte(size.Rows >> 8), byte(size.Rows), byte(size.Cols >> 8), byte(size.Cols)})
			}
		}
	}()
	go io.Copy(master, os.Stdin)
	done := make(chan struct{})
	go func() {
		io.Copy(os.Stdout, master) // ends with EIO when the last process of the terminal has
		close(done)
	}()
	code := lastReply(r)
	master.SetReadDeadline(noWait())
	<-done
	return code
}
