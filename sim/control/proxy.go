package control

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"labsim/sim/agent/wire"
)

// upgrade passes a request for a raw stream on to the agent, and then the bytes
// both ways. Each side's end of sending is passed on by itself, so that the
// other direction may go on.
func (s *server) upgrade(w http.ResponseWriter, r *http.Request, path string) {
	if r.Header.Get("Upgrade") != wire.Upgrade {
		fail(w, http.StatusUpgradeRequired, "This asks for a connection that is upgraded to %s", wire.Upgrade)
		return
	}
	agent, err := s.node.Open(r.Context())
	if err != nil {
		failWith(w, err)
		return
	}
	defer agent.Close()
	stop := context.AfterFunc(r.Context(), func() { agent.Close() })
	defer stop()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://agent"+path, nil)
	if err != nil {
		failWith(w, err)
		return
	}
	askUpgrade(req)
	resp, fromAgent, err := wire.Exchange(agent, req)
	if err != nil {
		failWith(w, err)
		return
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		refuse(w, resp)
		return
	}
	// From here on the request's context says nothing of the client any more.
	stop()
	client, fromClient, err := accept(w)
	if err != nil {
		return
	}
	defer client.Close()
	defer context.AfterFunc(s.ctx, func() { client.Close(); agent.Close() })()
	join(client, fromClient, agent, fromAgent)
}

func askUpgrade(req *http.Request) {
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", wire.Upgrade)
}

// accept takes the client's connection over and tells it that it is raw now.
func accept(w http.ResponseWriter) (net.Conn, io.Reader, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, http.StatusInternalServerError, "This connection can't be upgraded")
		return nil, nil, err
	}
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+wire.Upgrade+"\r\n\r\n")
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, rw.Reader, nil
}

// join copies both ways until both have ended.
func join(a net.Conn, fromA io.Reader, b net.Conn, fromB io.Reader) {
	var wg sync.WaitGroup
	wg.Go(func() { pump(b, fromA) })
	wg.Go(func() { pump(a, fromB) })
	wg.Wait()
}

// pump copies until src ends, then says so to dst. A dst that takes no more is
// closed whole, which ends the other direction too.
func pump(dst net.Conn, src io.Reader) {
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		if c, ok := src.(io.Closer); ok {
			c.Close()
		}
		return
	}
	closeWrite(dst)
}

// closeWrite ends one direction. A yamux stream's Close does just that.
func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
		return
	}
	c.Close()
}

// stream passes a GET on to the agent and its answer back as it comes.
func (s *server) stream(w http.ResponseWriter, r *http.Request, path string) {
	agent, err := s.node.Open(r.Context())
	if err != nil {
		failWith(w, err)
		return
	}
	defer agent.Close()
	defer context.AfterFunc(r.Context(), func() { agent.Close() })()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://agent"+path, nil)
	if err != nil {
		failWith(w, err)
		return
	}
	req.Close = true
	resp, _, err := wire.Exchange(agent, req)
	if err != nil {
		failWith(w, err)
		return
	}
	if resp.StatusCode != http.StatusOK {
		refuse(w, resp)
		return
	}
	passOn(w, resp)
}

// refuse answers that the agent or a guest has refused, in control's own form:
// what a guest writes must not pass for a text of labsim's.
func refuse(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	status := resp.StatusCode
	if status < 400 {
		status = http.StatusBadGateway
	}
	fail(w, status, "%s", cmp.Or(errorText(resp), fmt.Sprintf("status %d", resp.StatusCode)))
}

// passOn writes an answer out, each piece as it comes.
func passOn(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "application/octet-stream") // a guest's bytes are no page
	w.WriteHeader(resp.StatusCode)
	rc := http.NewResponseController(w)
	rc.Flush()
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return
			}
			rc.Flush()
		}
		if err != nil {
			return
		}
	}
}
