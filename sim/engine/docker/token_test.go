package docker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"labsim/sim"
)

// complaining is an engine whose control answers every exec with a complaint.
func complaining(t *testing.T, complaint string) *Engine {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			fmt.Fprintf(w, `[{"Id":"c","Names":["/one-control"],"State":"running","Labels":{%q:"old"}}]`, sim.LabelBuild)
		case strings.HasSuffix(r.URL.Path, "/start"):
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
			fmt.Fprint(stdcopy.NewStdWriter(conn, stdcopy.Stderr), complaint)
		default:
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"Id":"x"}`)
		}
	}))
	t.Cleanup(s.Close)
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+s.Listener.Addr().String()), client.WithVersion(minAPI))
	if err != nil {
		t.Fatal(err)
	}
	return &Engine{c: c, site: "one"}
}

// A control that does not know what it is asked for is of another build; one whose
// token is not there is not.
func TestFindOtherBuild(t *testing.T) {
	for complaint, other := range map[string]bool{
		"oneshot: no such verb: token [/state/token]":    true,
		"open /state/token: no such file or directory\n": false,
	} {
		_, err := complaining(t, complaint).Find(t.Context())
		var f *sim.Failure
		if !errors.As(err, &f) || errors.Is(err, ErrOtherBuild) != other || !strings.Contains(err.Error(), strings.TrimSpace(complaint)) || len(f.Next) == 0 {
			t.Errorf("%q: %v, want ErrOtherBuild: %v", complaint, err, other)
		}
	}
}
