// Package controltest is a region for tests: the whole control plane, in which
// nothing runs. It knows nothing of who is tested.
package controltest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"labsim/sim/control"
	"labsim/sim/ec2"
	"labsim/sim/engine/none"
	"labsim/sim/lab/script"
	"labsim/sim/path"
)

// Region is a simulated one, with its whole API.
type Region struct {
	*ec2.Client
	t testing.TB
}

const token = "token"

// Start starts a region that lasts as long as the test.
func Start(t testing.TB) *Region {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- control.Run(ctx, control.Options{Site: "t-control", Listener: l, Token: token, Engine: none.New(), EngineName: "none",
			Node: &control.Simulated{}, Simulated: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Ready: func(net.Addr) { close(ready) }})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	<-ready
	return &Region{&ec2.Client{Endpoint: "http://" + l.Addr().String()}, t}
}

func (r *Region) call(ctx context.Context, method, path string, in any) (*http.Response, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.Endpoint+"/_labsim/"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return resp, err
}

// Trace asks the evaluator.
func (r *Region) Trace(ctx context.Context, q path.Query) (v path.Verdict, err error) {
	resp, err := r.call(ctx, http.MethodPost, "trace", q)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	return v, json.NewDecoder(resp.Body).Decode(&v)
}

// Wait calls done whenever something has changed.
func (r *Region) Wait(ctx context.Context, done func(context.Context) (bool, error)) error {
	resp, err := r.call(ctx, http.MethodGet, "status?wait=1", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		if err := dec.Decode(new(control.Status)); err != nil {
			return err
		}
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
	}
}

// Script runs commands as they are typed, `aws ec2` among them, and returns the
// variables that it leaves.
func (r *Region) Script(text string, vars map[string]string) map[string]string {
	r.t.Helper()
	out, err := r.Runner().Run(r.t.Context(), text, vars)
	if err != nil {
		r.t.Fatalf("%v\n%s", err, text)
	}
	return out.Vars
}

// Runner runs scripts.
func (r *Region) Runner() *script.Runner {
	return &script.Runner{API: r, Wait: func(ctx context.Context, _ []string, done func(context.Context) (bool, error)) error {
		return r.Wait(ctx, done)
	}}
}
