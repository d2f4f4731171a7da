package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/control"
	"labsim/sim/dataplane"
	"labsim/sim/ec2"
	"labsim/sim/engine/docker"
	"labsim/sim/path"
)

// box is the client of what control serves under /_labsim/, and of the EC2 API
// beside it.
type box struct {
	endpoint string // http://127.0.0.1:4566
	token    string
	http     *http.Client
	ec2      *ec2.Client

	simulated bool // nothing runs in the instances
}

func newBox(endpoint, token string) *box {
	// Never a proxy: the box is on loopback, and nothing of it may leave the machine.
	c := &http.Client{Transport: &http.Transport{Proxy: nil}}
	return &box{endpoint: endpoint, token: token, http: c, ec2: &ec2.Client{Endpoint: endpoint, HTTP: c}}
}

// boxVersion is what control says of itself.
type boxVersion struct {
	Protocol       int
	Build          string
	Site           string
	Engine         string
	Region         sim.Region
	Account        string
	AgentConnected bool
	AgentBuild     string
	PublicCIDR     string
	Unclaimed      *control.Unclaimed // the state was lost
}

// boxStatus is how far the machine is what the world says.
type boxStatus struct {
	Version   uint64
	Current   bool // it is about the world and the machine as they are now
	Converged bool
	Steps     []boxStep // what is left to do
	Problems  []dataplane.Problem
	Short     *sim.Room // the engine's disk is: no instance starts
	// OtherBuild: control and the agent don't understand each other.
	OtherBuild bool
	Unclaimed  *control.Unclaimed
}

type boxStep struct{ Kind, Resource string }

func (b *box) request(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, b.endpoint+"/_labsim/"+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	resp, err := b.http.Do(r)
	if err != nil {
		return nil, &sim.Failure{What: sim.T("labsim does not answer at %s", b.endpoint), Err: silence{err}, Next: []sim.Text{sim.Cmd("labsim doctor")}}
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, answerError(resp, method, path)
	}
	return resp, nil
}

// silence is why a box did not answer.
type silence struct{ error }

func (s silence) Unwrap() error { return s.error }

func (silence) Is(target error) bool { return target == docker.ErrSilent }

// answerError reads an error's text; control answers with a Text where it has one. What
// it does not know is of another build than this one.
func answerError(resp *http.Response, method, path string) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var t sim.Text
	isText := json.Unmarshal(data, &t) == nil && t.Format != ""
	words := strings.TrimSpace(string(data))
	switch {
	case isText && resp.StatusCode == http.StatusBadRequest && strings.Contains(t.String(), "unknown field"):
		return &boxError{resp.StatusCode, docker.OtherBuild(errors.New(t.String()))}
	case isText:
		return &boxError{resp.StatusCode, &sim.Failure{What: t}}
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusMethodNotAllowed: // not of control's own words
		return &boxError{resp.StatusCode, docker.OtherBuild(fmt.Errorf("%s: %s %s", words, method, path))}
	}
	return &boxError{resp.StatusCode, fmt.Errorf("%s: %s", resp.Status, words)}
}

// boxError is an error with the status that it came with.
type boxError struct {
	status int
	error
}

func (e *boxError) Unwrap() error { return e.error }

func (b *box) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := b.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (b *box) version(ctx context.Context) (v boxVersion, err error) {
	return v, b.call(ctx, http.MethodGet, "version", nil, &v)
}

func (b *box) trace(ctx context.Context, q path.Query) (v path.Verdict, err error) {
	return v, b.call(ctx, http.MethodPost, "trace", q, &v)
}

func (b *box) probe(ctx context.Context, p dataplane.Probe) (r dataplane.ProbeResult, err error) {
	return r, b.call(ctx, http.MethodPost, "probe", p, &r)
}

func (b *box) counters(ctx context.Context, vpc string) (map[string]dataplane.Counter, error) {
	var list []dataplane.Counter
	err := b.call(ctx, http.MethodGet, "counters?vpc="+url.QueryEscape(vpc), nil, &list)
	out := map[string]dataplane.Counter{}
	for _, c := range list {
		out[c.ID] = c
	}
	return out, err
}

func (b *box) hostKeys(ctx context.Context) (map[string][]string, error) {
	out := map[string][]string{}
	return out, b.call(ctx, http.MethodGet, "hostkeys", nil, &out)
}

// watch calls f with the status at once and at every change, until f returns
// true or an error.
func (b *box) watch(ctx context.Context, f func(boxStatus) (bool, error)) error {
	resp, err := b.request(ctx, http.MethodGet, "status?wait=1", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var s boxStatus
		if err := dec.Decode(&s); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &sim.Failure{What: sim.T("the connection to labsim broke"), Err: err, Next: []sim.Text{sim.Cmd("labsim doctor")}}
		}
		if done, err := f(s); done || err != nil {
			return err
		}
	}
}

// stream opens a raw connection through control (Upgrade).
func (b *box) stream(ctx context.Context, path string) (*bufferedConn, error) {
	u, err := url.Parse(b.endpoint)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, &sim.Failure{What: sim.T("labsim does not answer at %s", b.endpoint), Err: silence{err}, Next: []sim.Text{sim.Cmd("labsim doctor")}}
	}
	r, err := http.NewRequest(http.MethodPost, b.endpoint+"/_labsim/"+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", wire.Upgrade)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	resp, br, err := wire.Exchange(conn, r)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer conn.Close()
		return nil, answerError(resp, r.Method, path)
	}
	return &bufferedConn{conn.(*net.TCPConn), br}, nil
}

// bufferedConn is a connection of which the first bytes are read already.
type bufferedConn struct {
	*net.TCPConn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// WriteTo stands before the one of TCPConn, by which io.Copy would pass over what
// is read already: a server that speaks first would lose its first words.
func (c *bufferedConn) WriteTo(w io.Writer) (int64, error) { return c.r.WriteTo(w) }

func isStatus(err error, status int) bool {
	var e *boxError
	return errors.As(err, &e) && e.status == status
}
