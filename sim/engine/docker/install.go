package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"labsim/images"
	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
)

// InstallOptions say what Install makes.
type InstallOptions struct {
	// Binary is the path of labsim as a static Linux binary of the engine's architecture.
	Binary string
	// Port publishes the API; 0 keeps the present one, or takes the site's or the next free one.
	Port int
	// PublicCIDR is a /24; zero keeps the present one, or takes a free one.
	PublicCIDR netip.Prefix
	// Progress is told what is done now, from several goroutines; nil: nobody listens.
	Progress func(sim.Text)
}

// Control is where a site's control answers.
type Control struct {
	Endpoint string // http://127.0.0.1:4566
	Port     int
	Token    string // opens /_labsim/
	Build    string
	Public   netip.Prefix
	// Changed says that Install had something to do.
	Changed bool

	container string // id
}

// controlStart bounds how long control and agent may take to answer.
const controlStart = 30 * time.Second

// Install makes the site stand on the engine, of the binary's build: image,
// agent, control. What is right already is left alone; an agent or control of
// another build is replaced, and the instances keep running. It may be killed
// anywhere and run by two at once. Errors for the user are *sim.Failure.
func (e *Engine) Install(ctx context.Context, o InstallOptions) (*Control, error) {
	build, err := images.BuildHash(o.Binary)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Binary, err)
	}
	progress := func(t sim.Text) {
		if o.Progress != nil {
			o.Progress(t)
		}
	}
	have, err := e.controls(ctx)
	if err != nil {
		return nil, err
	}
	if len(have) == 0 || have[0].Labels[sim.LabelBuild] != build {
		if err := e.preflight(ctx); err != nil {
			return nil, err
		}
	}
	var imageMade bool
	imageReady := sync.OnceValue(func() (err error) {
		imageMade, err = e.ensureImage(ctx, o.Binary, build)
		return err
	})
	var agentMade, controlMade bool
	spec := controlSpec{Build: build, Port: o.Port}
	err = all(
		func() (err error) {
			progress(sim.T("agent"))
			agentMade, err = e.ensureAgent(ctx, fileBinary(o.Binary, build), func() (string, error) {
				return imageOf(build), imageReady()
			})
			return err
		},
		func() error {
			progress(sim.T("system image"))
			if err := imageReady(); err != nil {
				return err
			}
			progress(sim.T("control"))
			for {
				if err := e.complete(ctx, &spec, have, o.PublicCIDR); err != nil {
					return err
				}
				port, made, err := e.ensureControl(ctx, spec, o.Port != 0)
				if errors.Is(err, errRangeMet) {
					continue // its range is not free any more, so this ends
				}
				spec.Port, controlMade = port, made
				return err
			}
		},
	)
	if err != nil {
		return nil, fullOr(err)
	}
	progress(sim.T("waiting for control and agent"))
	c := &Control{Port: spec.Port, Build: build, Changed: imageMade || agentMade || controlMade}
	c.Endpoint = endpointAt(c.Port)
	c.Public, _ = netip.ParsePrefix(spec.Public)
	if err := e.await(ctx, c); err != nil || !c.Changed {
		return c, err
	}
	_ = e.sweepImages(ctx, build, imageGrace) // tried again at the next change
	return c, nil
}

func endpointAt(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

// fileBinary is a binary in a file of this machine.
func fileBinary(file, build string) program {
	return program{Build: build, Open: func(context.Context) (io.ReadCloser, int64, error) {
		f, err := os.Open(file)
		if err != nil {
			return nil, 0, err
		}
		st, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, 0, err
		}
		return f, st.Size(), nil
	}}
}

// complete decides what the options leave open: from the control that stands,
// else anew.
func (e *Engine) complete(ctx context.Context, spec *controlSpec, have []container.Summary, asked netip.Prefix) error {
	public := ""
	if len(have) > 0 {
		public, spec.Socket = have[0].Labels[labelPublic], have[0].Labels[labelSocket]
	}
	if public == "" {
		var err error
		if public, err = e.publicOf(ctx); err != nil {
			return err
		}
	}
	spec.fresh = public == ""
	p, err := e.publicRange(ctx, asked, public)
	if err != nil {
		return err
	}
	spec.Public = p.String()
	if spec.Socket == "" {
		spec.Socket, err = e.findSocket(ctx, imageOf(spec.Build))
	}
	return err
}

// usualSocket is where an engine listens on its own machine, whatever address
// leads to it from here.
const usualSocket = "/var/run/docker.sock"

// findSocket asks on the engine's machine behind which socket this engine is.
func (e *Engine) findSocket(ctx context.Context, image string) (string, error) {
	here := socketFile(e.at.Host)
	if here == usualSocket || here == "/run/docker.sock" {
		return usualSocket, nil
	}
	info, err := e.c.Info(ctx)
	if err != nil {
		return "", err
	}
	for _, file := range []string{usualSocket, here} {
		if file == "" {
			continue
		}
		dir, base := splitPath(file)
		var found map[string]string
		err := e.run(ctx, oneshot{
			Image: image, Args: []string{verbs.Socket, "/socket/" + base},
			Binds: []string{dir + ":/socket"},
		}, &found)
		if err == nil && found["/socket/"+base] == info.ID {
			return file, nil
		}
	}
	return "", &sim.Failure{What: sim.T("Docker's socket was not found on the engine's machine"), Err: ErrUnusable,
		Next: []sim.Text{sim.T("let the engine listen at %s", usualSocket)}}
}

