package oneshot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
)

// leave poses as control, whose container is gone: the agent dials its socket,
// and is asked to leave.
func leave(ctx context.Context, runDir string) error {
	file := filepath.Join(sim.ControlIn(runDir), "control.sock")
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", file)
	if err != nil {
		return err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("no agent came: %w", err)
		}
		err = askToLeave(ctx, conn)
		conn.Close()
		if err == nil || ctx.Err() != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "agent:", err)
	}
}

func askToLeave(ctx context.Context, conn net.Conn) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r := bufio.NewReader(conn)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	var hello wire.Hello
	if err := json.Unmarshal(line, &hello); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	s, err := yamux.Server(buffered{conn, r}, c)
	if err != nil {
		return err
	}
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return s.Open() },
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent"+wire.PathLeave, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("leave: %s: %s", resp.Status, text)
	}
	return nil
}

// buffered reads on behind what the reader has taken in already.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }
