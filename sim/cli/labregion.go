package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
	"labsim/sim/lab/exercise"
	"labsim/sim/path"
)

// labRegion is the box as a lab looks at it.
type labRegion struct {
	app *app
	box *box
}

func (r *labRegion) Do(ctx context.Context, action string, in, out any) error {
	return r.box.ec2.Do(ctx, action, in, out)
}

func (r *labRegion) Trace(ctx context.Context, q path.Query) (path.Verdict, error) {
	return r.box.trace(ctx, q)
}

func (r *labRegion) Simulated() bool { return r.box.simulated }

// labPatience is how long a check waits for who refuses a packet: whoever looks
// has time to look again.
const labPatience = 300 * time.Millisecond

// Send tries a packet as step 5 of `up` does, and blames the same things.
func (r *labRegion) Send(ctx context.Context, f exercise.Flow) (*exercise.Finding, error) {
	ac := &access{bringUp: &bringUp{app: r.app, box: r.box, simulated: r.box.simulated}, patience: labPatience}
	x := expectation{from: instanceOf(f.From), to: instanceOf(f.To), addr: f.Addr, proto: f.Query.Protocol, port: f.Query.Port, open: f.Open, control: f.Control}
	if x.to.Name == "" {
		x.to.Name = f.Addr.String()
	}
	found, err := ac.sent(ctx, f, x)
	if err != nil || found == nil {
		return nil, err
	}
	if found.machine {
		all, err := ac.blameMachine(ctx, []fault{*found})
		if err != nil {
			return nil, err
		}
		found = &all[0]
	}
	return &exercise.Finding{Why: found.Cause, Fix: found.Fix}, nil
}

// sent tries a packet if somebody is there who can send it: an instance that does
// not run reaches nothing, and why is what the evaluator says.
func (ac *access) sent(ctx context.Context, f exercise.Flow, x expectation) (*fault, error) {
	switch {
	case f.From == nil || f.From.Get("state") == string(sim.StateRunning):
		return ac.try(ctx, x)
	case x.open:
		return ac.blame(ctx, x, dataplane.ProbeResult{})
	}
	return nil, nil
}

func instanceOf(r *exercise.Resource) instance {
	if r == nil {
		return instance{}
	}
	return instance{ID: r.ID, Name: cmp.Or(r.Name, r.ID), VPC: r.Get("vpc"), PrivateIP: r.Get("private-ip"), PublicIP: r.Get("public-ip")}
}

// pageTimeout bounds a page that a check asks for, and maxPage its size in bytes.
const (
	pageTimeout = 5 * time.Second
	maxPage     = 64 << 10
)

// Get asks from the internet side, through control: the host may have no route.
func (r *labRegion) Get(ctx context.Context, page string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, MaxResponseHeaderBytes: wire.MaxHead,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return r.box.stream(ctx, "dial?address="+url.QueryEscape(address))
			},
		},
		// Where the check asks is for the lab to say, not for the one who answers.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	return string(body), err
}

// Bounds of a command that a check runs.
const (
	maxOutput  = 64 << 10 // bytes that are read of what it writes
	runTimeout = time.Minute
)

// Run hangs up on a command that writes or takes more than it may, which ends it.
func (r *labRegion) Run(ctx context.Context, instance, command string) (string, int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTimeout, exercise.ErrTooLong)
	defer cancel()
	var out boundedBuffer
	code, err := r.box.exec(ctx, instance, wire.Exec{Args: []string{"sh", "-c", command}}, nil, &out, &out)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, exercise.ErrTooLong) {
		err = cause
	}
	return out.String(), code, err
}

// boundedBuffer keeps the first maxOutput bytes and takes no more.
type boundedBuffer struct{ bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	n, _ := b.Buffer.Write(p[:min(len(p), maxOutput-b.Len())])
	if n < len(p) {
		return n, exercise.ErrTooMuch
	}
	return n, nil
}
