package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/agent/plugin"
	"labsim/sim/dataplane/linux"
	"labsim/sim/idle"
)

// retryStart is how long a process that can't work waits before it ends.
const retryStart = time.Minute

// Run is the agent: it serves Docker's hooks until ctx ends or a signal comes.
// It is meant for the inside of the managed plugin; see plugin.Config.
func Run(ctx context.Context) error {
	log.SetFlags(log.Lmicroseconds) // the engine writes dates itself
	debug.SetGCPercent(50)          // it idles most of the time, on a laptop
	ctx, stop := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT)
	defer stop()
	site := sim.Site(os.Getenv(plugin.EnvSite))
	if err := sim.CheckSite(string(site)); err != nil {
		return fmt.Errorf("%s: %w", plugin.EnvSite, err)
	}
	eng, err := openEngine()
	if err != nil {
		return err
	}
	// Before Docker is answered: whoever enabled the plugin may then bind the directory.
	if err := eng.makeDir(site.ControlDir()); err != nil {
		log.Printf("%s: %v", site.ControlDir(), err)
	}
	hooks := newHookServer()
	srv, err := listenHooks(filepath.Join(plugin.SocketDir, plugin.Socket), hooks)
	if err != nil {
		return err
	}
	defer srv.Close()

	a, err := openSole(site, eng)
	if err != nil {
		// An engine that gets no answer from a plugin doesn't boot, so the process
		// stays and says to every hook what is wrong. Then Docker starts another.
		hooks.ready(nil, fmt.Errorf("labsim's agent can't work: %w", err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryStart):
			return err
		}
	}
	hooks.ready(a.hooks(), nil)
	go a.run(ctx)
	idle.Soon()
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.ends:
		last, cancel := context.WithTimeout(ctx, hookLimit)
		defer cancel()
		return errors.Join(err, srv.Shutdown(last))
	}
}

// lockFile, in the data directory, belongs to the one agent of a site.
const lockFile = "agent.lock"

// openSole opens the agent once no other process is one. The lock stays until the end.
func openSole(site sim.Site, eng *engine) (*Agent, error) {
	lock, err := sole(filepath.Join(plugin.Data, lockFile))
	if err != nil {
		return nil, err
	}
	a, err := open(site, eng)
	if err != nil {
		lock.Close()
		return nil, err
	}
	a.sole = lock
	return a, nil
}

// sayMended says that somebody else is at work in the machine.
func sayMended(resource string, err error) {
	if err != nil {
		log.Printf("%s: its rules or its link were changed by somebody else, and could not be put back: %v", resource, err)
		return
	}
	log.Printf("%s: its rules or its link were changed by somebody else, and are put back", resource)
}

func open(site sim.Site, eng *engine) (a *Agent, err error) {
	driver, err := linux.New(linux.Options{
		Site:   site,
		Pins:   linux.NewDirPins(filepath.Join(site.RunDir(), "netns"), eng.in),
		HostNS: eng.netNS,
		Guest:  func(id sim.ENIID) (netns.NsHandle, bool) { return a.holder(id) }, // asked once a holds a config
		Mended: sayMended,
	})
	if err != nil {
		return nil, err
	}
	files, err := openFiles()
	if err != nil {
		return nil, fmt.Errorf("how many files may be open: %w", err)
	}
	b := newBudget(files)
	log.Printf("%d files may be open; guests may take %d for their connections, %d for metadata and DNS, and %d to ask resolvers",
		b.files, b.guests*filesPerGuest, b.services, b.queries)
	node, err := os.Hostname()
	if err != nil {
		node = "unknown"
	}
	return newAgent(options{
		site: site, build: os.Getenv(plugin.EnvBuild), node: node,
		data: plugin.Data, runDir: site.RunDir(), mounts: plugin.Mounts, engine: eng, driver: driver, files: files,
	})
}

// run does all but Docker's hooks.
func (a *Agent) run(ctx context.Context) {
	if err := a.guests.open(); err != nil {
		log.Printf("guests: %v", err) // tried again when a guest is started
	}
	go a.resume(ctx) // control is told what hangs, if anything does
	a.keepControl(ctx)
}

// listenHooks serves Docker at once.
func listenHooks(path string, h http.Handler) (*http.Server, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: h}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Fatalf("hooks: %v", err) // Docker starts the process again
		}
	}()
	return srv, nil
}
