package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"labsim/sim/engine/enginetest"
)

// long: the cases that take their time are asked for.
var long = os.Getenv("LABSIM_LONG") == "1"

// user is somebody at a terminal: labsim on real Docker, with a site and a home
// of its own.
type user struct {
	t    *testing.T
	bin  string
	site string
	env  []string
	// enter is the command line that leads to the user's machine; nil: this one.
	enter func() []string
	// dial connects to an address of the user's machine.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// program is labsim, built once for all tests; LABSIM_TEST_BINARY names one that
// is built already.
var program = sync.OnceValues(func() (string, error) {
	if f := os.Getenv("LABSIM_TEST_BINARY"); f != "" {
		return f, nil
	}
	dir, err := os.MkdirTemp("", "labsim-test-")
	if err != nil {
		return "", err
	}
	built = dir
	bin := filepath.Join(dir, "labsim")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

var built string // the directory to remove

func TestMain(m *testing.M) {
	enginetest.AtOnce()
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

func newUser(t *testing.T) *user {
	t.Helper()
	if err := exec.Command("docker", "version").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI has no Docker: ", err)
		}
		t.Skip("no Docker here: ", err)
	}
	u := makeUser(t)
	t.Cleanup(func() { u.call("down", "--all", "--yes", "--volumes") })
	return u
}

func makeUser(t *testing.T) *user {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, bin: bin, site: fmt.Sprintf("t-%s-%d", strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), os.Getpid())}
	u.env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(t.TempDir(), "state"), "LC_ALL=C")
	u.dial = (&net.Dialer{}).DialContext
	return u
}

// command is labsim as the user calls it.
func (u *user) command(args ...string) *exec.Cmd {
	line := append([]string{u.bin, "--site", u.site}, args...)
	if u.enter != nil {
		line = append(u.enter(), line...)
	}
	c := exec.Command(line[0], line[1:]...)
	c.Env = u.env
	return c
}

// call runs labsim and returns what it printed and its exit code.
func (u *user) call(args ...string) (string, int) {
	c := u.command(args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	began := time.Now()
	_ = c.Run()
	u.t.Logf("%5.2f s  labsim %s", time.Since(began).Seconds(), strings.Join(args, " "))
	return out.String(), c.ProcessState.ExitCode()
}

// must wants an exit code and a text.
func (u *user) must(code int, want string, args ...string) string {
	u.t.Helper()
	out, got := u.call(args...)
	if got != code || !regexp.MustCompile(want).MatchString(out) {
		u.t.Fatalf("labsim %s: exit %d, want %d with %q:\n%s", strings.Join(args, " "), got, code, want, out)
	}
	return out
}

// as is the same user in a part of the test.
func (u *user) as(t *testing.T) *user {
	v := *u
	v.t = t
	return &v
}

func (u *user) web() string {
	u.t.Helper()
	var list []struct{ Name, PublicIP string }
	out, _ := u.call("status", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		u.t.Fatalf("status --json: %v\n%s", err, out)
	}
	for _, i := range list {
		if i.Name == "web" {
			return i.PublicIP
		}
	}
	u.t.Fatalf("no web:\n%s", out)
	return ""
}

func (u *user) page(addr string) (string, error) {
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: u.dial, DisableKeepAlives: true}}
	resp, err := c.Get("http://" + addr)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func (u *user) visit(n int) {
	u.t.Helper()
	got, err := u.page(u.web())
	want := regexp.MustCompile(fmt.Sprintf(`^visit %d · counted by 10\.0\.2\.10 · stored on vol-0[0-9a-f]+\n$`, n))
	if err != nil || !want.MatchString(got) {
		u.t.Fatalf("page: %q, %v, want visit %d", got, err, n)
	}
}

