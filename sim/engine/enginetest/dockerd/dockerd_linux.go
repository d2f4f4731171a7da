package dockerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bootLimit bounds one start of the engine. It is far above what a start may
// take, so that a test can say how long one that is too slow took.
const bootLimit = 3 * time.Minute

// Engine is a machine with an engine.
type Engine struct {
	dir    string // its disk: dir/docker is the engine's data, dir/lib is /var/lib
	power  io.Closer
	shell  *exec.Cmd    // unshare, which ends with the first process
	init   atomic.Int64 // the first process, as this process sees it
	daemon *exec.Cmd    // nsenter, which ends with the engine; nil: it does not run
	died   chan struct{}
}

// needs are the programs that make the machine.
var needs = []string{"dockerd", "containerd", "docker-init", "docker", "unshare", "nsenter", "ip", "mount"}

// New powers a machine on; its engine is not started. Where that can't be done
// the test is skipped, but for CI, which has to be able to.
func New(t testing.TB) *Engine {
	t.Helper()
	if why := lacks(); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI can't run an engine of the test's own: ", why)
		}
		t.Skip("no engine of the test's own: ", why)
	}
	// Not t.TempDir: with the test's long name in it the socket's path would be too long.
	dir, err := os.MkdirTemp("", "dockerd")
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{dir: dir}
	t.Cleanup(func() {
		e.PowerOff()
		e.removeCgroups()
		log := e.tail()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the engine's log ends with:\n%s", log)
		}
	})
	for _, d := range []string{"docker", "lib", "etc"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.PowerOn(); err != nil {
		t.Fatal(err)
	}
	return e
}

func lacks() string {
	if os.Getuid() != 0 {
		return "it takes root"
	}
	for _, p := range needs {
		if _, err := exec.LookPath(p); err != nil {
			return err.Error()
		}
	}
	return ""
}

// boot makes the machine: its own /run and /var/lib, and a first process that
// reaps orphans and ends with its standard input.
const boot = `set -e
hostname "$2"
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mount --make-rshared /run
mkdir -p /run/lock /run/docker
mount --bind "$1/lib" /var/lib
mount --make-shared /var/lib
mkdir -p /etc/docker
mount --bind "$1/etc" /etc/docker
echo on
exec docker-init -- cat
`

// PowerOn boots the machine with the disk it has, without the engine.
func (e *Engine) PowerOn() error {
	c := exec.Command("unshare", "--mount", "--propagation", "slave", "--uts", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", boot, "boot", e.dir, e.name())
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a terminal's Ctrl-C is the test's alone
	power, err := c.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	var said strings.Builder
	c.Stderr = &said
	if err := c.Start(); err != nil {
		return err
	}
	line := make([]byte, 3)
	if _, err := io.ReadFull(out, line); err != nil {
		power.Close()
		return fmt.Errorf("the machine did not boot: %v: %v: %s", err, c.Wait(), said.String())
	}
	e.power, e.shell = power, c
	init, err := onlyChild(c.Process.Pid)
	e.init.Store(int64(init))
	return err
}

func (e *Engine) first() string { return strconv.FormatInt(e.init.Load(), 10) }

func (e *Engine) name() string { return filepath.Base(e.dir) }

// onlyChild returns the process that unshare or nsenter has forked.
func onlyChild(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// PowerOff ends every process of the machine at once. Its disk stays; its
// network and its mounts don't.
func (e *Engine) PowerOff() {
	if e.shell == nil {
		return
	}
	_ = syscall.Kill(int(e.init.Load()), syscall.SIGKILL)
	e.power.Close()
	_ = e.shell.Wait()
	if e.daemon != nil {
		<-e.died
	}
	e.shell, e.daemon = nil, nil
}

// Start starts the engine and returns once it answers, and how long that took.
func (e *Engine) Start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(e.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	ready := filepath.Join(e.dir, "ready")
	_ = os.Remove(ready)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ready, Net: "unixgram"})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	c := exec.Command("nsenter", "-t", e.first(), "-m", "-n", "-u", "-p", "dockerd",
		"--data-root", e.Disk(), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid",
		"-H", e.Host(), "-H", "unix:///run/docker.sock", "--cgroup-parent", "/"+e.name())
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Env = append(os.Environ(), "NOTIFY_SOCKET="+ready)
	c.Stdout, c.Stderr = log, log
	began := time.Now()
	if err := c.Start(); err != nil {
		return 0, err
	}
	died := make(chan struct{})
	go func() { c.Wait(); close(died) }()
	e.daemon, e.died = c, died
	answered := make(chan error, 1)
	go func() {
		_ = l.SetReadDeadline(began.Add(bootLimit))
		_, err := l.Read(make([]byte, 256))
		answered <- err
	}()
	select {
	case err = <-answered:
	case <-died:
		e.daemon = nil
		err = errors.New("it ended")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		err = e.ping(ctx)
	}
	if err != nil {
		err = fmt.Errorf("the engine did not start within %v: %w\n%s", time.Since(began).Round(time.Second), err, e.tail())
	}
	return time.Since(began), err
}