// splitPath is path.Split for a path of the engine's machine.
func splitPath(file string) (dir, base string) {
	i := len(file) - 1
	for i > 0 && file[i] != '/' {
		i--
	}
	return file[:max(i, 1)], file[i+1:]
}

// version is what control says of itself.
type version struct {
	Protocol       int
	Build          string
	Site           string
	AgentConnected bool
	AgentBuild     string
	// Unclaimed is not nil where the state was lost: control waits for the user's word.
	Unclaimed *struct{}
}

// await returns when control of that build answers and the agent of that build
// has connected to it.
func (e *Engine) await(ctx context.Context, c *Control) error {
	ctx, cancel := context.WithTimeout(ctx, controlStart)
	defer cancel()
	var v version
	var last error
	refused := make(chan error, 1)
	go func() { refused <- e.refusal(ctx) }()
	for wait := 20 * time.Millisecond; ; wait = min(wait*3/2, 250*time.Millisecond) {
		v, last = e.ask(ctx, c)
		if last == nil && v.Build == c.Build && (v.AgentConnected && v.AgentBuild == c.Build || v.Unclaimed != nil) {
			return nil
		}
		select {
		case err := <-refused:
			if err != nil {
				return err
			}
		case <-time.After(wait):
		}
		if ctx.Err() != nil {
			return e.silent(context.WithoutCancel(ctx), v, last)
		}
	}
}

// refusal returns once control has ended and said why it can't go on, or with
// nil when ctx ends. One that ends without a word is started again by Docker.
func (e *Engine) refusal(ctx context.Context) error {
	for ctx.Err() == nil {
		ended, errs := e.c.ContainerWait(ctx, e.site.Control(), container.WaitConditionNextExit)
		// The one before this may have been over before it was waited for.
		if f := e.refused(ctx); f != nil {
			return f
		}
		select {
		case <-ended:
		case <-errs:
			pause(ctx, 100*time.Millisecond) // another labsim makes it anew
		}
	}
	return nil
}

// refused reads why control has ended; nil: it runs, or did not say.
func (e *Engine) refused(ctx context.Context) error {
	in, err := e.c.ContainerInspect(ctx, e.site.Control())
	if err != nil || in.State.ExitCode == 0 || in.State.Running && !in.State.Restarting {
		return nil
	}
	f := sim.ReadLastWords(e.lastWords(ctx))
	if f == nil {
		return nil
	}
	return &sim.Failure{What: sim.T("control of the site %s does not start: %s", string(e.site), f.What), Err: f.Err,
		Next: append(f.Next, sim.T("What it has is in the Docker volume %s.", e.site.StateVolume()))}
}

// ask asks control for its version, and reads its token before the first time.
func (e *Engine) ask(ctx context.Context, c *Control) (version, error) {
	var v version
	if c.Token == "" {
		// Control writes the token before it answers: without an answer there is none to read.
		resp, err := get(ctx, c.Endpoint+"/_labsim/version", "")
		if err != nil {
			return v, err
		}
		resp.Body.Close()
		if err := e.identify(ctx, c); err != nil {
			return v, err
		}
	}
	resp, err := get(ctx, c.Endpoint+"/_labsim/version", c.Token)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		e.forgetToken(c.container) // of a control before this one
		c.Token = ""
		return v, fmt.Errorf("%s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return v, err
	}
	if v.Site != string(e.site) {
		return v, fmt.Errorf("the site %s answers", v.Site)
	}
	return v, nil
}

// identify finds out which container control is, and its token.
func (e *Engine) identify(ctx context.Context, c *Control) error {
	list, err := e.controls(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return ErrNotUp
	}
	c.container = list[0].ID
	c.Token, err = e.token(ctx, c.container)
	return err
}

// client talks to loopback only: no proxy of the environment is asked.
var loopback = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}

func get(ctx context.Context, url, token string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return loopback.Do(req)
}

// silent explains what did not come.
func (e *Engine) silent(ctx context.Context, v version, last error) error {
	if last == nil && v.Build != "" {
		return &sim.Failure{What: sim.T("the agent %s does not connect to control", e.site.Plugin()),
			Next: []sim.Text{sim.Cmd("docker plugin ls"), sim.Cmd("docker logs %s", e.site.Control())}, Err: last}
	}
	f := &sim.Failure{What: sim.T("control does not answer"), Next: []sim.Text{sim.Cmd("docker logs %s", e.site.Control())}, Err: last}
	if words := e.lastWords(ctx); words != "" {
		f.Err = fmt.Errorf("%v; its last words: %s", last, words)
	}
	return f
}
