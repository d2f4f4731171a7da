package guest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim/agent/wire"
	"labsim/sim/idle"
)

// guest is PID 1 of an instance.
type guest struct {
	self    string // path of this binary
	build   string
	reaper  *reaper
	console *console
	state   stateBox
	keys    *loginKeys
	meta    *metadata
	ending  chan ending
}

// ending is how the instance comes to its end.
type ending int

const (
	endStop     ending = iota // from outside
	endPoweroff               // from inside
	endReboot
)

// RunInit is /.labsim/init: PID 1 of an instance, or, started by hand,
// `init NAME ARGS...`, the applet of that name. It does not return.
func RunInit() {
	if os.Getpid() != 1 {
		os.Exit(runMulticall(os.Args[1:]))
	}
	keepToItself()
	debug.SetGCPercent(50) // an idle PID 1 counts in every instance
	g := newGuest(os.Stdout)
	os.Exit(g.run(os.Args[1:]))
}

// keepToItself makes this process none that root of the instance can trace, read or
// take descriptors of: who speaks in its place speaks to the agent. The kernel then
// wants CAP_SYS_PTRACE (ptrace(2), "Ptrace access mode checking"), which instances
// don't have, whether it has Yama or not. What this process starts is not bound by it.
func keepToItself() {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Fprintf(os.Stderr, "labsim: this process can be traced: %v\n", err)
	}
}

func newGuest(out *os.File) *guest {
	self, err := os.Executable()
	if err != nil {
		self = "/.labsim/init"
	}
	base := os.Getenv(EnvMetadata)
	if base == "" {
		base = metadataURL
	}
	return &guest{
		self: self, build: buildVersion(),
		reaper:  newReaper(os.Getpid() == 1),
		console: newConsole(out),
		meta:    newMetadata(base),
		ending:  make(chan ending, 1),
	}
}

func (g *guest) run(args []string) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGPWR)
	// Taken and dropped: what is ignored, every process of the instance would ignore.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	unix.Umask(0o022)
	g.boot(args)
	for {
		select {
		case <-signals:
			g.end(endStop)
		case e := <-g.ending:
			return g.shutdown(e)
		}
	}
}

// boot brings the instance up. The order counts: what a user waits for, the SSH
// banner, comes before anything that may take time.
func (g *guest) boot(args []string) {
	firstBoot := prepareEtc("/")
	signer, err := hostKey("/etc/ssh/ssh_host_ed25519_key", firstBoot)
	if err != nil {
		g.console.printf("no SSH host key: %v", err)
	} else {
		g.keys = newLoginKeys("/")
		if err := g.listenSSH(":22", signer); err != nil {
			g.console.printf("sshd: %v", err)
		}
		g.state.update(func(s *wire.GuestState) { s.HostKeys = []string{authorizedKey(signer.PublicKey())} })
	}
	go g.keepLink(agentSocket)
	g.console.device("/dev/console")
	if err := g.listenControl(controlSocket); err != nil {
		g.console.printf("sudo and poweroff: %v", err)
	}
	go installTools("/", g.self)
	go g.settle(firstBoot, args)
	idle.Soon() // what starting cost counts in every instance
}

// settle is the part of the boot that may take its time.
func (g *guest) settle(firstBoot bool, args []string) {
	if g.keys != nil {
		go func() {
			if err := g.keys.fetch(g.meta, firstBoot); err != nil {
				g.console.printf("no SSH key: %v", err)
			}
		}()
	}
	g.startCommand(args)
	g.runLocal()
	if firstBoot {
		g.runUserData()
		markBooted("/")
	}
	g.startService("/", serviceFile)
	g.state.update(func(s *wire.GuestState) { s.Ready = true })
	idle.Soon()
}

// startCommand starts what Compose calls the command. The instance outlives it,
// as a server outlives a service.
func (g *guest) startCommand(args []string) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if v := os.Getenv(EnvCommand); v != "" {
		if err := json.Unmarshal([]byte(v), &args); err != nil {
			g.console.printf("%s: %v", EnvCommand, err)
			return
		}
	}
	if len(args) == 0 {
		return
	}
	root, _ := lookupAccount("/", "root")
	cmd := command{args: args, env: withEnv(withEnv([]string{"HOME=/root", "USER=root"}, ownEnv()...), imagePath()), dir: "/", user: root}
	s, err := g.startSession(cmd, false, 0, 0, false, g.console, g.console)
	if err != nil {
		g.console.printf("command: %v", err)
		return
	}
	go func() { g.console.printf("command %s ended with %d", args[0], s.wait()) }()
}

// end asks for the end; the first one to ask says how.
func (g *guest) end(e ending) {
	select {
	case g.ending <- e:
	default:
	}
}

// grace is what processes get between TERM and KILL. Docker's own grace, ten
// seconds, must not end first.
const grace = 8 * time.Second

// shutdown ends everything in order and returns the exit code.
func (g *guest) shutdown(e ending) int {
	name, code := "poweroff", ExitStopped
	switch e {
	case endPoweroff:
		code = ExitPoweroff
	case endReboot:
		name, code = "reboot", ExitReboot
	}
	g.console.printf("%s", name)
	g.state.update(func(s *wire.GuestState) { s.Shutdown = name })
	// Shells end at HUP, everything else at TERM; CONT wakes what was stopped.
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGCONT} {
		syscall.Kill(-1, sig)
	}
	g.reaper.waitEmpty(grace)
	syscall.Kill(-1, syscall.SIGKILL)
	unix.Sync()
	// The last state is written by whoever serves the agent's stream; PID 1's end
	// cuts that off, and an agent that is not there must not delay it.
	time.Sleep(20 * time.Millisecond)
	g.console.end(100 * time.Millisecond)
	return code
}
