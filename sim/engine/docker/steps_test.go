package docker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"labsim/sim"
)

// networked is an engine with networks that takes its time to remove each.
type networked struct {
	took    time.Duration // of a removal
	stuck   int64         // of more removals than that none ends
	refused bool
	begun   atomic.Int64
	removed atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (n *networked) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodDelete {
		return answerOf(http.StatusOK, `{}`), nil
	}
	took := n.took
	if begun := n.begun.Add(1); n.stuck > 0 && begun > n.stuck {
		took = 1000 * time.Hour
	}
	select {
	case <-time.After(took):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if n.refused {
		return answerOf(http.StatusForbidden, `{"message":"network has active endpoints"}`), nil
	}
	n.removed.Add(1)
	return answerOf(http.StatusNoContent, ``), nil
}

func answerOf(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// removing takes many networks of a site away, and returns what becomes of it.
func (n *networked) removing(t *testing.T, networks int) (took time.Duration, err error) {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: n}), client.WithScheme("http"), client.WithVersion(minAPI))
	if err != nil {
		t.Fatal(err)
	}
	u := &uninstall{e: &Engine{c: c, site: "many"}}
	for i := range networks {
		u.nets = append(u.nets, network.Summary{ID: fmt.Sprint("net", i), Name: fmt.Sprint("many_", i)})
	}
	began := time.Now()
	u.step(t.Context(), sim.T("networks"), slowTimeout, u.networks)
	return time.Since(began), u.failure()
}

// A step goes on as long as it gets anything done, and what goes wrong many times is
// said in few words.
func TestManyNetworks(t *testing.T) {
	const many = 340
	for _, c := range []struct {
		name    string
		engine  *networked
		removed int64
		within  time.Duration
		want    string
	}{
		{"slow", &networked{took: 10 * time.Second}, many, many / inspectAtOnce * 10 * time.Second, ""},
		{"stuck", &networked{took: 10 * time.Second, stuck: 100}, 100, 250*time.Second + slowTimeout,
			"networks: nothing more got done in 1m40s"},
		{"refused", &networked{took: 10 * time.Millisecond, refused: true}, 0, many / inspectAtOnce * 10 * time.Millisecond,
			"the site many has not gone yet, 340 things failed, among them: network many_0: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took, err := c.engine.removing(t, many)
				if got := c.engine.removed.Load(); got != c.removed || took != c.within {
					t.Errorf("%d networks were removed in %v, want %d in %v", got, took, c.removed, c.within)
				}
				switch {
				case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
					t.Errorf("error %v, want %q", err, c.want)
				case err != nil && len(err.Error()) > 1000:
					t.Errorf("the error has %d characters: %.300s", len(err.Error()), err)
				}
			})
		})
	}
}

// What to do about a failure is not lost among others.
func TestFailure(t *testing.T) {
	known := &sim.Failure{What: sim.T("the engine's disk is full"), Next: []sim.Text{sim.Cmd("docker system prune")}}
	u := &uninstall{e: &Engine{site: "many"}, errs: []error{known}}
	if err := u.failure(); err != error(known) {
		t.Errorf("alone: %v", err)
	}
	u.errs = []error{errors.New("no agent"), errors.Join(errors.New("no room"), known)}
	var f *sim.Failure
	if err := u.failure(); !errors.As(err, &f) || len(f.Next) != 2 || f.Next[0].String() != "docker system prune" || !strings.Contains(err.Error(), "3 things failed") {
		t.Errorf("among others: %v", err)
	}
}
