package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/control"
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
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:4566", a.say(sim.T("address of the API, on loopback")))
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
	defer os.Remove(file)
	e := none.New()
	return control.Run(ctx, control.Options{Site: sim.Site(a.site), Listener: l, Token: s.Token, Engine: e, EngineName: "none",
		Node: none.NewNode(e), Simulated: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
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
		if _, err := b.version(ctx); err == nil {
			return b, nil
		}
	}
	return nil, &sim.Failure{What: sim.T("labsim is not up (site %s)", a.site), Next: []sim.Text{sim.Cmd("labsim up")}}
}

// simulatedBox finds or starts the background process.
func (a *app) simulatedBox(ctx context.Context, ls *lines, f upFlags) (*box, boxVersion, error) {
	if a.engine == "" {
		a.errorln(sim.T("there is no Docker on this machine, so nothing in this lab is real: instances and packets are simulated"))
		a.errorln(sim.T("for the real thing install Docker: https://docs.docker.com/get-docker/"))
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
		listens = []string{"127.0.0.1:4566", "127.0.0.1:0"}
	}
	for _, listen := range listens {
		c := exec.Command(exe, "--site", a.site, "--lang", string(a.lang), "serve", "--engine", "none", "--listen", listen)
		detach(c)
		out, err := c.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := c.Start(); err != nil {
			return nil, err
		}
		// its first line says that it answers; if it ends before, the pipe does
		if _, err := bufio.NewReader(out).ReadString('\n'); err == nil {
			_ = c.Process.Release()
			return a.findSimulated(ctx)
		}
		_ = c.Wait()
	}
	return nil, &sim.Failure{What: sim.T("the simulated control plane does not start"), Next: []sim.Text{sim.Cmd("labsim serve --listen 127.0.0.1:0")}}
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
	if _, err := a.findSimulated(ctx); ok && err == nil {
		p, err := os.FindProcess(s.PID)
		if err != nil {
			return err
		}
		if err := p.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		for i := 0; i < 100; i++ { // another process' end is no event to us
			if _, err := a.findSimulated(ctx); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	a.println(sim.T("Site %s is gone", a.site))
	return a.removeState()
}

func executable() (string, error) { return os.Executable() }
