package guest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/creack/pty"

	"labsim/sim/agent/wire"
)

// upgrade takes the connection of an Upgrade request out of HTTP.
func upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, *bufio.Reader, bool) {
	if r.Header.Get("Upgrade") != wire.Upgrade {
		http.Error(w, "Upgrade: "+wire.Upgrade+" is wanted", http.StatusUpgradeRequired)
		return nil, nil, false
	}
	hj, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "not a connection of its own", http.StatusInternalServerError)
		return nil, nil, false
	}
	conn, rw, err := hj.Hijack()
	if err != nil {
		return nil, nil, false
	}
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+wire.Upgrade+"\r\n\r\n")
	return conn, rw.Reader, true
}

// serveExec answers /exec: a line of JSON, then frames both ways.
func (g *guest) serveExec(w http.ResponseWriter, r *http.Request) {
	conn, in, ok := upgrade(w, r)
	if !ok {
		return
	}
	defer conn.Close()
	line, err := in.ReadBytes('\n')
	if err != nil {
		return
	}
	out := &frameWriter{w: conn}
	var req wire.Exec
	if err := json.Unmarshal(line, &req); err != nil {
		out.write(wire.FrameError, []byte("bad request: "+err.Error()))
		return
	}
	g.exec(req, in, out)
}

func (g *guest) exec(req wire.Exec, in io.Reader, out *frameWriter) {
	cmd, err := g.execCommand(req)
	if err != nil {
		out.write(wire.FrameError, []byte(err.Error()))
		return
	}
	s, err := g.startSession(cmd, req.TTY, req.Rows, req.Cols, req.Stdin, out.kind(wire.FrameStdout), out.kind(wire.FrameStderr))
	if err != nil {
		out.write(wire.FrameError, []byte(err.Error()))
		return
	}
	// A client that vanishes ends the process, one that only has no more input does not.
	go func() {
		g.execInput(s, in)
		g.reaper.hangUp(s.proc)
	}()
	out.write(wire.FrameExit, []byte{byte(s.wait())})
}

func (g *guest) execCommand(req wire.Exec) (command, error) {
	user, err := lookupAccount("/", req.User)
	if err != nil {
		return command{}, err
	}
	args := req.Args
	if len(args) == 0 {
		args = []string{user.shell, "-l"}
	}
	env := withEnv(withEnv(ownEnv(), user.env()...), imagePath())
	if req.TTY {
		env = withEnv(env, "TERM=xterm")
	}
	dir := req.Dir
	if dir == "" {
		dir = user.home
	}
	return command{args: args, env: withEnv(env, req.Env...), dir: dir, user: user}, nil
}

// execInput serves the client's frames until the connection ends.
func (g *guest) execInput(s *session, in io.Reader) {
	buf := make([]byte, wire.MaxFrame)
	for {
		kind, data, err := wire.ReadFrame(in, buf)
		if err != nil {
			return
		}
		switch {
		case kind == wire.FrameStdin && s.stdin != nil:
			s.stdin.Write(data) // a process that reads no more loses its input
		case kind == wire.FrameEOF && s.master != nil:
			s.stdin.Write([]byte{4}) // Ctrl-D
		case kind == wire.FrameEOF && s.stdin != nil:
			s.stdin.Close()
		case kind == wire.FrameResize && s.master != nil && len(data) == 4:
			pty.Setsize(s.master, &pty.Winsize{Rows: binary.BigEndian.Uint16(data), Cols: binary.BigEndian.Uint16(data[2:])})
		case kind == wire.FrameSignal && len(data) == 1:
			g.reaper.signal(s.proc, syscall.Signal(data[0]), true)
		}
	}
}

// frameWriter writes frames of several kinds to one connection.
type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frameWriter) write(kind byte, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return wire.WriteFrame(f.w, kind, data)
}

func (f *frameWriter) kind(kind byte) io.Writer { return kindWriter{f, kind} }

type kindWriter struct {
	f    *frameWriter
	kind byte
}

func (k kindWriter) Write(p []byte) (int, error) {
	return len(p), k.f.write(k.kind, p) // output.copy never has more than a frame
}
