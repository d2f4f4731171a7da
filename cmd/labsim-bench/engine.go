package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// engine is Docker's API, spoken as it is: the other side of the comparisons
// must not pay for a client that labsim does not pay for.
type engine struct{ http *http.Client }

// apiVersion is that of Docker 20.10, which every later one speaks too.
const apiVersion = "v1.41"

func dialEngine() (*engine, error) {
	socket := "/var/run/docker.sock"
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		path, ok := strings.CutPrefix(host, "unix://")
		if !ok {
			return nil, fmt.Errorf("DOCKER_HOST=%s: the engine has to be on this machine, at a unix socket", host)
		}
		socket = path
	}
	var d net.Dialer
	return &engine{&http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 32,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
	}}}, nil
}

// engineError is an answer of the engine that is none of success.
type engineError struct {
	status  int
	message string
}

func (e *engineError) Error() string { return fmt.Sprintf("engine: %d: %s", e.status, e.message) }

// gone takes "no such object" for success.
func gone(err error) error {
	var e *engineError
	if errors.As(err, &e) && e.status == http.StatusNotFound {
		return nil
	}
	return err
}

func (e *engine) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://engine/"+apiVersion+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := e.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotModified {
		var m struct{ Message string }
		_ = json.Unmarshal(data, &m)
		return fmt.Errorf("%s %s: %w", method, path, &engineError{resp.StatusCode, m.Message})
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, out)
}

// container is what is inspected of one.
type container struct {
	ID, Image string // of the image the id
	State     struct{ Pid int }
	Config    struct{ Labels map[string]string }
	// HostConfig as it came, to be given to another container.
	HostConfig map[string]any
}

func (e *engine) inspect(ctx context.Context, name string) (c container, err error) {
	return c, e.call(ctx, http.MethodGet, "/containers/"+name+"/json", nil, &c)
}

// list returns the ids of all containers with the labels.
func (e *engine) list(ctx context.Context, labels ...string) ([]string, error) {
	var found []struct{ ID string }
	if err := e.call(ctx, http.MethodGet, "/containers/json?all=1&filters="+filters(labels), nil, &found); err != nil {
		return nil, err
	}
	var ids []string
	for _, c := range found {
		ids = append(ids, c.ID)
	}
	return ids, nil
}

func filters(labels []string) string {
	f, _ := json.Marshal(map[string][]string{"label": labels}) // strings only
	return url.QueryEscape(string(f))
}

// containerSpec is what a container of the other side is made from.
type containerSpec struct {
	Image      string
	Entrypoint []string
	Labels     map[string]string
	HostConfig map[string]any
	// NetworkingConfig gives it an address of its own, as an instance has.
	NetworkingConfig any
}

// run creates and starts.
func (e *engine) run(ctx context.Context, name string, s containerSpec) error {
	if err := e.call(ctx, http.MethodPost, "/containers/create?name="+name, s, nil); err != nil {
		return err
	}
	return e.call(ctx, http.MethodPost, "/containers/"+name+"/start", nil, nil)
}

func (e *engine) remove(ctx context.Context, name string) error {
	return gone(e.call(ctx, http.MethodDelete, "/containers/"+name+"?force=1&v=1", nil, nil))
}

// removed waits until a container has gone.
func (e *engine) removed(ctx context.Context, id string) error {
	return gone(e.call(ctx, http.MethodPost, "/containers/"+id+"/wait?condition=removed", nil, nil))
}
