package exercise

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"labsim/compose"
	"labsim/sim"
	"labsim/sim/control"
	"labsim/sim/ec2"
	"labsim/sim/engine/none"
	"labsim/sim/lab/script"
	"labsim/sim/path"
)

// simulated is a region, with its whole API.
type simulated struct {
	*ec2.Client
	t *testing.T
}

const token = "token"

func newRegion(t *testing.T) *simulated {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- control.Run(ctx, control.Options{Site: "t-exercise", Listener: l, Token: token, Engine: none.New(), EngineName: "none",
			Node: &control.Simulated{}, Simulated: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Ready: func(net.Addr) { close(ready) }})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	<-ready
	return &simulated{&ec2.Client{Endpoint: "http://" + l.Addr().String()}, t}
}

func (r *simulated) call(ctx context.Context, method, path string, in any) (*http.Response, error) {
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

func (r *simulated) Trace(ctx context.Context, q path.Query) (v path.Verdict, err error) {
	resp, err := r.call(ctx, http.MethodPost, "trace", q)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	return v, json.NewDecoder(resp.Body).Decode(&v)
}

// Send has no packets: the evaluator says what they would do.
func (r *simulated) Send(ctx context.Context, f Flow) (*Finding, error) {
	v, err := r.Trace(ctx, f.Query)
	if err != nil || v.Allowed == f.Open {
		return nil, err
	}
	out := &Finding{Why: v.Decisive[0].Text}
	for _, x := range v.Fix {
		for _, c := range x.Commands {
			out.Fix = append(out.Fix, sim.Cmd("%s", c))
		}
	}
	return out, nil
}

func (r *simulated) Get(context.Context, string) (string, error)              { panic("nobody answers") }
func (r *simulated) Run(context.Context, string, string) (string, int, error) { panic("nothing runs") }
func (r *simulated) Simulated() bool                                          { return true }

// wait calls done whenever something has changed.
func (r *simulated) wait(ctx context.Context, done func(context.Context) (bool, error)) error {
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

func (r *simulated) runner() *script.Runner { return &script.Runner{API: r, Wait: r.wait} }

// do runs a script with the variables of the present cast.
func (r *simulated) do(x *Exercise, text string) {
	r.t.Helper()
	if _, err := r.runner().Run(r.t.Context(), text, r.look(x).Cast.Vars()); err != nil {
		r.t.Fatalf("%v\n%s", err, text)
	}
}

func (r *simulated) look(x *Exercise) *Attempt {
	r.t.Helper()
	a, err := x.Look(r.t.Context(), r, "en")
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// check returns the results by the checks' names.
func (r *simulated) check(x *Exercise, steps ...string) map[string]Result {
	r.t.Helper()
	results, err := r.look(x).Check(r.t.Context(), steps...)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]Result{}
	for _, c := range results {
		out[c.Name] = c
	}
	return out
}

func ownLab(t *testing.T, name string) *Folder {
	t.Helper()
	dir, err := fs.Sub(compose.Labs, name)
	if err != nil {
		t.Fatal(err)
	}
	f, problems := Open(dir, name)
	if f == nil {
		t.Fatal(problems)
	}
	return f
}

// solve does all that is missing, by the lab's own solutions.
func (r *simulated) solve(x *Exercise) {
	r.t.Helper()
	for range 30 {
		a := r.look(x)
		results, err := a.Check(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		solved, _, err := a.Solve(r.t.Context(), r.runner(), results)
		if err != nil {
			r.t.Fatal(err)
		}
		if solved == nil {
			return
		}
	}
	r.t.Fatal("the lab's solutions do not come to an end")
}
