package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"

	"labsim/sim"
)

// kindOneshot labels the short-lived containers of the CLI.
const kindOneshot = "oneshot"

// oneshot is a run of `labsim oneshot` on the engine's machine.
type oneshot struct {
	Name  string // "": Docker finds one
	Image string
	Args  []string
	Input bool // it gets a standard input, which ends with the first connection to it
	// Binds are HOST:CONTAINER; Docker makes a missing HOST directory.
	Binds []string
	// Flat are binds without what is mounted below: HOST to CONTAINER.
	Flat map[string]string
	Caps []string
}

// oneshotTimeout bounds a one-shot; the slowest waits for an agent to leave.
const oneshotTimeout = 40 * time.Second

// run runs it to its end and decodes what it printed into result, if not nil.
// The engine removes the container by itself, so that a CLI that is killed
// meanwhile leaves none.
func (e *Engine) run(ctx context.Context, o oneshot, result any) error {
	ctx, cancel := context.WithTimeout(ctx, oneshotTimeout)
	defer cancel()
	id, err := e.createOneshot(ctx, o)
	if err != nil {
		return err
	}
	out, err := e.follow(ctx, id)
	if err != nil {
		_ = e.removeContainer(context.WithoutCancel(ctx), id)
		return fmt.Errorf("one-shot %s: %w", o.Args[0], err)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(out, result)
}

func (e *Engine) createOneshot(ctx context.Context, o oneshot) (id string, err error) {
	// No propagation is named: Docker then takes what goes for its own directory.
	var flat []mount.Mount
	for host, at := range o.Flat {
		flat = append(flat, mount.Mount{Type: mount.TypeBind, Source: host, Target: at,
			BindOptions: &mount.BindOptions{NonRecursive: true}})
	}
	made, err := e.c.ContainerCreate(ctx, &container.Config{
		Image: o.Image, Entrypoint: []string{systemBinary}, Cmd: append([]string{"oneshot"}, o.Args...),
		AttachStdin: o.Input, OpenStdin: o.Input, StdinOnce: o.Input, AttachStdout: true, AttachStderr: true,
		Labels: map[string]string{sim.LabelSite: string(e.site), sim.LabelKind: kindOneshot},
	}, &container.HostConfig{
		AutoRemove: true, NetworkMode: "none", ReadonlyRootfs: true, Binds: o.Binds, Mounts: flat,
		CapDrop: []string{"ALL"}, CapAdd: o.Caps, SecurityOpt: confined(unconfinedLabel, "no-new-privileges"),
		LogConfig: smallLog(),
	}, nil, nil, o.Name)
	if err != nil {
		return "", fmt.Errorf("one-shot %s: %w", o.Args[0], err)
	}
	return made.ID, nil
}

// follow starts the container and returns what it wrote until it was removed.
func (e *Engine) follow(ctx context.Context, id string) ([]byte, error) {
	stream, err := e.c.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	// Until it is removed: a container that is still going would look like a rest of the site.
	ended, errs := e.c.ContainerWait(ctx, id, container.WaitConditionRemoved)
	if err := e.c.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return nil, err
	}
	var out, complaint bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(&out, &complaint, stream.Reader)
		copied <- err
	}()
	select {
	case err := <-errs:
		return nil, err
	case end := <-ended:
		if err := <-copied; err != nil {
			return nil, err
		}
		if end.StatusCode != 0 {
			if f := sim.ReadLastWords(complaint.String()); f != nil {
				return nil, f
			}
			return nil, fmt.Errorf("exit code %d: %s", end.StatusCode, strings.TrimSpace(complaint.String()))
		}
		return out.Bytes(), nil
	}
}

// unconfinedLabel lets a container reach its binds where SELinux guards them.
const unconfinedLabel = "label=disable"
