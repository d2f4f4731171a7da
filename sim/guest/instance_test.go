package guest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"labsim/sim/agent/wire"
)

func TestInstance(t *testing.T) {
	m := startMachine(t, "#!/bin/sh\necho user data by $(whoami) in $(pwd)\nprintf '#!/bin/sh\\necho local\\n' > /etc/rc.local; chmod +x /etc/rc.local\nsleep 300 &\nexit 3\n")
	m.until("ready", func() bool { return m.state().Ready })
	s := m.state()
	if len(s.HostKeys) != 1 || !strings.HasPrefix(s.HostKeys[0], "ssh-ed25519 ") {
		t.Errorf("host keys %q", s.HostKeys)
	}
	t.Run("console", func(t *testing.T) {
		resp, err := m.link().Get("http://guest" + wire.PathConsole)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		for _, want := range []string{"user data by root in /", "FAILED with exit code 3"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the console lacks %q:\n%s", want, text)
			}
			m.logs(want)
		}
	})
	t.Run("exec", func(t *testing.T) {
		for _, c := range []struct {
			name            string
			req             wire.Exec
			stdin           string
			out, errs       string
			code            int
			outContainsOnly bool
		}{
			{name: "streams", req: wire.Exec{Args: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}}, out: "out\n", errs: "err\n", code: 7},
			{name: "stdin", req: wire.Exec{Args: []string{"tr", "a-z", "A-Z"}}, stdin: "abc", out: "ABC"},
			{name: "signal", req: wire.Exec{Args: []string{"sh", "-c", "kill -9 $$"}}, code: 137},
			{name: "user", req: wire.Exec{Args: []string{"sh", "-c", "id -un; pwd; echo $HOME"}, User: "ec2-user"}, out: "ec2-user\n/home/ec2-user\n/home/ec2-user\n"},
			{name: "no program", req: wire.Exec{Args: []string{"nosuch"}}, errs: "nosuch: not found", code: 255},
			{name: "no environment of PID 1", req: wire.Exec{Args: []string{"sh", "-c", "env | grep -c LABSIM_"}}, out: "0\n", code: 1},
			{name: "user data's job lives", req: wire.Exec{Args: []string{"pgrep", "sleep"}}, outContainsOnly: true},
			{name: "resolv.conf", req: wire.Exec{Args: []string{"head", "-2", "/etc/resolv.conf"}}, out: "search ec2.internal\nnameserver 10.0.0.2\n"},
			{name: "terminal", req: wire.Exec{Args: []string{"sh", "-c", "test -t 0 && tty"}, TTY: true}, out: "/dev/pts/0\r\n"},
			{name: "background stays", req: wire.Exec{Args: []string{"sh", "-c", "sleep 301 & echo started"}}, out: "started\n"},
			// the job is a shell for a moment before it becomes sleep
			{name: "background did stay", req: wire.Exec{Args: []string{"sh", "-c",
				"for i in 1 2 3 4 5 6 7 8 9; do pgrep -f '[s]leep 301' && exit; sleep 0.1; done; exit 1"}}, outContainsOnly: true},
			{name: "sudo by uid 1000", req: wire.Exec{Args: []string{"sudo", "sh", "-c", "id -u; cat; exit 4"}, User: "ec2-user"}, stdin: "in", out: "0\nin", code: 4},
			{name: "sudo on a terminal", req: wire.Exec{Args: []string{"sudo", "sh", "-c", "id -u; tty; exit 6"}, User: "ec2-user", TTY: true}, out: "0\r\n/dev/pts/1\r\n", code: 6},
			{name: "sudo -i", req: wire.Exec{Args: []string{"sudo", "-i", "pwd"}, User: "ec2-user"}, out: "/root\n"},
			{name: "sudo -u", req: wire.Exec{Args: []string{"sudo", "-u", "nobody", "id", "-un"}}, out: "nobody\n"},
			{name: "no sudo for nobody", req: wire.Exec{Args: []string{"sudo", "id"}, User: "nobody"}, errs: "sudo: uid 65534 is not in the group wheel\n", code: 1},
			{name: "no poweroff without root", req: wire.Exec{Args: []string{"poweroff"}, User: "ec2-user"}, errs: "poweroff: only root may do this: sudo poweroff\n", code: 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				out, errs, code := m.exec(c.req, c.stdin)
				if !c.outContainsOnly && out != c.out || errs != c.errs || code != c.code {
					t.Errorf("got %d, %q, %q\nwant %d, %q, %q", code, out, errs, c.code, c.out, c.errs)
				}
			})
		}
	})
	t.Run("client vanishes", func(t *testing.T) {
		conn := m.execConn(wire.Exec{Args: []string{"sh", "-c", "nohup sleep 401 >/dev/null 2>&1 & sleep 402"}})
		m.until("both run", func() bool { return m.running("sleep 401") && m.running("sleep 402") })
		conn.Close()
		m.until("the one in the foreground ends", func() bool { return !m.running("sleep 402") })
		if !m.running("sleep 401") {
			t.Error("nohup's process ended, too")
		}
	})
	t.Run("ssh", m.testSSH)
	t.Run("reboot", func(t *testing.T) {
		out, err := m.ssh("ec2-user", "sudo", "reboot")
		t.Logf("%s %v", out, err)
		m.until("end", func() bool { return m.docker("inspect", "-f", "{{.State.Running}}", m.name) == "false\n" })
		if code := strings.TrimSpace(m.docker("inspect", "-f", "{{.State.ExitCode}}", m.name)); code != fmt.Sprint(ExitReboot) {
			t.Errorf("exit code %s, want %d", code, ExitReboot)
		}
		<-m.links
		m.docker("start", m.name)
		m.until("ready again", func() bool { return m.state().Ready })
		if diff := strings.Join(m.state().HostKeys, ""); diff != s.HostKeys[0] {
			t.Error("the host key changed")
		}
		m.logs("\nlocal\n") // of rc.local, at the second boot
		if n := strings.Count(m.docker("logs", m.name), "user data by root"); n != 1 {
			t.Errorf("user data ran %d times", n)
		}
	})
	t.Run("stop", func(t *testing.T) {
		// 137 if Docker had to kill it, after ten seconds.
		m.docker("stop", m.name)
		if code := strings.TrimSpace(m.docker("inspect", "-f", "{{.State.ExitCode}}", m.name)); code != "0" {
			t.Errorf("exit code %s", code)
		}
	})
}