// ping asks once: the engine says that it is ready a moment before it answers.
func (e *Engine) ping(ctx context.Context) error {
	c := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(e.Host(), "unix://"))
		}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// Stop sends the engine a signal and returns when it has ended. SIGKILL leaves
// its children alone, as on a real machine.
func (e *Engine) Stop(s syscall.Signal) error {
	if e.daemon == nil {
		return errors.New("the engine does not run")
	}
	pid, err := onlyChild(e.daemon.Process.Pid)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, s); err != nil {
		return err
	}
	<-e.died
	e.daemon = nil
	// What SIGKILL left behind would be taken for a running engine.
	return e.Inside("rm", "-f", "/run/docker.pid").Run()
}

// Host is the engine's address for DOCKER_HOST.
func (e *Engine) Host() string { return "unix://" + filepath.Join(e.dir, "docker.sock") }

// Lib is the machine's /var/lib, as this process sees it.
func (e *Engine) Lib() string { return filepath.Join(e.dir, "lib") }

// Disk is the engine's data directory.
func (e *Engine) Disk() string { return filepath.Join(e.dir, "docker") }

// Enter is the command line that leads into the machine's network, before a
// command of this one.
func (e *Engine) Enter() []string {
	return []string{"nsenter", "-t", e.first(), "-n", "--"}
}

// Command is a command in the machine's network, with the engine as its Docker.
func (e *Engine) Command(args ...string) *exec.Cmd {
	args = append(e.Enter(), args...)
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), "DOCKER_HOST="+e.Host())
	return c
}

// Inside is a command with the machine's files, processes and network.
func (e *Engine) Inside(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", e.first(), "-m", "-n", "-u", "-p", "--"}, args...)...)
}

// Dial connects to an address of the machine's network; no name is looked up.
func (e *Engine) Dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = e.inNetwork(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Listen takes a TCP port of the machine.
func (e *Engine) Listen(addr string) (l net.Listener, err error) {
	err = e.inNetwork(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	return l, err
}

// inNetwork runs f on a thread in the machine's network: a socket stays where it was made.
func (e *Engine) inNetwork(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := unix.Open(fmt.Sprintf("/proc/%s/ns/net", e.first()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			done <- err
			return
		}
		defer unix.Close(fd)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func (e *Engine) logFile() string { return filepath.Join(e.dir, "log") }

// tail is the end of the engine's log.
func (e *Engine) tail() string {
	b, _ := os.ReadFile(e.logFile())
	return string(b[max(0, len(b)-4<<10):])
}

// removeCgroups removes what the kernel keeps of the containers.
func (e *Engine) removeCgroups() {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/" + e.name())
	for _, root := range append(roots, "/sys/fs/cgroup/"+e.name()) {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			_ = os.Remove(dirs[i])
		}
	}
}
