package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"labsim/sim/ec2"
)

// bench is the place of a run: a labsim site of its own, and the engine.
type bench struct {
	options
	dir      string // scratch, goes at the end
	binary   string // labsim
	engine   *engine
	machine  machine
	ec2      *ec2.Client // once a site stands
	progress io.Writer
	images   images
}

// labelBench is on all that the bench makes on the engine besides its site.
const labelBench = "labsim-bench"

func newBench(ctx context.Context, o options, progress io.Writer) (b *bench, err error) {
	b = &bench{options: o, progress: progress}
	if b.engine, err = dialEngine(); err != nil {
		return nil, err
	}
	if b.machine, err = aboutMachine(ctx, b.engine); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "labsim-bench-"); err != nil {
		return nil, err
	}
	if b.binary, err = b.findLabsim(ctx); err == nil {
		err = b.images.expect(ctx, b.engine, b.binary)
	}
	if err == nil {
		err = b.clear(ctx) // what a killed run has left
	}
	if err != nil {
		os.RemoveAll(b.dir)
		return nil, err
	}
	return b, nil
}

// findLabsim returns labsim's binary, built as a release is: static and stripped.
func (b *bench) findLabsim(ctx context.Context) (string, error) {
	if b.options.labsim != "" {
		return filepath.Abs(b.options.labsim)
	}
	b.say("building labsim")
	out := filepath.Join(b.dir, "labsim")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "labsim/cmd/labsim")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("labsim could not be built (run this in its module, or give --labsim PATH): %w\n%s", err, text)
	}
	return out, nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// command is labsim's command line on the bench's site.
func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.binary, append([]string{"--site", b.site}, args...)...)
	c.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(b.dir, "state"), "LC_ALL=C")
	return c
}

// labsim runs a command and returns what it printed.
func (b *bench) labsim(ctx context.Context, args ...string) ([]byte, error) {
	c := b.command(ctx, args...)
	var problem bytes.Buffer
	c.Stderr = &problem
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("labsim %s: %w\n%s%s", strings.Join(args, " "), err, out, problem.Bytes())
	}
	return out, nil
}

// lab writes a lab file.
func (b *bench) lab(name, text string) (string, error) {
	file := filepath.Join(b.dir, name+".yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// up brings a lab up and connects to the API.
func (b *bench) up(ctx context.Context, file string) error {
	out, err := b.labsim(ctx, "up", "--json", file)
	if err != nil {
		return err
	}
	var said struct{ Endpoint string }
	if err := json.Unmarshal(out, &said); err != nil {
		return fmt.Errorf("up --json: %w", err)
	}
	b.ec2 = &ec2.Client{Endpoint: said.Endpoint}
	return nil
}

// clear takes everything away that the bench may have made.
func (b *bench) clear(ctx context.Context) error {
	label := labelBench + "=" + b.site
	ids, err := b.engine.list(ctx, label)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err = errors.Join(err, b.engine.remove(ctx, id))
	}
	var nets []struct{ ID string }
	if nerr := b.engine.call(ctx, http.MethodGet, "/networks?filters="+filters([]string{label}), nil, &nets); nerr != nil {
		return errors.Join(err, nerr)
	}
	for _, n := range nets {
		err = errors.Join(err, gone(b.engine.call(ctx, http.MethodDelete, "/networks/"+n.ID, nil, nil)))
	}
	var volumes struct{ Volumes []struct{ Name string } }
	if verr := b.engine.call(ctx, http.MethodGet, "/volumes?filters="+localVolumes(label), nil, &volumes); verr != nil {
		return errors.Join(err, verr)
	}
	for _, v := range volumes.Volumes {
		err = errors.Join(err, gone(b.engine.call(ctx, http.MethodDelete, "/volumes/"+v.Name, nil, nil)))
	}
	_, derr := b.labsim(ctx, "down", "--all", "--volumes", "--yes")
	return errors.Join(err, derr)
}

// localVolumes asks no other driver than Docker's own: one on its way out, as that of
// some other site may be, keeps the engine waiting.
func localVolumes(label string) string {
	f, _ := json.Marshal(map[string][]string{"label": {label}, "driver": {"local"}}) // strings only
	return url.QueryEscape(string(f))
}

func (b *bench) close(ctx context.Context) error {
	return errors.Join(b.clear(ctx), b.images.forget(ctx, b.engine), os.RemoveAll(b.dir))
}

// labels are on what the bench makes.
func (b *bench) labels() map[string]string { return map[string]string{labelBench: b.site} }
