package docker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-connections/nat"

	"labsim/sim"
)

const (
	kindControl = "control"
	// labelPublic says which public range control was given.
	labelPublic = "labsim.public"
	// labelSocket says where the engine's socket was found.
	labelSocket = "labsim.socket"
	// apiPort is the port of the API inside control; sim.Site.Port is published.
	apiPort = 4566
	// portTries is how many ports after the site's are tried where none was asked for.
	portTries = 20
)

// controlSpec is what a control container is made from.
type controlSpec struct {
	Build  string
	Port   int
	Public string
	// Socket is the engine's own socket, as the engine's machine sees it.
	Socket string
	// fresh says that Public was chosen just now: another site may be choosing it too.
	fresh bool
}

// hash names the spec without the port, which is compared by itself: only a
// port that was asked for makes a difference.
func (s controlSpec) hash() string {
	s.Port = 0
	b, _ := json.Marshal(s)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// controls lists the site's control containers: one, unless somebody meddled.
func (e *Engine) controls(ctx context.Context) ([]container.Summary, error) {
	return e.c.ContainerList(ctx, container.ListOptions{All: true, Filters: e.ours(sim.LabelKind + "=" + kindControl)})
}

// everyControl lists the controls of all sites.
func (e *Engine) everyControl(ctx context.Context) ([]container.Summary, error) {
	return e.c.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", sim.LabelKind+"="+kindControl))})
}

// ensureControl makes the control container run as spec says.
func (e *Engine) ensureControl(ctx context.Context, spec controlSpec, portAsked bool) (port int, changed bool, err error) {
	for end := time.Now().Add(controlStart); time.Now().Before(end) && ctx.Err() == nil; {
		list, err := e.controls(ctx)
		if err != nil {
			return 0, changed, err
		}
		if len(list) == 0 {
			port, err := e.startControl(ctx, spec, portAsked)
			if err != nil && (conflict(err) || notFound(err)) {
				pause(ctx, 100*time.Millisecond) // another labsim was faster, or is removing an old one
				continue
			}
			return port, true, err
		}
		c := list[0]
		have, _ := strconv.Atoi(c.Labels[sim.LabelPort])
		if c.Labels[sim.LabelHash] == spec.hash() && (have == spec.Port || !portAsked) && c.State != container.StateDead {
			if c.State == container.StateRunning {
				return have, changed, nil
			}
			changed = true
			err := e.startAgain(ctx, c)
			if !portTaken(err) && !notFound(err) && !conflict(err) { // another labsim removes it
				return have, changed, err
			}
		}
		switch {
		case !portAsked:
			spec.Port = have // keep what clients were told
		case have != spec.Port && !portFree(spec.Port):
			return 0, changed, portFailure(spec.Port, spec.Port) // before the one that works is taken away
		}
		if err := e.endControl(ctx, c.ID); err != nil {
			return 0, changed, err
		}
		changed = true
	}
	if err := ctx.Err(); err != nil {
		return 0, changed, err
	}
	return 0, changed, fmt.Errorf("container %s: made and removed by somebody else at the same time", e.site.Control())
}

// startAgain starts a control that has ended. One that Docker is about to start
// by itself may have to wait for that up to a minute.
func (e *Engine) startAgain(ctx context.Context, c container.Summary) error {
	if c.State == container.StateRestarting {
		now := 0
		return e.c.ContainerRestart(ctx, c.ID, container.StopOptions{Timeout: &now})
	}
	return e.c.ContainerStart(ctx, c.ID, container.StartOptions{})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// endControl lets control finish what it writes, then removes it.
func (e *Engine) endControl(ctx context.Context, id string) error {
	grace := 5
	_ = e.c.ContainerStop(ctx, id, container.StopOptions{Timeout: &grace})
	return e.removeContainer(ctx, id)
}

// startControl makes and starts it, on the next free port where none was asked for.
func (e *Engine) startControl(ctx context.Context, spec controlSpec, portAsked bool) (int, error) {
	if err := e.ensureNetwork(ctx, e.site.Control(), e.controlNetwork()); err != nil {
		return 0, err
	}
	first := spec.Port
	if first == 0 {
		first = e.site.Port()
	}
	last := first
	if !portAsked {
		last = max(first, e.site.Port()+portTries)
	}
	for spec.Port = first; spec.Port <= last; spec.Port++ {
		// Asking the machine first saves making a container for nothing. The engine
		// has the last word: it may run on another network stack.
		if !portFree(spec.Port) {
			continue
		}
		err := e.tryControl(ctx, spec)
		if !portTaken(err) {
			return spec.Port, err
		}
	}
	return 0, portFailure(first, last)
}

func (e *Engine) tryControl(ctx context.Context, spec controlSpec) error {
	cfg, host := e.controlContainer(spec)
	made, err := e.c.ContainerCreate(ctx, cfg, host, nil, nil, e.site.Control())
	if err != nil {
		return err
	}
	// The container's label is what other sites see of the choice.
	if spec.fresh {
		err = e.claim(ctx, made.ID, spec.Public)
	}
	if err != nil {
		_ = e.removeContainer(context.WithoutCancel(ctx), made.ID)
		return err
	}
	if err = e.c.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		_ = e.removeContainer(context.WithoutCancel(ctx), made.ID)
	}
	return err
}

func portFree(port int) bool {
	l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func portTaken(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "port is already allocated") ||
		strings.Contains(err.Error(), "address already in use") || strings.Contains(err.Error(), "ports are not available"))
}

