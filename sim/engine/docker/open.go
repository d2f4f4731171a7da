package docker

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/client"

	"labsim/sim"
	"labsim/sim/engine"
)

// Options say which engine, and which site on it.
type Options struct {
	Site sim.Site // "" is sim.DefaultSite
	// Host is the engine's address (unix:///..., tcp://...), Context a name of
	// Docker's contexts. With neither, the environment and Docker's own
	// configuration decide, as for the docker command.
	Host    string
	Context string
	// Build is whose system image containers are made of; "": the one that was
	// loaded last.
	Build string
	// Data is a directory on the engine's disk, as this process sees it; "": it sees none.
	Data string
	// Tokens may be nil: then control is asked each time.
	Tokens Tokens
}

// Engine is a Docker engine, seen from one site.
type Engine struct {
	c      *client.Client
	site   sim.Site
	at     endpoint
	build  string // may be ""
	data   string // may be ""
	tokens Tokens // may be nil
	ping   types.Ping

	processes processCache
}

var _ engine.Engine = (*Engine)(nil)

// The API versions that are spoken: 1.41 is Docker 20.10.
const minAPI = "1.41"

// reachTimeout bounds the first answer of an engine.
const reachTimeout = 10 * time.Second

// Open finds the engine and asks it for its API version. Errors are
// *sim.Failure; errors.Is(err, ErrNoDocker) says that this machine has no
// Docker at all, errors.Is(err, ErrUnusable) that there is one that can't be used.
func Open(ctx context.Context, o Options) (*Engine, error) {
	e, err := Dial(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if e.ping, err = e.c.Ping(ctx); err != nil {
		e.Close()
		return nil, unreachable(e.at, err)
	}
	e.c.NegotiateAPIVersionPing(e.ping)
	return e, nil
}

// Dial is Open without talking to the engine, which need not answer yet: the
// first request asks for the API version.
func Dial(o Options) (*Engine, error) {
	if o.Site == "" {
		o.Site = sim.DefaultSite
	}
	if err := sim.CheckSite(string(o.Site)); err != nil {
		return nil, err
	}
	at, err := resolve(o, os.Getenv)
	if err != nil {
		return nil, err
	}
	opts := []client.Opt{client.WithAPIVersionNegotiation()}
	if at.TLS != nil {
		opts = append(opts, client.WithHTTPClient(&http.Client{
			Transport:     &http.Transport{TLSClientConfig: at.TLS},
			CheckRedirect: client.CheckRedirect,
		}))
	}
	c, err := client.NewClientWithOpts(append(opts, client.WithHost(at.Host))...)
	if err != nil {
		return nil, fmt.Errorf("engine %s: %w", at.Host, err)
	}
	return &Engine{c: c, site: o.Site, at: at, build: o.Build, data: o.Data, tokens: o.Tokens}, nil
}

// Close drops the connections.
func (e *Engine) Close() error { return e.c.Close() }

// Host is the engine's address.
func (e *Engine) Host() string { return e.at.Host }

// About returns the engine's version and platform: "20.10.24", "linux/amd64".
func (e *Engine) About(ctx context.Context) (version, platform string, err error) {
	v, err := e.c.ServerVersion(ctx)
	if err != nil {
		return "", "", err
	}
	return v.Version, v.Os + "/" + v.Arch, nil
}

// configDir is where the docker command keeps its configuration.
func configDir(getenv func(string) string) string {
	if d := getenv("DOCKER_CONFIG"); d != "" {
		return d
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".docker")
}
