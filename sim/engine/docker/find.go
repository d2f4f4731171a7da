package docker

import (
	"context"
	"errors"
	"net/netip"
	"strconv"

	"github.com/docker/docker/api/types/container"

	"labsim/sim"
)

// silent is why control does not run, in its own words.
type silent struct{ error }

func (s silent) Unwrap() error { return s.error }

func (silent) Is(target error) bool { return target == ErrSilent }

// Find returns where the site's control answers. errors.Is(err, ErrNotUp) says
// that there is none, ErrSilent that it does not run.
func (e *Engine) Find(ctx context.Context) (*Control, error) {
	list, err := e.controls(ctx)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &sim.Failure{What: sim.T("labsim is not up (site %s)", string(e.site)), Next: []sim.Text{sim.Cmd("labsim up")}, Err: ErrNotUp}
	}
	l := list[0].Labels
	if list[0].State != container.StateRunning {
		if f := e.refused(ctx); f != nil {
			return nil, silent{f}
		}
		return nil, &sim.Failure{What: sim.T("control of the site %s does not run: %s", string(e.site), list[0].Status),
			Next: []sim.Text{sim.Cmd("labsim up"), sim.Cmd("docker logs %s", e.site.Control())}, Err: ErrSilent}
	}
	c := &Control{Build: l[sim.LabelBuild], container: list[0].ID}
	c.Port, _ = strconv.Atoi(l[sim.LabelPort])
	c.Public, _ = netip.ParsePrefix(l[labelPublic])
	c.Endpoint = endpointAt(c.Port)
	if c.Token, err = e.token(ctx, c.container); errors.Is(err, ErrOtherBuild) {
		return nil, err
	} else if err != nil {
		return nil, &sim.Failure{What: sim.T("control's token can't be read"), Next: []sim.Text{sim.Cmd("labsim up")}, Err: err}
	}
	return c, nil
}
