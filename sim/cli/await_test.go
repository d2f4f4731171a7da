package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// scripted is a control whose status changes as time goes by.
type scripted []struct {
	after  time.Duration
	status string
}

// RoundTrip implements http.RoundTripper.
func (s scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
	go func() {
		for _, x := range s {
			select {
			case <-time.After(x.after):
			case <-r.Context().Done():
				return
			}
			if _, err := io.WriteString(w, x.status); err != nil {
				return
			}
		}
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
}

// A wait goes on as long as something moves; what is wrong is told once, and ends
// it where nothing moves any more.
func TestAwait(t *testing.T) {
	others := func(current bool) string {
		data, err := json.Marshal(boxStatus{Current: current, Steps: []boxStep{{"start", "i-0b"}, {"record", "i-0b"}},
			Problems: []dataplane.Problem{{Resource: "i-0b", Message: "no room"}, {Resource: "vol-0c", Message: "no room"}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	again := func(starts bool) string {
		s := boxStatus{Problems: []dataplane.Problem{{Resource: "i-1", Message: "reboots itself"}}}
		if starts {
			s.Steps = []boxStep{{"start", "i-1"}}
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	status := func(converged bool, steps int, problems ...string) string {
		s := boxStatus{Converged: converged}
		for i := range steps {
			s.Steps = append(s.Steps, boxStep{"start", string(rune('a' + i))})
		}
		for _, p := range problems {
			s.Problems = append(s.Problems, struct{ Resource, Message string }{"i-1", p})
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	restless := scripted{{0, status(false, 1)}}
	for range 100 {
		restless = append(restless, scripted{{20 * time.Second, again(false)}, {time.Second, again(true)}}...)
	}
	for _, c := range []struct {
		name   string
		of     *scope
		box    scripted
		told   []string
		fails  string
		within time.Duration
	}{
		{"tried again and again", nil, scripted{{0, status(false, 2)}, {time.Second, status(false, 2, "no room")}, {20 * time.Second, status(false, 2, "no room", "no time")},
			{20 * time.Second, status(false, 2, "no room")}, {20 * time.Hour, ""}}, []string{"i-1: no room", "i-1: no time"}, "it does not get on: i-1: no room", stallLimit},
		{"slow, and something was wrong", nil, scripted{{0, status(false, 3, "no room")}, {50 * time.Second, status(false, 2, "no room")}, {50 * time.Second, status(false, 1, "no room")},
			{50 * time.Second, status(true, 0)}}, []string{"i-1: no room"}, "", 150 * time.Second},
		{"slow, and nothing is wrong", nil, scripted{{0, status(false, 1)}, {time.Hour, status(true, 0)}}, nil, "", 0},
		{"tried and undone again and again", nil, restless, []string{"i-1: reboots itself"}, "it does not get on: i-1: reboots itself", 20*time.Second + stallLimit},
		{"wrong with others", scopeOf("i-0a"), scripted{{0, others(false)}, {time.Second, others(true)}, {time.Hour, ""}}, nil, "", time.Second},
		{"wrong with the site", scopeOf("i-0a"), scripted{{0, `{"Current":true,"Problems":[{"Resource":"agent","Message":"gone"}]}`}, {time.Hour, ""}}, []string{"agent: gone"}, "it does not get on: agent: gone", stallLimit},
		{"wrong with its own", scopeOf("i-0b"), scripted{{0, others(true)}, {time.Hour, ""}}, []string{"i-0b: no room"}, "it does not get on: i-0b: no room", stallLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &box{endpoint: "http://box", http: &http.Client{Transport: c.box}}
				var told []string
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				began := time.Now()
				err := b.await(ctx, c.of, func(x sim.Text) { told = append(told, x.String()) }, func(s boxStatus) (bool, error) { return s.Converged, nil })
				switch {
				case c.within == 0:
					if ctx.Err() == nil {
						t.Errorf("it ended after %v: %v", time.Since(began), err)
					}
				case c.fails == "" && err != nil, c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
					t.Errorf("%v, want %q", err, c.fails)
				case time.Since(began) != c.within:
					t.Errorf("it took %v, want %v", time.Since(began), c.within)
				}
				if !slices.Equal(told, c.told) {
					t.Errorf("told %q, want %q", told, c.told)
				}
			})
		})
	}
}
