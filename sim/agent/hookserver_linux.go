package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"
)

// hookLimit is the time that a hook may take. Docker waits 30 s, and blocks a
// container's start, an engine's boot or a network's removal meanwhile.
const hookLimit = 20 * time.Second

// object is a JSON object of Docker's plugin protocol.
type object = map[string]any

// constants answer Docker's questions that come before all others, the engine's
// boot included. They need no config and no lock.
var constants = map[string]string{
	"Plugin.Activate":                          `{"Implements":["NetworkDriver","IpamDriver","VolumeDriver"]}`,
	"NetworkDriver.GetCapabilities":            `{"Scope":"local","ConnectivityScope":"local"}`,
	"IpamDriver.GetCapabilities":               `{"RequiresMACAddress":false,"RequiresRequestReplay":false}`,
	"IpamDriver.GetDefaultAddressSpaces":       `{"LocalDefaultAddressSpace":"labsim-local","GlobalDefaultAddressSpace":"labsim-global"}`,
	"VolumeDriver.Capabilities":                `{"Capabilities":{"Scope":"local"}}`,
	"NetworkDriver.DiscoverNew":                `{}`,
	"NetworkDriver.DiscoverDelete":             `{}`,
	"NetworkDriver.AllocateNetwork":            `{}`,
	"NetworkDriver.FreeNetwork":                `{}`,
	"NetworkDriver.RevokeExternalConnectivity": `{}`,
}

// hookServer answers Docker's plugin protocol (docs.docker.com/engine/extend).
type hookServer struct {
	known chan struct{} // closed when the hooks are
	hooks map[string]hook
	err   error // why there are none
	limit time.Duration
	// hung is called when a hook takes longer than limit; it doesn't return.
	hung func(name string)
}

// newHookServer returns a server that answers the constants. What else is asked
// waits for ready.
func newHookServer() *hookServer {
	return &hookServer{known: make(chan struct{}), limit: hookLimit, hung: func(name string) {
		log.Fatalf("%s hangs for %v: the agent ends, so that the engine starts it again", name, hookLimit)
	}}
}

// ready gives the server its hooks, or the reason why there are none. Call it once.
func (s *hookServer) ready(hooks map[string]hook, err error) {
	s.hooks, s.err = hooks, err
	close(s.known)
}

// hook does what Docker asks; answer is marshalled.
type hook func(ctx context.Context, body []byte) (answer any, err error)

// on makes a hook out of a function over the request's type.
func on[In any](f func(context.Context, In) (any, error)) hook {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if len(body) > 0 {
			if err := json.Unmarshal(body, &in); err != nil {
				return nil, fmt.Errorf("labsim can't read the engine's request: %w", err)
			}
		}
		return f(ctx, in)
	}
}

func (s *hookServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.docker.plugins.v1.2+json")
	name := strings.TrimPrefix(r.URL.Path, "/")
	if answer, ok := constants[name]; ok {
		io.WriteString(w, answer)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var answer any
	if err == nil {
		answer, err = s.run(r.Context(), name, body)
	}
	if err != nil {
		if !errors.Is(err, errNoVolume) {
			log.Printf("%s: %v", name, err)
		}
		// Docker's volume client reads the error of a failed request only.
		if strings.HasPrefix(name, "VolumeDriver.") {
			w.WriteHeader(http.StatusInternalServerError)
		}
		answer = refusal(name, err)
	}
	writeJSON(w, answer)
}

// run calls the hook under the watchdog. What hangs can't be told to end, so the
// process does.
func (s *hookServer) run(ctx context.Context, name string, body []byte) (any, error) {
	began := time.Now()
	dog := time.AfterFunc(s.limit, func() { s.hung(name) })
	defer dog.Stop()
	ctx, cancel := context.WithTimeout(ctx, s.limit*3/4)
	defer cancel()
	answer, err := s.call(ctx, name, body)
	if took := time.Since(began); took > time.Second {
		log.Printf("%s took %v", name, took.Round(time.Millisecond))
	}
	if answer == nil {
		answer = object{}
	}
	return answer, err
}

func (s *hookServer) call(ctx context.Context, name string, body []byte) (any, error) {
	select {
	case <-s.known:
	case <-ctx.Done():
		return nil, errors.New("labsim's agent is still starting: try again")
	}
	if s.err != nil {
		return nil, s.err
	}
	h, ok := s.hooks[name]
	if !ok {
		return nil, errors.New("labsim doesn't do " + name)
	}
	return h(ctx, body)
}

// refusal is how the protocol's three parts spell an error.
func refusal(name string, err error) object {
	if strings.HasPrefix(name, "IpamDriver.") {
		return object{"Error": err.Error()}
	}
	return object{"Err": err.Error()}
}

func writeJSON(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Printf("answer: %v", err)
	}
}
