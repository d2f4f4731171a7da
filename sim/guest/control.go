package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// controlSocket is where processes of the instance ask PID 1 for what needs its
// power: sudo, poweroff, reboot. The kernel says who asks (SO_PEERCRED).
const controlSocket = "/run/labsim-init.sock"

// ask is the one line that a process sends; with "run" come three descriptors.
type ask struct {
	Op   string // "poweroff", "reboot", "run"
	Args []string
	Env  []string
	Dir  string
	User string
	TTY  bool // descriptors are no use: make a terminal, send its other end
	Rows uint16
	Cols uint16
}

// reply is one line, too; for "run" a second one brings the exit code.
type reply struct {
	Error string
	Exit  int
}

func (g *guest) listenControl(path string) error {
	os.Remove(path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	os.Chmod(path, 0o666)
	go func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			go g.serveControl(conn)
		}
	}()
	return nil
}

func (g *guest) serveControl(conn *net.UnixConn) {
	defer conn.Close()
	req, files, err := receiveAsk(conn)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err == nil {
		err = g.answer(conn, req, &files)
	}
	if err != nil {
		sendReply(conn, reply{Error: err.Error()}, nil)
	}
}

func (g *guest) answer(conn *net.UnixConn, req ask, files *[]*os.File) error {
	cred, err := peer(conn)
	if err != nil {
		return err
	}
	switch req.Op {
	case "poweroff", "reboot":
		if cred.Uid != 0 {
			return fmt.Errorf("only root may do this: sudo %s", req.Op)
		}
		g.end(map[string]ending{"poweroff": endPoweroff, "reboot": endReboot}[req.Op])
		return sendReply(conn, reply{}, nil)
	case "run":
		if !maySudo(cred.Uid) {
			return fmt.Errorf("uid %d is not in the group wheel", cred.Uid)
		}
		return g.sudo(conn, req, files)
	}
	return errors.New("unknown request")
}

func maySudo(uid uint32) bool {
	if uid == 0 {
		return true
	}
	a, err := lookupAccount("/", strconv.FormatUint(uint64(uid), 10))
	return err == nil && (a.name == loginUser || inGroup("/", a, "wheel", "sudo", "admin"))
}

// sudo runs a command as another user for whoever holds the connection.
func (g *guest) sudo(conn *net.UnixConn, req ask, files *[]*os.File) error {
	user, err := lookupAccount("/", req.User)
	if err != nil {
		return err
	}
	c := command{args: req.Args, env: req.Env, dir: req.Dir, user: user}
	if len(c.args) == 0 {
		return errors.New("no command")
	}
	var master *os.File
	switch {
	case req.TTY:
		var slave *os.File
		if master, slave, err = openTTY(user, req.Rows, req.Cols); err != nil {
			return err
		}
		defer master.Close()
		defer slave.Close()
		c.in, c.out, c.err, c.tty = slave, slave, slave, true
	case len(*files) == 3:
		c.in, c.out, c.err = (*files)[0], (*files)[1], (*files)[2]
	default:
		return errors.New("three descriptors are wanted")
	}
	p, err := g.start(c)
	if err != nil {
		return err
	}
	if req.TTY {
		c.in.Close() // the process has it; with ours open its end would not be seen
	}
	for _, f := range *files {
		f.Close() // else a pipe that the caller waits on stays open
	}
	*files = nil
	if err := sendReply(conn, reply{}, master); err != nil {
		g.reaper.hangUp(p)
		return nil
	}
	go g.sudoControl(conn, p, master)
	sendReply(conn, reply{Exit: p.exitCode()}, nil)
	return nil
}

// sudoControl passes on the caller's signals and window sizes, and ends the
// process when the caller is gone. A message is three bytes or five: 's' and
// the signal, 'w' and rows and columns.
func (g *guest) sudoControl(conn *net.UnixConn, p *process, master *os.File) {
	var m [5]byte
	for {
		if _, err := conn.Read(m[:1]); err != nil {
			g.reaper.hangUp(p)
			return
		}
		switch m[0] {
		case 's':
			if _, err := conn.Read(m[1:2]); err == nil {
				g.reaper.signal(p, syscall.Signal(m[1]), true)
			}
		case 'w':
			if n, err := conn.Read(m[1:5]); err == nil && n == 4 && master != nil {
				pty.Setsize(master, &pty.Winsize{Rows: uint16(m[1])<<8 | uint16(m[2]), Cols: uint16(m[3])<<8 | uint16(m[4])})
			}
		}
	}
}

func peer(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, err
	}
	return cred, cerr
}

func receiveAsk(conn *net.UnixConn) (req ask, files []*os.File, err error) {
	var data []byte
	buf, oob := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(3*4))
	for !bytes.HasSuffix(data, []byte("\n")) {
		n, on, _, _, err := conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return req, files, err
		}
		files = append(files, receivedFiles(oob[:on])...)
		data = append(data, buf[:n]...)
		if n == 0 || len(data) > 4<<20 {
			return req, files, errors.New("bad request")
		}
	}
	err = json.Unmarshal(data, &req)
	return req, files, err
}

func receivedFiles(oob []byte) []*os.File {
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return slices.Clip(files)
}

func sendReply(conn *net.UnixConn, r reply, file *os.File) error {
	line, _ := json.Marshal(r)
	var oob []byte
	if file != nil {
		raw, err := file.SyscallConn() // not Fd(): that would make it blocking
		if err != nil {
			return err
		}
		raw.Control(func(fd uintptr) { oob = unix.UnixRights(int(fd)) })
	}
	_, _, err := conn.WriteMsgUnix(append(line, '\n'), oob, nil)
	return err
}