// TestUp follows what a new user sees, on real Docker, from up to down.
func TestUp(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	// a range of its own: other tests take the next free one at the same time
	up := []string{"up", "--public-range", fmt.Sprintf("198.19.%d.0/24", os.Getpid()%250)}
	out := u.must(0, `5 ✓ Access +web answers on 22 and 80 · db answers web on 22 and 5432 · not the internet, not the host`, up...)
	for _, line := range []string{` 1 ✓ Custom VPC +vpc-0`, ` 2 ✓ Public and private subnets +public 10\.0\.1\.0/24 · private 10\.0\.2\.0/24`,
		` 3 ✓ Routes and internet gateway +igw-0`, ` 4 ✓ Instances +web t3\.micro 10\.0\.1\.10 / [0-9.]+ · db t3\.small 10\.0\.2\.10`} {
		if !regexp.MustCompile(line).MatchString(out) {
			t.Errorf("up lacks %q:\n%s", line, out)
		}
	}
	u.visit(1) // step 5 has connected to db, which is no visit
	u.visit(2)

	u.must(0, `^ip-10-0-1-10`, "ssh", "web", "--", "hostname")
	u.must(0, `^ip-10-0-2-10`, "ssh", "db", "--", "hostname")
	u.paste()
	u.executes()
	u.traces()
	u.must(1, ``, "exec", "db", "--", "nc", "-z", "-w", "1", u.web(), "80") // db has no way out
	u.dockerSees()
	u.tunnelled()

	a := u.account()
	a.gatewayStays()
	a.routeByCLI()
	a.breakAll(up)
	u.visit(3)

	before := u.web()
	u.must(0, ``, "stop", "web")
	u.must(0, ``, "start", "web")
	if after := u.web(); after == before || after == "" {
		t.Errorf("stop and start left the public address at %s", before)
	}
	u.speaks("LC_ALL=", "LANG=ko_KR.UTF-8").must(0, korean, up...)
	list, err := exec.Command("docker", "ps", "-q", "--filter", "label=labsim.site="+u.site).Output()
	if n := len(strings.Fields(string(list))); err != nil || n != 4 {
		t.Errorf("%d containers of the site, want control, edge, web and db: %v", n, err)
	}

	u.must(0, `kept: volume vol-0`, "down", "--yes")
	last, _ := exec.Command("docker", "ps", "-aq", "--filter", "label=labsim.site="+u.site).Output()
	if len(last) > 0 {
		t.Errorf("down left containers: %s", last)
	}
	out = u.speaks("LABSIM_TUNNEL=1").must(0, `(?s)5 ✓ Access.*\n Next:  \S+ --site \S+ open web:80      \S+ --site \S+ ssh web  `, up...)
	if wrong := regexp.MustCompile(`(?m)^vol-.*`).FindString(out); wrong != "" {
		t.Errorf("up complains of the volume that it finds again: %s", wrong)
	}
	u.visit(4) // the count is on the volume
	u.must(0, ``, "down", "--yes", "--volumes")
}

// korean are the five lines in Korean.
const korean = ` 1 ✓ 사용자 지정 VPC +vpc-0\w+  10\.0\.0\.0/16
 2 ✓ 퍼블릭·프라이빗 서브넷 +퍼블릭 10\.0\.1\.0/24 · 프라이빗 10\.0\.2\.0/24
 3 ✓ 라우팅과 인터넷 게이트웨이 +igw-0\w+  퍼블릭: 0\.0\.0\.0/0 -> igw-0\w+
 4 ✓ 인스턴스 +web t3\.micro 10\.0\.1\.10 / [0-9.]+ · db t3\.small 10\.0\.2\.10
 5 ✓ 접속 +web: 포트 22, 80 응답 · db: web에게 포트 22, 5432 응답 · 인터넷과 호스트에는 응답하지 않음
 다음:  curl http://`

// traces asks whether packets get through: which rule decides is in the answer,
// and where it is no, all that is missing.
func (u *user) traces() {
	u.t.Helper()
	u.must(1, `no: internet does not reach db on tcp/5432
(?s:.*)
because
  ✗ db has no public address: nothing outside can send to it
  ✗ the subnet of db can't answer: its route table private has no route to the internet gateway
  ✗ no inbound rule of db's security groups \(db\) allows tcp/5432 from `, "trace", "internet", "db", "tcp/5432")
	u.must(0, `yes: web reaches db on tcp/5432
(?s:.*)  ✓ security group web allows all traffic to 0\.0\.0\.0/0
(?s:.*)  ✓ security group db allows tcp/5432 from members of web
  ✓ arrives at db, tcp/5432
`, "trace", "web", "db", "tcp/5432")
}

// paste takes the ssh commands that labsim prints to a shell, with nothing of
// labsim in PATH and a configuration of the user's that would lead astray.
func (u *user) paste() {
	u.t.Helper()
	home := u.t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte("Host *\n  ProxyCommand false\n"), 0o600); err != nil {
		u.t.Fatal(err)
	}
	for name, want := range map[string]string{"web": "ip-10-0-1-10", "db": "ip-10-0-2-10"} {
		for _, tunnel := range []string{"", "1"} {
			print := exec.Command(u.bin, "--site", u.site, "ssh", "--print", name)
			print.Env = append(u.env, "LABSIM_TUNNEL="+tunnel)
			line, err := print.Output()
			if err != nil || !strings.HasPrefix(string(line), "ssh -F none -i ") || tunnel != "" && !strings.Contains(string(line), "_dial") {
				u.t.Fatalf("ssh --print %s: %v\n%s", name, err, line)
			}
			c := exec.Command("sh", "-c", strings.TrimSpace(string(line))+" hostname")
			c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_STATE_HOME=" + u.state()}
			out, err := c.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), want) {
				u.t.Errorf("pasted, tunnel %q: %v\n%s%s", tunnel, err, line, out)
			}
		}
	}
}

// state is the user's XDG_STATE_HOME.
func (u *user) state() string {
	for _, kv := range u.env {
		if dir, ok := strings.CutPrefix(kv, "XDG_STATE_HOME="); ok {
			return dir
		}
	}
	return ""
}