func (m *machine) testSSH(t *testing.T) {
	for _, c := range []struct{ command, want string }{
		{"id -un; echo $SSH_CONNECTION | wc -w", "ec2-user\n4\n"},
		{"exit 5", ""},
		{"sudo id -u", "0\n"},
		{"echo $HOME; pwd", "/home/ec2-user\n/home/ec2-user\n"},
	} {
		out, err := m.ssh("ec2-user", c.command)
		if out != c.want {
			t.Errorf("%s: %q (%v), want %q", c.command, out, err, c.want)
		}
	}
	var exit *exec.ExitError
	if _, err := m.ssh("ec2-user", "exit 5"); !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("exit 5: %v", err)
	}
	if out, _ := m.ssh("root", "true"); !strings.Contains(out, `Please login as the user "ec2-user" rather than the user "root".`) {
		t.Errorf("root: %q", out)
	}
	if out, err := m.ssh("nobody", "true"); err == nil {
		t.Errorf("nobody got in: %s", out)
	}
	local := filepath.Join(t.TempDir(), "f")
	os.WriteFile(local, bytes.Repeat([]byte("data"), 50000), 0o600)
	options := []string{"-F", "none", "-i", m.keyFile, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"}
	if out, err := exec.Command("scp", append(options, local, "ec2-user@"+m.address+":copied")...).CombinedOutput(); err != nil {
		t.Errorf("scp: %v %s", err, out)
	}
	if out, _ := m.ssh("ec2-user", "wc -c < copied; stat -c %U copied"); out != "200000\nec2-user\n" {
		t.Errorf("after scp: %q", out)
	}
	m.forward(t)
}

// forward reaches the guest's own sshd through its port forwarding, as ProxyJump does.
func (m *machine) forward(t *testing.T) {
	data, err := os.ReadFile(m.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssh.ClientConfig{User: loginUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second}
	client, err := ssh.Dial("tcp", m.address+":22", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	inner, err := client.Dial("tcp", "127.0.0.1:22")
	if err != nil {
		t.Fatalf("direct-tcpip: %v", err)
	}
	banner, err := bufio.NewReader(inner).ReadString('\n')
	if err != nil || !strings.HasPrefix(banner, "SSH-2.0-") {
		t.Errorf("banner through the tunnel: %q %v", banner, err)
	}
	l, err := client.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("tcpip-forward: %v", err)
	}
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "from outside")
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if out, _, _ := m.exec(wire.Exec{Args: []string{"nc", "-d", "-w", "3", "127.0.0.1", port}}, ""); out != "from outside" {
		t.Errorf("remote forwarding: %q", out)
	}
}
