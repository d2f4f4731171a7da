package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/control"
	"labsim/sim/engine/docker"
	"labsim/sim/engine/none"
)

// The control plane without Docker: simulated instances, the whole API and the
// evaluator. `serve` runs it in the foreground; `up` starts it in the background
// on a machine without Docker, and `down` ends it.

func (a *app) serveCommand() *cobra.Command {
	listen := ""
	c := &cobra.Command{
		Use: "serve", Short: a.say(sim.T("run the control plane alone, simulated, in the foreground")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error { return a.serve(c.Context(), listen) },
	}
	c.Flags().StringVar(&listen, "listen", "", a.say(sim.T("address of the API, on loopback (else port 4566, or 4567 for another site than labsim)")))
	return c
}

// served is what a running `serve` leaves for other commands to find it by.
type served struct {
	PID      int
	Endpoint string
	Token    string
}

func (a *app) servedFile() (string, error) {
	dir, err := a.stateDir()
	return filepath.Join(dir, "serve.json"), err
}

func (a *app) serve(ctx context.Context, listen string) error {
	if a.engine == "docker" {
		return usageError{&sim.Failure{What: sim.T("serve has the none engine only"), Next: []sim.Text{sim.Cmd("labsim up")}}}
	}
	if listen == "" {
		listen = a.loopback()
	}
	addr, err := netip.ParseAddrPort(listen)
	if err != nil || !addr.Addr().IsLoopback() {
		return usageError{&sim.Failure{What: sim.T("--listen is a loopback address such as 127.0.0.1:4566, not %q", listen)}}
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return &sim.Failure{What: sim.T("the API can't listen on %s", listen), Err: err, Next: []sim.Text{sim.Cmd("labsim serve --listen 127.0.0.1:0")}}
	}
	file, err := a.servedFile()
	if err != nil {
		return err
	}
	var secret [24]byte
	_, _ = rand.Read(secret[:])
	s := served{PID: os.Getpid(), Endpoint: "http://" + l.Addr().String(), Token: hex.EncodeToString(secret[:])}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := writeFile(file, data); err != nil {
		return err
	}
	defer func() { // another one may have begun meanwhile
		if now, ok := a.findServed(); ok && now.Token == s.Token {
			os.Remove(file)
		}
	}()
	e := none.New()
	return control.Run(ctx, control.Options{Site: sim.Site(a.site), Listener: l, Token: s.Token, Engine: e, EngineName: "none",
		Node: &control.Simulated{}, Simulated: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Ready: func(net.Addr) { a.println(sim.T("simulated EC2 API at %s", s.Endpoint)) }})
}

func (a *app) findServed() (served, bool) {
	var s served
	file, err := a.servedFile()
	if err != nil {
		return s, false
	}
	data, err := os.ReadFile(file)
	return s, err == nil && json.Unmarshal(data, &s) == nil
}

func (a *app) findSimulated(ctx context.Context) (*box, error) {
	s, ok := a.findServed()
	if ok {
		b := newBox(s.Endpoint, s.Token)
		b.simulated = true
		if _, err := b.version(ctx); err == nil {
			return b, nil
		}
	}
	return nil, &sim.Failure{What: sim.T("labsim is not up (site %s)", a.site), Next: []sim.Text{sim.Cmd("labsim up")}, Err: docker.ErrNotUp}
}

// simulatedBox finds or starts the background process.
func (a *app) simulatedBox(ctx context.Context, ls *lines, f upFlags) (*box, boxVersion, error) {
	if a.engine == "" {
		a.errorln(sim.T("there is no Docker on this machine, so nothing in this lab is real: instances and packets are simulated; %s", getDocker))
	}
	label := " "
	ls.start(label, sim.T("no Docker"))
	b, err := a.findSimulated(ctx)
	if err != nil {
		b, err = a.startSimulated(ctx, f)
	}
	var about boxVersion
	if err == nil {
		about, err = b.version(ctx)
	}
	ls.end(err == nil, label, a.say(sim.T("no Docker · simulated · the EC2 API is real")))
	return b, about, err
}

// loopback is where the site's API listens first.
func (a *app) loopback() string { return fmt.Sprintf("127.0.0.1:%d", sim.Site(a.site).Port()) }

func (a *app) startSimulated(ctx context.Context, f upFlags) (*box, error) {
	exe, err := executable()
	if err != nil {
		return nil, err
	}
	if exe, err = a.keepExecutable(exe); err != nil {
		return nil, err
	}
	listens := []string{fmt.Sprintf("127.0.0.1:%d", f.port)}
	if f.port == 0 {
		listens = []string{a.loopback(), "127.0.0.1:0"}
	}
	for _, listen := range listens {
		c := exec.Command(exe, "--site", a.site, "--lang", string(a.lang), "serve", "--engine", "none", "--listen", listen)
		detach(c)
		log, err := a.serveLog()
		if err != nil {
			return nil, err
		}
		c.Stderr = log
		out, err := c.StdoutPipe()
		if err != nil {
			return nil, err
		}
		err = c.Start()
		log.Close()
		if err != nil {
			return nil, err
		}
		// its first line says that it answers; if it ends before, the pipe does
		if _, err := bufio.NewReader(out).ReadString('\n'); err == nil {
			_ = c.Process.Release()
			return a.findSimulated(ctx)
		}
		_ = c.Wait()
	}
	return nil, &sim.Failure{What: sim.T("the simulated control plane does not start"), Err: a.whyServe(), Next: []sim.Text{sim.Cmd("labsim serve --listen 127.0.0.1:0")}}
}

// serveLog is where the background process says why it can't go on.
func (a *app) serveLog() (*os.File, error) {
	dir, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, "serve.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}

// whyServe is the first line of it.
func (a *app) whyServe() error {
	dir, _ := a.stateDir()
	data, err := os.ReadFile(filepath.Join(dir, "serve.log"))
	if err != nil || len(data) == 0 {
		return err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return errors.New(strings.TrimPrefix(line, "labsim: "))
}

// keepExecutable copies a program that `go run` is about to delete.
func (a *app) keepExecutable(exe string) (string, error) {
	dir, err := a.stateDir()
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "labsim")
	if err := writeFile(to, data); err != nil {
		return "", err
	}
	return to, os.Chmod(to, 0o700)
}

// stopSimulated ends the background process and removes what it left.
func (a *app) stopSimulated(ctx context.Context) error {
	s, ok := a.findServed()
	gone := sim.T("Site %s: nothing is up", a.site)
	if _, err := a.findSimulated(ctx); ok && err == nil {
		gone = sim.T("Site %s is gone", a.site)
		p, err := os.FindProcess(s.PID)
		if err != nil {
			return err
		}
		ended := watchEnd(s.PID)
		if runtime.GOOS == "windows" { // which has no signals; there is nothing to put in order
			err = p.Kill()
		} else {
			err = p.Signal(syscall.SIGTERM)
		}
		if err != nil {
			return err
		}
		ended(2*time.Second, func() bool {
			_, err := a.findSimulated(ctx)
			return err != nil
		})
	}
	a.println(gone)
	return a.removeState()
}

var getDocker = sim.T("for the real thing install Docker: https://docs.docker.com/get-docker/")

// needsMachine refuses what only instances that really run can do.
func (b *box) needsMachine(i instance) error {
	if !b.simulated {
		return nil
	}
	return &sim.Failure{What: sim.T("instance %s is simulated: nothing runs in it", i.Name),
		Next: []sim.Text{getDocker}}
}

// simulatedMark stands behind what is shown of instances that don't really run.
func (a *app) simulatedMark(b *box) string {
	if b.simulated {
		return " (" + a.say(sim.T("simulated")) + ")"
	}
	return ""
}

func executable() (string, error) { return os.Executable() }