func portFailure(first, last int) error {
	if first == last {
		return &sim.Failure{What: sim.T("port %d of this machine is taken", first), Err: ErrUnusable,
			Next: []sim.Text{sim.T("choose another with --port, or none: the next free one is then used")}}
	}
	return &sim.Failure{What: sim.T("the ports %d to %d of this machine are all taken", first, last), Err: ErrUnusable,
		Next: []sim.Text{sim.T("name a free one with --port")}}
}

func (e *Engine) controlNetwork() network.CreateOptions {
	return network.CreateOptions{
		Driver: "bridge",
		Labels: map[string]string{sim.LabelSite: string(e.site), sim.LabelKind: kindControl},
		// Control talks to the engine and the CLI only.
		Options: map[string]string{
			"com.docker.network.bridge.enable_ip_masquerade": "false",
			"com.docker.network.bridge.enable_icc":           "false",
		},
	}
}

func (e *Engine) controlContainer(s controlSpec) (*container.Config, *container.HostConfig) {
	port := nat.Port(strconv.Itoa(apiPort) + "/tcp")
	pids := int64(256)
	cfg := &container.Config{
		Image: imageOf(s.Build), Entrypoint: []string{systemBinary}, Cmd: []string{"control"},
		Hostname: e.site.Control(), User: "0:0", StopSignal: "SIGTERM",
		Env: []string{
			"LABSIM_SITE=" + string(e.site), "LABSIM_BUILD=" + s.Build, "LABSIM_PUBLIC=" + s.Public,
			"LABSIM_PORT=" + strconv.Itoa(s.Port),
		},
		Labels: map[string]string{
			sim.LabelSite: string(e.site), sim.LabelKind: kindControl, sim.LabelBuild: s.Build,
			sim.LabelPort: strconv.Itoa(s.Port), sim.LabelHash: s.hash(), labelPublic: s.Public, labelSocket: s.Socket,
		},
		ExposedPorts: nat.PortSet{port: {}},
	}
	return cfg, &container.HostConfig{
		NetworkMode:  container.NetworkMode(e.site.Control()),
		PortBindings: nat.PortMap{port: {{HostIP: "127.0.0.1", HostPort: strconv.Itoa(s.Port)}}},
		// Binds, not mounts: Docker makes the run directory again after a reboot.
		Binds: []string{s.Socket + ":/var/run/docker.sock", e.site.ControlDir() + ":/run/labsim"},
		Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: e.site.StateVolume(), Target: stateMount,
			// With the driver named Docker asks no other, such as another site's that hangs.
			VolumeOptions: &mount.VolumeOptions{NoCopy: true, DriverConfig: &mount.Driver{Name: "local"},
				Labels: map[string]string{sim.LabelSite: string(e.site), sim.LabelKind: "state"}}}},
		CapDrop: []string{"ALL"}, ReadonlyRootfs: true,
		Tmpfs:         map[string]string{"/tmp": "rw,noexec,nosuid,nodev,size=64m"},
		SecurityOpt:   confined(unconfinedLabel, "no-new-privileges"),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways},
		LogConfig:     smallLog(),
		IpcMode:       container.IPCModePrivate,
		Resources:     container.Resources{PidsLimit: &pids},
	}
}

// lastWords returns the end of control's log.
func (e *Engine) lastWords(ctx context.Context) string {
	r, err := e.c.ContainerLogs(ctx, e.site.Control(), container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "5"})
	if err != nil {
		return ""
	}
	defer r.Close()
	var b bytes.Buffer
	_, _ = stdcopy.StdCopy(&b, &b, io.LimitReader(r, 64<<10))
	return strings.TrimSpace(b.String())
}
