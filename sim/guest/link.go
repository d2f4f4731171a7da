package guest

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"labsim/sim/agent/wire"
)

const agentSocket = "/.labsim/agent.sock"

// keepLink holds one connection to the agent, for ever: the agent may come
// late, be upgraded or crash while the instance runs.
func (g *guest) keepLink(socket string) {
	for wait := 5 * time.Millisecond; ; {
		conn, err := dialAgent(socket)
		if err == nil {
			began := time.Now()
			g.serveLink(conn)
			if time.Since(began) > time.Second {
				wait = 5 * time.Millisecond
			}
		}
		// A socket that is not there, or refuses, tells nobody when it will not.
		time.Sleep(wait)
		wait = min(2*wait, 250*time.Millisecond)
	}
}

// dialAgent waits in the kernel while the socket's queue is full. Asking again and
// again, as a socket that doesn't block has to, loses against a guest that floods.
func dialAgent(socket string) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), socket)
	defer f.Close() // FileConn has one of its own
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
	}
	if err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// serveLink speaks on one connection until it breaks.
func (g *guest) serveLink(conn net.Conn) {
	defer conn.Close()
	hello, _ := json.Marshal(wire.Hello{Protocol: wire.Protocol, Build: g.build})
	if _, err := conn.Write(append(hello, '\n')); err != nil {
		return
	}
	cfg := yamux.DefaultConfig()
	cfg.LogOutput = io.Discard
	cfg.EnableKeepAlive = false // a Unix socket tells when the other side has gone
	session, err := yamux.Client(conn, cfg)
	if err != nil {
		return
	}
	defer session.Close()
	srv := &http.Server{Handler: g.handler(), ErrorLog: log.New(io.Discard, "", 0)}
	srv.Serve(session)
}

func (g *guest) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathExec, g.serveExec)
	mux.HandleFunc("GET "+wire.PathConsole, g.serveConsole)
	mux.HandleFunc("POST "+wire.PathShutdown, g.serveShutdown)
	mux.HandleFunc("GET "+wire.PathState, g.serveState)
	mux.HandleFunc("GET "+wire.PathEvents, g.serveEvents)
	return mux
}

func (g *guest) serveConsole(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	follow := r.FormValue("follow") != "" && r.FormValue("follow") != "0"
	g.console.copyTo(w, follow, func() { flush(w) }, r.Context().Done())
}

func (g *guest) serveShutdown(w http.ResponseWriter, r *http.Request) {
	var req wire.Shutdown
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	end, ok := map[string]ending{"poweroff": endStop, "reboot": endReboot}[req.Action]
	if !ok {
		http.Error(w, "Action is poweroff or reboot", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	g.end(end)
}

func (g *guest) serveState(w http.ResponseWriter, r *http.Request) {
	state, _ := g.state.get()
	json.NewEncoder(w).Encode(state)
}

func (g *guest) serveEvents(w http.ResponseWriter, r *http.Request) {
	enc := json.NewEncoder(w)
	for {
		state, next := g.state.get()
		if enc.Encode(state) != nil {
			return
		}
		flush(w)
		select {
		case <-next:
		case <-r.Context().Done():
			return
		}
	}
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}
