package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/engine/docker"
)

// open finds the engine that the command is to use. simulated is set where the
// none engine was asked for, or where the machine has no Docker at all.
func (a *app) open(ctx context.Context) (e *docker.Engine, simulated bool, err error) {
	if a.engine == "none" {
		return nil, true, nil
	}
	e, err = docker.Open(ctx, docker.Options{Site: sim.Site(a.site), Tokens: a.tokens()})
	if a.engine == "" && errors.Is(err, docker.ErrNoDocker) {
		return nil, true, nil
	}
	return e, false, err
}

// installBox makes the box stand, or finds it standing, and shows its line.
func (a *app) installBox(ctx context.Context, ls *lines, f upFlags) (*box, boxVersion, error) {
	e, simulated, err := a.open(ctx)
	if err != nil {
		return nil, boxVersion{}, err
	}
	if simulated {
		return a.simulatedBox(ctx, ls, f)
	}
	defer e.Close()
	version, platform, err := e.About(ctx)
	if err != nil {
		return nil, boxVersion{}, err
	}
	label := " "
	ls.start(label, sim.Cmd("Docker %s · %s", version, platform))
	c, err := a.install(ctx, e, f, func(t sim.Text) { ls.update(label, sim.Cmd("Docker %s · %s · %s", version, platform, t)) })
	if err != nil {
		ls.end(false, label, a.say(sim.Cmd("Docker %s · %s", version, platform)))
		return nil, boxVersion{}, err
	}
	b := newBox(c.Endpoint, c.Token)
	about, err := b.version(ctx)
	ls.end(err == nil, label, a.say(sim.T("Docker %s · %s · agent ready", version, platform)))
	return b, about, err
}

func (a *app) install(ctx context.Context, e *docker.Engine, f upFlags, progress func(sim.Text)) (*docker.Control, error) {
	for _, finding := range e.Check(ctx) {
		if finding.Fatal && finding.Problem.Format != "" {
			return nil, &sim.Failure{What: finding.Problem, Next: []sim.Text{finding.Fix}}
		}
	}
	o := docker.InstallOptions{Port: f.port, Progress: progress}
	if f.public != "" {
		p, err := netip.ParsePrefix(f.public)
		if err != nil || p.Bits() != 24 {
			return nil, usageError{&sim.Failure{What: sim.T("--public-range is a /24 such as 198.51.100.0/24, not %q", f.public)}}
		}
		o.PublicCIDR = p.Masked()
	}
	_, platform, err := e.About(ctx)
	if err != nil {
		return nil, err
	}
	if o.Binary, err = linuxBinary(ctx, platform); err != nil {
		return nil, err
	}
	return e.Install(ctx, o)
}

// find returns the box that stands.
func (a *app) find(ctx context.Context) (*box, error) {
	e, simulated, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	if simulated {
		return a.findSimulated(ctx)
	}
	defer e.Close()
	c, err := e.Find(ctx)
	if err != nil {
		if errors.Is(err, docker.ErrNotUp) && a.engine == "" {
			if b, serr := a.findSimulated(ctx); serr == nil {
				return b, nil
			}
		}
		return nil, err
	}
	b := newBox(c.Endpoint, c.Token)
	err = a.sameProtocol(ctx, b)
	if isStatus(err, http.StatusUnauthorized) { // what was remembered holds no more
		a.tokens().Keep("", "")
		if c, err = e.Find(ctx); err != nil {
			return nil, err
		}
		b = newBox(c.Endpoint, c.Token)
		err = a.sameProtocol(ctx, b)
	}
	return b, err
}

// answerLimit is how long a control that runs may take to say who it is.
const answerLimit = 10 * time.Second

// sameProtocol refuses to talk to a control that this program does not
// understand; only `up` replaces one.
func (a *app) sameProtocol(ctx context.Context, b *box) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	v, err := b.version(ctx)
	if err == nil && v.Protocol != wire.Protocol {
		return docker.OtherBuild(fmt.Errorf("it speaks protocol %d, this labsim %d", v.Protocol, wire.Protocol))
	}
	return err
}
