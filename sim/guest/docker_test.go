package guest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"labsim/images"
	"labsim/sim/agent/wire"
	"labsim/sim/engine/enginetest/self"
)

const testImage = "t-guest/linux:test"

// dockerOrSkip skips without Docker; CI has to have it.
func dockerOrSkip(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no Docker: %v\n%s", err, out)
		}
		t.Skip("no Docker")
	}
}

// retag passes an archive on under another name, so that the test does not take
// the tag of a real system image.
func retag(in io.Reader, out io.Writer, name string) error {
	r, w := tar.NewReader(in), tar.NewWriter(out)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return w.Close()
		}
		if err != nil {
			return err
		}
		if h.Name != "manifest.json" {
			if err := w.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.Copy(w, r); err != nil {
				return err
			}
			continue
		}
		var m []map[string]any
		if err := json.NewDecoder(r).Decode(&m); err != nil {
			return err
		}
		m[0]["RepoTags"] = []string{name}
		data, _ := json.Marshal(m)
		h.Size = int64(len(data))
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
}

// machine is an instance with a fake agent and a fake metadata service.
type machine struct {
	t       *testing.T
	name    string
	links   chan *http.Client
	keyFile string
	address string
}

// startMachine runs the test binary as PID 1 in the system image.
func startMachine(t *testing.T, userData string) *machine {
	t.Helper()
	dockerOrSkip(t)
	program := self.Static(t)
	archive, _, _, err := images.System(program)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	load := exec.Command("docker", "load")
	in, _ := load.StdinPipe()
	go func() { retag(archive, in, testImage); in.Close() }()
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker load: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", testImage).Run() })

	m := &machine{t: t, name: "t-guest-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), links: make(chan *http.Client, 4)}
	dir := t.TempDir()
	copyFile(t, program, filepath.Join(dir, "init"))
	l, err := net.Listen("unix", filepath.Join(dir, "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go m.agent(l)
	m.keyFile = filepath.Join(dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", m.keyFile).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	key, err := os.ReadFile(m.keyFile + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	url := m.metadata(string(key), userData)
	m.docker("rm", "-f", m.name)
	m.docker("run", "-d", "--name", m.name, "--cap-drop", "MKNOD", "--security-opt", "seccomp=../engine/docker/zz_seccomp.json", "-v", dir+":/.labsim:ro", "-e", EnvMetadata+"="+url, "-e", EnvInstance+"=i-1",
		"-e", EnvDNS+"=10.0.0.2", "-e", EnvDomain+"=ec2.internal", "--hostname", "ip-10-0-0-5.ec2.internal", "--entrypoint", "/.labsim/init", testImage)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", m.docker("logs", m.name))
		}
		exec.Command("docker", "rm", "-f", m.name).Run()
	})
	m.address = strings.TrimSpace(m.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", m.name))
	return m
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) docker(args ...string) string {
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil && args[0] != "rm" {
		m.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// agent accepts the guest's connections and gives out clients to it.
func (m *machine) agent(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r := bufio.NewReader(conn)
		if _, err := r.ReadBytes('\n'); err != nil {
			continue
		}
		session, err := yamux.Server(buffered{conn, r}, nil)
		if err != nil {
			continue
		}
		m.links <- &http.Client{Transport: sessionTransport{session}}
	}
}

type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// sessionTransport opens a stream per request.
type sessionTransport struct{ s *yamux.Session }

func (s sessionTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	conn, err := s.s.Open()
	if err != nil {
		return nil, err
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = struct {
			io.ReadWriter
			io.Closer
		}{struct {
			io.Reader
			io.Writer
		}{r, conn}, conn}
	}
	return resp, err
}

func (m *machine) metadata(key, userData string) string {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "token") })
	mux.HandleFunc("GET "+keyItem, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-aws-ec2-metadata-token") != "token" {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		io.WriteString(w, key)
	})
	mux.HandleFunc("GET /latest/user-data", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, userData) })
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		m.t.Fatal(err)
	}
	go http.Serve(l, mux)
	m.t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	gateway := strings.TrimSpace(m.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"))
	if gateway == "" {
		gateway = "172.17.0.1"
	}
	return "http://" + net.JoinHostPort(gateway, port)
}

func (m *machine) link() *http.Client {
	m.t.Helper()
	select {
	case c := <-m.links:
		m.links <- c
		return c
	case <-time.After(20 * time.Second):
		m.t.Fatal("PID 1 did not dial the agent")
		return nil
	}
}

// until polls f for 20 s.
func (m *machine) until(what string, f func() bool) {
	m.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	m.t.Fatalf("not within 20 s: %s", what)
}

// logs waits until Docker's log has a text: Docker writes it some time after it
// was said.
func (m *machine) logs(want string) {
	m.t.Helper()
	m.until(fmt.Sprintf("%q in docker logs", want), func() bool { return strings.Contains(m.docker("logs", m.name), want) })
}

func (m *machine) state() (s wire.GuestState) {
	resp, err := m.link().Get("http://guest" + wire.PathState)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

// exec runs a process over the agent's link.
func (m *machine) exec(req wire.Exec, stdin string) (stdout, stderr string, code int) {
	m.t.Helper()
	req.Stdin = stdin != ""
	conn := m.execConn(req)
	defer conn.Close()
	if stdin != "" {
		wire.WriteFrame(conn, wire.FrameStdin, []byte(stdin))
		wire.WriteFrame(conn, wire.FrameEOF, nil)
	}
	var out, errs bytes.Buffer
	buf := make([]byte, wire.MaxFrame)
	for {
		kind, data, err := wire.ReadFrame(conn, buf)
		if err != nil {
			m.t.Fatalf("exec %q: %v, after %q", req.Args, err, out.String())
		}
		switch kind {
		case wire.FrameStdout:
			out.Write(data)
		case wire.FrameStderr:
			errs.Write(data)
		case wire.FrameError:
			return out.String(), string(data), 255
		case wire.FrameExit:
			return out.String(), errs.String(), int(data[0])
		}
	}
}

func (m *machine) execConn(req wire.Exec) io.ReadWriteCloser {
	m.t.Helper()
	hr, _ := http.NewRequest("POST", "http://guest"+wire.PathExec, nil)
	hr.Header.Set("Connection", "Upgrade")
	hr.Header.Set("Upgrade", wire.Upgrade)
	resp, err := m.link().Do(hr)
	if err != nil {
		m.t.Fatal(err)
	}
	line, _ := json.Marshal(req)
	conn := resp.Body.(io.ReadWriteCloser)
	conn.Write(append(line, '\n'))
	return conn
}

func (m *machine) running(command string) bool {
	_, _, code := m.exec(wire.Exec{Args: []string{"pgrep", "-f", "^" + command}}, "")
	return code == 0
}

// ssh runs the stock client.
func (m *machine) ssh(user string, args ...string) (string, error) {
	all := append([]string{"-F", "none", "-i", m.keyFile, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "BatchMode=yes", user + "@" + m.address}, args...)
	out, err := exec.Command("ssh", all...).CombinedOutput()
	return string(out), err
}
