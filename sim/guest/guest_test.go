package guest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"labsim/sim/agent/wire"
)

func TestUserDataScript(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, "#!/bin/sh\necho zipped")
	z.Close()
	for _, c := range []struct{ name, data, script, err string }{
		{name: "script", data: "#!/bin/sh\necho", script: "#!/bin/sh\necho"},
		{name: "gzip", data: zipped.String(), script: "#!/bin/sh\necho zipped"},
		{name: "broken gzip", data: zipped.String()[:20], err: "gzip"},
		{name: "cloud-config", data: "#cloud-config\npackages: []", err: "#cloud-config is not supported"},
		{name: "broken multi-part", data: "Content-Type: multipart/mixed; boundary=x", err: "MIME multi-part: "},
		{name: "multi-part", data: "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n\n--x--\n", script: "#!/bin/sh\n"},
		{name: "service only", data: "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/x-labsim-service\n\n{\"Command\":[\"true\"]}\n--x--\n"},
		{name: "no script", data: "echo hi", err: `begins with "echo hi"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := userDataScript([]byte(c.data))
			if string(got) != c.script || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %q, %v; want %q, %q", got, err, c.script, c.err)
			}
		})
	}
}

func TestPrepareEtc(t *testing.T) {
	t.Setenv(EnvInstance, "i-1")
	t.Setenv(EnvDNS, "10.0.0.2,nonsense")
	t.Setenv(EnvDomain, "ec2.internal")
	root := t.TempDir()
	os.MkdirAll(filepath.Join(root, "etc"), 0o755)
	os.MkdirAll(filepath.Join(root, "bin"), 0o755)
	os.WriteFile(filepath.Join(root, "bin/bash"), nil, 0o755)
	// As in Debian: users of its own, the last line without its end.
	os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/sbin/nologin"), 0o644)
	if !prepareEtc(root) {
		t.Error("the first boot is not one")
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	want := "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/sbin/nologin\nec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/bash\n"
	if diff := cmp.Diff(want, read("etc/passwd")); diff != "" {
		t.Errorf("passwd (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("search ec2.internal\nnameserver 10.0.0.2\noptions timeout:2 attempts:5\n", read("etc/resolv.conf")); diff != "" {
		t.Errorf("resolv.conf (-want +got):\n%s", diff)
	}
	markBooted(root)
	if prepareEtc(root) || read("etc/passwd") != want {
		t.Error("the second boot is a first one, or changes the users again")
	}
	t.Setenv(EnvInstance, "i-2") // an AMI made of i-1
	if !prepareEtc(root) {
		t.Error("another instance's first boot is not one")
	}
	a, err := lookupAccount(root, "ec2-user")
	if err != nil || !inGroup(root, a, "wheel") || inGroup(root, a, "root") {
		t.Errorf("ec2-user: %+v, %v", a, err)
	}
	if id := freeID(root); id != 1001 {
		t.Errorf("the next free id is %d", id)
	}
	if _, err := lookupAccount(root, "nosuch"); err == nil {
		t.Error("a user that there is not was found")
	}
}

func TestConsoleKeepsTheLast64K(t *testing.T) {
	c := newConsole(io.Discard)
	for range 70 {
		c.Write(bytes.Repeat([]byte("x"), 1023))
		c.Write([]byte("\n"))
	}
	c.Write([]byte("last"))
	var got bytes.Buffer
	if err := c.copyTo(&got, false, func() {}, nil); err != nil {
		t.Fatal(err)
	}
	if got.Len() != consoleSize || !bytes.HasSuffix(got.Bytes(), []byte("\nlast")) {
		t.Errorf("kept %d", got.Len())
	}
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() { c.copyTo(w, true, func() {}, done); w.Close() }()
	io.ReadFull(r, make([]byte, consoleSize))
	c.Write([]byte("more"))
	more := make([]byte, 4)
	if _, err := io.ReadFull(r, more); err != nil || string(more) != "more" {
		t.Errorf("followed: %q, %v", more, err)
	}
	close(done)
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("after the end: %q", rest)
	}
}

// Whoever floods the console fills neither Docker's log nor the engine's time:
// the log gets a burst, what is lost is counted, and the last lines are there.
func TestConsoleFlood(t *testing.T) {
	const written = 400_000
	out := &safeBuffer{}
	c := newConsole(out)
	for range written / 100 {
		c.Write(bytes.Repeat([]byte("y\n"), 100))
	}
	c.Write([]byte("no line end"))
	c.end(30 * time.Second)
	text := out.String()
	passed := strings.Count(text, "y\n")
	dropped := 0
	for _, m := range regexp.MustCompile(`(?m)^labsim: \.\.\. (\d+) lines dropped$`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		dropped += n
	}
	t.Logf("%d lines passed, %d dropped", passed, dropped)
	if most := 10_000 + 2*logChunk + consoleSize/2; passed > most || passed+dropped != written || !strings.HasSuffix(text, "y\nno line end") {
		t.Errorf("of %d lines %d passed, want at most %d, and %d are said to be dropped; the end is %q", written, passed, most, dropped, text[len(text)-20:])
	}
}

// A log that takes nothing, as when the engine hangs, holds nobody up.
func TestConsoleOfAHungEngine(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	c := newConsole(w)
	for range 100 {
		c.printf("line %d", 1)
	}
	c.end(time.Millisecond)
}

func TestMetadata(t *testing.T) {
	tries, token := 0, "t1"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tries++
		switch {
		case tries < 3:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case r.Method == "PUT":
			io.WriteString(w, token)
		case r.Header.Get("X-aws-ec2-metadata-token") != token:
			http.Error(w, "", http.StatusUnauthorized)
		case r.URL.Path == "/item":
			io.WriteString(w, "value")
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	m := newMetadata(srv.URL)
	if v, err := m.get("/item"); string(v) != "value" || err != nil {
		t.Errorf("item: %q, %v", v, err)
	}
	token = "t2" // the old one is refused
	if v, err := m.get("/item"); string(v) != "value" || err != nil {
		t.Errorf("with a new token: %q, %v", v, err)
	}
	if _, err := m.get("/none"); err != errNoMetadata {
		t.Errorf("no item: %v", err)
	}
}

// startSSHD serves SSH on loopback with a key that may log in.
func startSSHD(t *testing.T, fetched bool) (address string, key ssh.Signer) {
	t.Helper()
	root := t.TempDir()
	t.Setenv(EnvInstance, "i-1")
	prepareEtc(root)
	host, err := hostKey(filepath.Join(root, "etc/ssh/ssh_host_ed25519_key"), true)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := hostKey(filepath.Join(root, "etc/ssh/ssh_host_ed25519_key"), false); err != nil || !bytes.Equal(again.PublicKey().Marshal(), host.PublicKey().Marshal()) {
		t.Errorf("the host key does not stay: %v", err)
	}
	key, err = hostKey(filepath.Join(root, "client"), true)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			io.WriteString(w, "token")
			return
		}
		if !fetched {
			http.NotFound(w, r)
			return
		}
		time.Sleep(50 * time.Millisecond) // a client may be faster
		io.WriteString(w, authorizedKey(key.PublicKey())+"\n")
	}))
	t.Cleanup(srv.Close)
	g := &guest{self: os.Args[0], reaper: newReaper(false), console: newConsole(io.Discard), keys: newLoginKeys(root)}
	go g.keys.fetch(newMetadata(srv.URL), true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := g.sshServer(host)
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String(), key
}

func TestSSHDLetsTheKeyIn(t *testing.T) {
	address, key := startSSHD(t, true)
	login := func(user string, auth ssh.AuthMethod) (*ssh.Client, error) {
		return ssh.Dial("tcp", address, &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second})
	}
	c, err := login("root", ssh.PublicKeys(key))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, _ := s.CombinedOutput("id")
	if !strings.Contains(string(out), `Please login as the user "ec2-user"`) {
		t.Errorf("root: %q", out)
	}
	if _, err := c.Dial("tcp", address); err == nil {
		t.Error("root may forward ports")
	}
	e, err := login("ec2-user", ssh.PublicKeys(key))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if conn, err := e.Dial("tcp", address); err != nil {
		t.Errorf("direct-tcpip: %v", err)
	} else {
		conn.Close()
	}
	if _, err := login("other", ssh.PublicKeys(key)); err == nil {
		t.Error("another user got in")
	}
	if _, err := login("ec2-user", ssh.Password("")); err == nil {
		t.Error("a password got in")
	}
	stranger, err := hostKey(filepath.Join(t.TempDir(), "k"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := login("ec2-user", ssh.PublicKeys(stranger)); err == nil {
		t.Error("another key got in")
	}
}

func TestSSHDWithoutKeyPair(t *testing.T) {
	address, key := startSSHD(t, false)
	if _, err := ssh.Dial("tcp", address, &ssh.ClientConfig{User: "ec2-user", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second}); err == nil {
		t.Error("somebody got in without a key pair")
	}
}

// TestOutput: what was written before the end arrives; who holds the pipe later
// neither delays nor dies.
func TestOutput(t *testing.T) {
	var got bytes.Buffer
	o, w, err := newOutput(&got)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(bytes.Repeat([]byte("x"), 60000))
	o.finish()
	if got.Len() != 60000 {
		t.Errorf("%d of 60000 bytes", got.Len())
	}
	for range 10 {
		if _, err := w.Write(make([]byte, 20000)); err != nil {
			t.Fatalf("a process in the background can't write: %v", err)
		}
	}
	if got.Len() != 60000 {
		t.Error("output after the end")
	}
	w.Close()
}

func TestFramesOfExec(t *testing.T) {
	g := &guest{reaper: newReaper(false), console: newConsole(io.Discard)}
	var out bytes.Buffer
	in, _ := io.Pipe()
	g.exec(wire.Exec{Args: []string{"/nosuch"}}, in, &frameWriter{w: &out})
	kind, data, err := wire.ReadFrame(&out, nil)
	if kind != wire.FrameError || !strings.Contains(string(data), "/nosuch") || err != nil {
		t.Errorf("%d %q %v", kind, data, err)
	}
}

// What an instance calls itself is in its files; what its users have added stays.
func TestHosts(t *testing.T) {
	root := t.TempDir()
	etc := filepath.Join(root, "etc")
	if err := os.Mkdir(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		writeHosts(root, "ip-10-0-1-10.ec2.internal", netip.MustParseAddr("10.0.1.10"))
		appendMissing(filepath.Join(etc, "hosts"), "10.0.2.10", "10.0.2.10 mine")
	}
	want := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.1.10\tip-10-0-1-10.ec2.internal ip-10-0-1-10\n10.0.2.10 mine\n"
	hosts, _ := os.ReadFile(filepath.Join(etc, "hosts"))
	name, _ := os.ReadFile(filepath.Join(etc, "hostname"))
	if d := cmp.Diff(want, string(hosts)); d != "" || string(name) != "ip-10-0-1-10.ec2.internal\n" {
		t.Errorf("hostname %q, hosts (-want +got):\n%s", name, d)
	}
}

// A /run that begins empty gets what the image's packages have in tmpfiles.d.
func TestRuntimeDirs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give directories away")
	}
	root := t.TempDir()
	for file, text := range map[string]string{
		"etc/passwd":                      "postgres:x:101:102::/:/bin/sh\n",
		"etc/group":                       "postgres:x:102:\nadm:x:4:\n",
		"usr/lib/tmpfiles.d/db.conf":      "# a comment\nd /var/run/postgresql 2775 postgres postgres - -\nd /var/log/db 0755\nL /run/link - - - - /etc\nd /run/../etc/no\n",
		"usr/lib/tmpfiles.d/hidden.conf":  "d /run/hidden\n",
		"etc/tmpfiles.d/hidden.conf":      "D! /run/a/b 0700 - adm\n",
		"usr/lib/tmpfiles.d/ignored.text": "d /run/ignored\n",
	} {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	makeRuntimeDirs(root)
	got := map[string]string{}
	filepath.WalkDir(filepath.Join(root, "run"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			return err
		}
		got[strings.TrimPrefix(path, root)] = fmt.Sprintf("%o %d:%d", st.Mode&0o7777, st.Uid, st.Gid)
		return nil
	})
	want := map[string]string{"/run": "755 0:0", "/run/lock": "1777 0:0", "/run/postgresql": "2775 101:102", "/run/a": "755 0:0", "/run/a/b": "700 0:4"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/no")); err == nil {
		t.Error("a directory outside of /run was made")
	}
}
