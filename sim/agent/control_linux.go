package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
)

// The times between two tries to reach control.
const (
	redialLeast = 5 * time.Millisecond
	redialMost  = time.Second
)

// keepControl holds a connection to control until ctx ends: control may come
// late, go and come back.
func (a *Agent) keepControl(ctx context.Context) {
	dir := sim.ControlIn(a.runDir)
	path := filepath.Join(dir, "control.sock")
	events, stop := a.engine.watchDir(dir)
	defer stop()
	said := ""
	for wait := redialLeast; ctx.Err() == nil; wait = min(2*wait, redialMost) {
		conn, err := a.engine.dialUnix(path)
		if err == nil {
			said, wait = "", redialLeast
			log.Print("control: connected")
			err = a.serveControl(ctx, conn)
		}
		if text := fmt.Sprint(err); text != said { // not every second the same
			log.Printf("control: %v", err)
			said = text
		}
		select {
		case <-events:
			wait = redialLeast // the socket stands a moment before it is listened on
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// serveControl answers control on one connection until it breaks.
func (a *Agent) serveControl(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	hello, err := json.Marshal(wire.Hello{Protocol: wire.Protocol, Build: a.build, Site: string(a.site), Node: a.node, Reads: dataplane.Revision})
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(hello, '\n')); err != nil {
		return err
	}
	session, err := yamux.Client(conn, yamuxConfig())
	if err != nil {
		return err
	}
	defer session.Close()
	srv := &http.Server{Handler: a.routes(ctx), ErrorLog: log.New(io.Discard, "", 0)}
	defer srv.Close()
	return srv.Serve(session)
}
