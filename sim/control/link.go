package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
	"labsim/sim/standing"
)

// SocketName is control's socket in the site's run directory, which the agent dials.
const SocketName = "control.sock"

const helloTimeout = 5 * time.Second

// Link is the Node behind a socket that the agent dials. It lasts over the
// agent's restarts: the newest connection counts.
type Link struct {
	site     sim.Site
	listener net.Listener
	log      *slog.Logger

	mu      sync.Mutex
	session *session // nil: no agent
	last    uint64
	refused string        // why the agent that dialled last was turned away, while there is none
	changed chan struct{} // closed at the next change of session or its report
}

// session is one connection of the agent.
type session struct {
	number uint64
	build  string
	reads  int // dataplane.Revision of the agent
	mux    *yamux.Session
	http   *http.Client
	report dataplane.Report // below Link.mu
}

// Listen opens the socket in dir, the site's run directory as this process sees it.
func Listen(site sim.Site, dir string, log *slog.Logger) (*Link, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l, err := standing.Listen(filepath.Join(dir, SocketName), 0o600)
	if err != nil {
		return nil, err
	}
	return &Link{site: site, listener: l, log: log, changed: make(chan struct{})}, nil
}

// Serve accepts the agent until ctx ends.
func (l *Link) Serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		l.listener.Close()
		l.replace(nil)
	})()
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("agent's socket: %w", err)
		}
		go func() {
			if err := l.accept(ctx, conn); err != nil && ctx.Err() == nil {
				l.log.Warn("agent's connection", "error", err)
			}
		}()
	}
}

// accept keeps one connection until it ends.
func (l *Link) accept(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	hello, err := readHello(conn)
	switch {
	case err != nil:
		return err
	case hello.Site != string(l.site):
		return fmt.Errorf("agent of site %q at the socket of %q", hello.Site, l.site)
	case hello.Protocol != wire.Protocol:
		err := fmt.Errorf("the agent speaks protocol %d, control %d", hello.Protocol, wire.Protocol)
		l.turnAway(err.Error())
		return err
	}
	mux, err := yamux.Server(conn, muxConfig())
	if err != nil {
		return err
	}
	defer mux.Close()
	s := &session{build: hello.Build, reads: hello.Reads, mux: mux, http: &http.Client{Transport: &http.Transport{
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return mux.Open() },
		MaxResponseHeaderBytes: wire.MaxHead,
	}}}
	l.replace(s)
	defer l.drop(s)
	l.log.Info("agent connected", "build", s.build, "session", s.number)
	return l.follow(ctx, s)
}

// follow reads the session's reports until it ends.
func (l *Link) follow(ctx context.Context, s *session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-s.mux.CloseChan()
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+wire.PathReports, nil)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reports: %s", resp.Status)
	}
	for lines := wire.NewLines(resp.Body, wire.MaxReport); ; {
		var r dataplane.Report
		if err := lines.Next(&r); err != nil {
			return fmt.Errorf("reports: %w", err)
		}
		cleanGuests(r.Guests)
		l.mu.Lock()
		s.report = r
		l.notify()
		l.mu.Unlock()
	}
}

// cleanGuests takes out of a report what an agent of another build may have passed
// on of what guests say.
func cleanGuests(list []dataplane.Guest) {
	for i := range list {
		list[i].HostKeys = wire.HostKeys(list[i].HostKeys)
	}
}

func (l *Link) replace(s *session) {
	l.mu.Lock()
	old := l.session
	l.session = s
	if s != nil {
		l.refused = ""
		l.last++
		s.number = l.last
	}
	l.notify()
	l.mu.Unlock()
	if old != nil {
		old.mux.Close()
	}
}

func (l *Link) drop(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == s {
		l.session = nil
		l.notify()
	}
}

// turnAway notes why there is no agent; one that is turned away comes again and again.
func (l *Link) turnAway(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil && l.refused != why {
		l.refused = why
		l.notify()
	}
}

// notify wakes the watchers. l.mu is held.
func (l *Link) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) current() (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil {
		return nil, errNoAgent
	}
	return l.session, nil
}

// Watch implements Node.
func (l *Link) Watch(ctx context.Context, f func(NodeState)) error {
	for {
		l.mu.Lock()
		state := NodeState{Refused: l.refused}
		if s := l.session; s != nil {
			state = NodeState{Session: s.number, Build: s.build, Reads: s.reads, Report: s.report}
		}
		changed := l.changed
		l.mu.Unlock()
		f(state)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Set implements Node.
func (l *Link) Set(ctx context.Context, c *dataplane.Config) (r dataplane.Report, err error) {
	err = l.call(ctx, http.MethodPut, wire.PathConfig, c, &r)
	cleanGuests(r.Guests)
	return r, err
}

// Counters implements Node.
func (l *Link) Counters(ctx context.Context, v sim.VPCID) (out []dataplane.Counter, err error) {
	return out, l.call(ctx, http.MethodGet, wire.PathCounters+"?vpc="+url.QueryEscape(string(v)), nil, &out)
}

// Drift implements Node.
func (l *Link) Drift(ctx context.Context) (out []dataplane.Drift, err error) {
	return out, l.call(ctx, http.MethodGet, wire.PathDrift, nil, &out)
}

// Probe implements Node.
func (l *Link) Probe(ctx context.Context, p dataplane.Probe) (out dataplane.ProbeResult, err error) {
	return out, l.call(ctx, http.MethodPost, wire.PathProbe, p, &out)
}

// Open implements Node.
func (l *Link) Open(context.Context) (net.Conn, error) {
	s, err := l.current()
	if err != nil {
		return nil, err
	}
	return s.mux.Open()
}

// call makes one request of the agent and decodes its answer into out.
func (l *Link) call(ctx context.Context, method, path string, in, out any) error {
	s, err := l.current()
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, &body)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("agent: %s: %s", resp.Status, errorText(resp))
	}
	return json.NewDecoder(io.LimitReader(resp.Body, wire.MaxReport)).Decode(out)
}

// errorText reads the body of an answer that is no success, which may be a guest's.
func errorText(resp *http.Response) string {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, wire.MaxErrorText))
	return sim.Printable(strings.TrimSpace(string(text)))
}

func readHello(conn net.Conn) (h wire.Hello, err error) {
	conn.SetReadDeadline(time.Now().Add(helloTimeout))
	defer conn.SetReadDeadline(time.Time{})
	line, err := wire.ReadLine(conn, wire.MaxHello)
	if err != nil {
		return h, fmt.Errorf("hello: %w", err)
	}
	return h, json.Unmarshal(line, &h)
}

// muxConfig notices within seconds that an agent hangs; one that ends is seen at
// once, as it is a Unix socket.
func muxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	c.KeepAliveInterval = 10 * time.Second
	return c
}

// shutdownGuest asks the instance's PID 1 to end.
func shutdownGuest(ctx context.Context, n Node, id sim.InstanceID, action string) error {
	conn, err := n.Open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	body, err := json.Marshal(wire.Shutdown{Action: action})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent"+wire.PathGuests+string(id)+wire.PathShutdown, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	resp, _, err := wire.Exchange(conn, req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("guest: %s", resp.Status)
	}
	return nil
}
