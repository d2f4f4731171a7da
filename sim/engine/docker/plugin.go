package docker

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"

	"labsim/sim/agent/plugin"
)

// agentStart bounds how long Docker waits for the agent's socket.
const agentStart = 30 * time.Second

// program is labsim for the engine's machine, wherever it comes from.
type program struct {
	Build string
	Open  func(context.Context) (file io.ReadCloser, size int64, err error)
}

// ensureAgent makes the plugin stand, enabled and of that build. Guests that run
// keep their packets meanwhile: the routers are not the agent's process.
// image is asked for the system image before a plugin that stands is touched.
func (e *Engine) ensureAgent(ctx context.Context, b program, image func() (string, error)) (changed bool, err error) {
	deadline := time.Now().Add(agentStart + 30*time.Second)
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		done, err := e.agentStep(ctx, b, image)
		switch {
		case done:
			return changed, err
		case err == nil:
			changed, wait = true, 20*time.Millisecond
			continue
		case !busy(err) || time.Now().After(deadline) || ctx.Err() != nil:
			return changed, fmt.Errorf("agent %s: %w", e.site.Plugin(), err)
		}
		pause(ctx, wait) // another labsim is at the same
	}
}

// agentStep does the next thing that is missing.
func (e *Engine) agentStep(ctx context.Context, b program, image func() (string, error)) (done bool, err error) {
	p, _, err := e.c.PluginInspectWithRaw(ctx, e.site.Plugin())
	switch {
	case notFound(err):
		return false, e.createAgent(ctx, b)
	case err != nil:
		return false, err
	case plugin.Build(p.Config.Description) == b.Build && p.Enabled:
		return true, nil
	}
	ref, err := image()
	if err != nil {
		return true, err
	}
	release, err := e.hold(ctx, ref)
	if err != nil {
		return false, err
	}
	defer release()
	return false, e.settleAgent(ctx, b)
}

// busy says that somebody else changes the plugin at this moment.
func busy(err error) bool {
	s := err.Error()
	return conflict(err) || notFound(err) || errdefs.IsUnavailable(err) || strings.Contains(s, "locked for") ||
		strings.Contains(s, "is enabled") || strings.Contains(s, "is disabled") ||
		strings.Contains(s, "already enabled") || strings.Contains(s, "already disabled")
}

// removeAgent ends the agent's process and removes the plugin, whatever uses it.
// ref is its id, where another labsim may have put another in its place, or its name.
func (e *Engine) removeAgent(ctx context.Context, ref string) error {
	err := e.c.PluginDisable(ctx, ref, types.PluginDisableOptions{Force: true})
	if err != nil && !busy(err) {
		return err
	}
	return gone(e.c.PluginRemove(ctx, ref, types.PluginRemoveOptions{Force: true}))
}

// createAgent streams the plugin: its configuration, and a root with one file.
func (e *Engine) createAgent(ctx context.Context, b program) error {
	file, size, err := b.Open(ctx)
	if err != nil {
		return err
	}
	defer file.Close()
	r, w := io.Pipe()
	defer r.Close()
	go func() { w.CloseWithError(writePlugin(w, plugin.Config(e.site, b.Build), rand.Text(), size, file)) }()
	return e.c.PluginCreate(ctx, r, types.PluginCreateOptions{RepoName: e.site.Plugin()})
}

// writePlugin writes what Docker makes a plugin of. once is in its root, and never
// the same: Docker makes no plugin of a root that another plugin, such as another
// site's of the same build, was made of.
func writePlugin(w io.Writer, config []byte, once string, size int64, file io.Reader) error {
	buf := bufio.NewWriterSize(w, 1<<20)
	t := tar.NewWriter(buf)
	if err := writeFile(t, "config.json", config); err != nil {
		return err
	}
	for _, d := range append([]string{""}, plugin.Dirs()...) {
		if err := t.WriteHeader(&tar.Header{Name: path.Join("rootfs", d) + "/", Mode: 0o755, Typeflag: tar.TypeDir}); err != nil {
			return err
		}
	}
	if err := writeFile(t, "rootfs/etc/once", []byte(once)); err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: "rootfs" + plugin.Binary, Mode: 0o755, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := io.Copy(t, file); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return buf.Flush()
}

func writeFile(t *tar.Writer, name string, data []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := t.Write(data)
	return err
}
