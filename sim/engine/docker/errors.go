package docker

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"

	"labsim/sim"
)

// Why an engine can't serve. They are the Err of a *sim.Failure.
var (
	// ErrNoDocker: no engine, no context and no address on this machine.
	ErrNoDocker = errors.New("no Docker on this machine")
	// ErrUnusable: there is a Docker, and it can't be used as it is.
	ErrUnusable = errors.New("the engine is there but can't be used")
	// ErrNotUp: the site has no control on this engine.
	ErrNotUp = errors.New("not up")
	// ErrSilent: the site's control stands, and does not run or answer.
	ErrSilent = errors.New("control does not answer")
	// ErrOtherBuild: the site's control is of a build that this one can't speak to.
	ErrOtherBuild = errors.New("control is of another build")
)

// OtherBuild is the failure of a control that does not understand this build; why is
// what shows it.
func OtherBuild(why error) *sim.Failure {
	return &sim.Failure{What: sim.T("control is of another build of labsim, and does not understand this one"), Err: otherBuild{why},
		Next: []sim.Text{sim.T("labsim up   # puts this build in its place; the instances go on")}}
}

// otherBuild is what shows that control is of another build.
type otherBuild struct{ error }

func (o otherBuild) Unwrap() error { return o.error }

func (otherBuild) Is(target error) bool { return target == ErrOtherBuild }

// PruneCommand frees space on the engine. It spares what stops for a while only: instances.
const PruneCommand = "docker system prune --filter label!=" + sim.LabelSite

// Full is the failure where the disk of the engine's machine is full, of which
// cause is the first sign.
func Full(cause error) *sim.Failure {
	return &sim.Failure{What: sim.T("the engine's disk is full"), Err: cause, Next: []sim.Text{
		sim.T("free some space on it, for example: %s", PruneCommand),
		sim.T("labsim up   # goes on from what was made"),
	}}
}

// fullOr is Full where err says so.
func fullOr(err error) error {
	var f *sim.Failure
	if err == nil || errors.As(err, &f) || !sim.SaysNoSpace(err.Error()) {
		return err
	}
	return Full(err)
}

// unreachable explains why the engine did not answer.
func unreachable(at endpoint, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	file := socketFile(at.Host)
	switch {
	case file != "" && denied(file, err):
		return permissionDenied(file)
	case file != "" && missing(file) && at.Default && !daemonInstalled():
		return &sim.Failure{What: sim.T("there is no Docker on this machine"), Err: ErrNoDocker,
			Next: []sim.Text{sim.T("install Docker: https://docs.docker.com/get-docker/"), sim.T("or run the control plane alone: labsim up --engine none")}}
	case errors.Is(err, context.DeadlineExceeded):
		return &sim.Failure{What: sim.T("Docker at %s does not answer", at.Host), Err: ErrUnusable,
			Next: []sim.Text{startDaemon(at)}}
	}
	return &sim.Failure{What: sim.T("Docker at %s is not running", at.Host), Err: ErrUnusable,
		Next: []sim.Text{startDaemon(at)}}
}

// socketFile returns the path of a unix:// address, else "".
func socketFile(host string) string {
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "unix" {
		return ""
	}
	return u.Path
}

func missing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}

// denied looks into the text as well: Docker's client drops the cause.
func denied(file string, err error) bool {
	return errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "permission denied")
}

func permissionDenied(file string) error {
	next := []sim.Text{sim.T("run it as a user who may use Docker")}
	if g := groupOf(file); g != "" {
		next = []sim.Text{sim.T("sudo usermod -aG %s $USER   # then log in again", g)}
	}
	return &sim.Failure{What: sim.T("you may not use Docker's socket %s", file), Next: next, Err: ErrUnusable}
}

// daemonInstalled looks for signs of an engine that is merely not running.
func daemonInstalled() bool {
	if _, err := exec.LookPath("dockerd"); err == nil {
		return true
	}
	for _, f := range []string{
		"/usr/sbin/dockerd", "/usr/bin/dockerd", "/snap/bin/dockerd",
		"/lib/systemd/system/docker.service", "/etc/systemd/system/docker.service",
		"/Applications/Docker.app", `C:\Program Files\Docker\Docker`,
	} {
		if _, err := os.Stat(f); err == nil {
			return true
		}
	}
	return false
}

func startDaemon(at endpoint) sim.Text {
	switch {
	case at.Context != "" && strings.HasPrefix(at.Context, "colima"):
		return sim.Cmd("colima start")
	case runtime.GOOS != "linux":
		return sim.T("start Docker Desktop, or the program that runs your engine")
	case at.Default || at.Context == "":
		return sim.Cmd("sudo systemctl start docker")
	}
	return sim.T("start the engine of the Docker context %s, or choose another: docker context use default", at.Context)
}

func notFound(err error) bool { return errdefs.IsNotFound(err) }

// conflict says that somebody else has, or has just made, the same thing.
// Docker 20.10 answers several such cases with 500 or 403.
func conflict(err error) bool {
	if err == nil {
		return false
	}
	if notEnabled(err) {
		return false
	}
	if errdefs.IsConflict(err) || errdefs.IsAlreadyExists(err) {
		return true
	}
	// two at once may both have made a network, until one of them removes its own
	return strings.Contains(err.Error(), "already exists") || strings.Contains(err.Error(), "is already in use") ||
		strings.Contains(err.Error(), "is ambiguous")
}

// notEnabled says that Docker does not let the agent serve, at least not yet.
func notEnabled(err error) bool {
	return err != nil && strings.Contains(err.Error(), "found but disabled")
}

// beingRemoved says that somebody else removes the container at this moment.
func beingRemoved(err error) bool {
	return err != nil && strings.Contains(err.Error(), "is already in progress")
}

// gone treats "not found" and "removal already in progress" as success.
func gone(err error) error {
	if err == nil || notFound(err) || beingRemoved(err) ||
		strings.Contains(err.Error(), "unrecognized image ID") { // another labsim removes it at this moment
		return nil
	}
	return err
}

// imageInUse: a container, of this or another site, was made from it.
func imageInUse(err error) bool {
	return strings.Contains(err.Error(), "is being used") || strings.Contains(err.Error(), "is using")
}
