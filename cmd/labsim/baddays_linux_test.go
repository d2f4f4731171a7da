package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"labsim/compose"
	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
	"labsim/sim/store/storetest"
)

// TestBadDays is what people do to a lab on an engine that lives: they end
// labsim in the middle, twice at once, and take its parts away.
func TestBadDays(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	t.Run("up killed", func(t *testing.T) { u.as(t).upKilled() })
	if long {
		t.Run("down killed", func(t *testing.T) { u.as(t).downKilled() })
		t.Run("two at once", func(t *testing.T) { u.as(t).twoAtOnce() })
		t.Run("interrupted", func(t *testing.T) { u.as(t).interrupted() })
	}
	t.Run("processes killed", func(t *testing.T) { u.as(t).processesKilled() })
	t.Run("containers gone", func(t *testing.T) { u.as(t).containersGone() })
	t.Run("state of another version", func(t *testing.T) { u.as(t).otherVersion() })
	t.Run("state lost", func(t *testing.T) { u.as(t).stateLost() })
	u.t = t
	if long {
		u.controlHangs()
	} else {
		u.must(0, ``, "down", "--all", "--yes", "--volumes")
	}
	u.nothingLeft()
}

// controlHangs: down needs no control, but asks before it takes away what it can't list.
func (u *user) controlHangs() {
	pid := u.process("control")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		u.t.Fatal(err)
	}
	u.must(1, `(?s)control does not answer, so which labs are up is not known: the whole site \S+ goes\n.*nothing was changed`, "down", "--volumes")
	u.must(1, `does not answer`, "down", "custom-vpc", "--yes")
	u.must(0, ``, "down", "--yes", "--volumes")
}

// started runs labsim and returns once it has printed n lines, or has ended.
func (u *user) started(n int, args ...string) (c *exec.Cmd, out *bytes.Buffer) {
	u.t.Helper()
	c, out = u.command(args...), &bytes.Buffer{}
	c.Stderr = out
	pipe, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	for r := bufio.NewReader(pipe); n > 0; n-- {
		if _, err := r.ReadString('\n'); err != nil {
			break
		}
	}
	return c, out
}

// upKilled kills `up` after each line that it prints, a little later each time.
// What the next command finds is never too much and never too little.
func (u *user) upKilled() {
	seed := rand.Uint64()
	u.t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var delays [][]time.Duration
	for range 5 {
		d := []time.Duration{time.Duration(random.IntN(700)) * time.Millisecond}
		if long {
			for ms := 0; ms < 2400; ms += 200 {
				d = append(d, time.Duration(ms)*time.Millisecond)
			}
		}
		delays = append(delays, d)
	}
	for lines, list := range delays {
		for i, d := range list {
			c, _ := u.started(lines, "up")
			time.Sleep(d) // a moment of no meaning, as that of a kill is
			_ = c.Process.Kill()
			err := c.Wait()
			u.t.Logf("killed %v after line %d: %v", d, lines, err)
			switch {
			case !long:
			case i%3 == 1:
				u.must(0, ``, "down", "--all", "--yes", "--volumes")
				u.nothingLeft()
			case i%3 == 2:
				u.whole()
			}
		}
	}
	u.whole()
}

// whole brings the lab up and counts: nothing is doubled.
func (u *user) whole() {
	u.t.Helper()
	u.must(0, `5 ✓ Access`, "up")
	label := "label=labsim.site=" + u.site
	for _, c := range []struct {
		want int
		of   []string
	}{
		{4, []string{"ps", "-aq", "--filter", label}},           // control, edge, web, db
		{4, []string{"network", "ls", "-q", "--filter", label}}, // public, private, internet, control's
		{3, []string{"volume", "ls", "-q", "--filter", label}},  // state, guest, data
	} {
		out, err := exec.Command("docker", c.of...).Output()
		if n := len(strings.Fields(string(out))); err != nil || n != c.want {
			u.t.Errorf("docker %s: %d, want %d: %v\n%s", strings.Join(c.of, " "), n, c.want, err, out)
		}
	}
	if n := strings.Count(u.must(0, ``, "status", "--json"), `"ID": "i-`); n != 2 {
		u.t.Errorf("%d instances, want 2", n)
	}
}

// nothingLeft looks for everything of the site on engine and machine.
func (u *user) nothingLeft() {
	u.t.Helper()
	label := "label=labsim.site=" + u.site
	var left []string
	for _, args := range [][]string{
		{"ps", "-aq", "--filter", label}, {"network", "ls", "-q", "--filter", label}, {"volume", "ls", "-q", "--filter", label},
		{"plugin", "ls", "--format", "{{.Name}}"},
	} {
		out, err := exec.Command("docker", args...).Output()
		if err != nil {
			u.t.Fatal(err)
		}
		for _, x := range strings.Fields(string(out)) {
			if args[0] != "plugin" || x == u.site+":latest" {
				left = append(left, args[0]+" "+x)
			}
		}
	}
	site := sim.Site(u.site)
	for _, dir := range []string{site.DataDir(), site.RunDir()} {
		if _, err := os.Stat(dir); err == nil {
			left = append(left, dir)
		}
	}
	if len(left) > 0 {
		u.t.Errorf("left: %s", strings.Join(left, ", "))
	}
}

// downKilled kills `down` in the middle; the next one finishes.
func (u *user) downKilled() {
	c, _ := u.started(0, "down", "--yes")
	time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
	_ = c.Process.Kill()
	_ = c.Wait()
	u.must(0, ``, "down", "--all", "--yes", "--volumes")
	u.nothingLeft()
}

// twoAtOnce: from nothing, one of two ends well, and the other too, or is told
// who is at it.
func (u *user) twoAtOnce() {
	var wg sync.WaitGroup
	var out [2]string
	var code [2]int
	for i := range out {
		wg.Go(func() { out[i], code[i] = u.call("up") })
	}
	wg.Wait()
	well := 0
	for i := range out {
		switch {
		case code[i] == 0 && strings.Contains(out[i], "5 ✓ Access"):
			well++
		case code[i] == 1 && strings.Contains(out[i], "another labsim is changing this site") && strings.Contains(out[i], "pid "):
		default:
			u.t.Errorf("exit %d:\n%s", code[i], out[i])
		}
	}
	if well == 0 {
		u.t.Error("neither brought the lab up")
	}
	u.whole()
}

// interrupted: Ctrl-C is said, and `up` goes on from there.
func (u *user) interrupted() {
	u.must(0, ``, "down", "--yes")
	c, out := u.started(2, "up")
	_ = c.Process.Signal(os.Interrupt)
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 || !strings.Contains(out.String(), "interrupted; what was made stays") {
		u.t.Errorf("exit %d, want 130:\n%s", code, out)
	}
	u.whole()
}

// process finds a process of the site by what it was called with.
func (u *user) process(verb string) int {
	u.t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		env, err := os.ReadFile(f)
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if err == nil && string(cmd) == "/labsim\x00"+verb+"\x00" && strings.Contains(string(env), "LABSIM_SITE="+u.site+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			return pid
		}
	}
	u.t.Fatalf("no process %s of the site %s", verb, u.site)
	return 0
}

// processesKilled: packets need neither control nor agent.
func (u *user) processesKilled() {
	u.must(0, `5 ✓ Access`, "up")
	u.openDoors()
	for _, verb := range []string{"control", "agent"} {
		s := u.stream()
		end := u.besiege(u.web())
		pid := u.process(verb)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			u.t.Fatal(err)
		}
		u.must(0, `5 ✓ Access`, "up")
		if u.process(verb) == pid {
			u.t.Errorf("%s lives", verb)
		}
		end()
		s.whole(verb + " killed")
		u.doorsShut()
	}
}

// containersGone: what Docker's own commands do to instances, and `up` after it.
func (u *user) containersGone() {
	u.must(0, `5 ✓ Access`, "up")
	before := u.visits()
	name := func(of string) string { return u.container(of) }
	docker := func(args ...string) {
		u.t.Helper()
		if out, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
			u.t.Fatalf("docker %v: %v\n%s", args, err, out)
		}
	}

	docker("kill", name("db"))
	u.becomes("db", "stopped", "")
	u.must(0, `(?s)\+ instance db.*5 ✓ Access`, "up")

	docker("rm", "-f", name("db"))
	u.becomes("db", "terminated", "Server.InternalError")
	u.must(0, `(?s)\+ instance db.*5 ✓ Access`, "up")

	docker("kill", name("web"))
	u.becomes("web", "stopped", "")
	u.composeDown()
	u.becomes("web", "terminated", "Server.InternalError")
	u.becomes("db", "terminated", "Server.InternalError")
	u.must(0, `(?s)\+ instance db.*5 ✓ Access`, "up")
	if after := u.visits(); after <= before {
		u.t.Errorf("visit %d, before it was %d: the volume's data has gone", after, before)
	}
	u.whole()
}

// otherVersion: a state that control does not understand is refused and kept, and
// `up` says so with control's own words.
func (u *user) otherVersion() {
	before := u.visits()
	volume, err := exec.Command("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", u.site+"-state").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(volume)), "world.db")
	write := func(format int) (was int) {
		u.t.Helper()
		if out, err := exec.Command("docker", "stop", u.site+"-control").CombinedOutput(); err != nil {
			u.t.Fatalf("%v: %s", err, out)
		}
		if was, err = storetest.SetFormat(file, format); err != nil {
			u.t.Fatal(err)
		}
		return was
	}
	was := write(999)
	u.must(1, `(?s)control of the site `+u.site+` does not start: /state/world.db was written by a newer labsim \(format 999; this one knows up to \d+\)\n.*Run the newer labsim again`, "up")
	u.must(1, `control이 시작하지 못합니다: /state/world.db은\(는\) 더 새로운 labsim이 작성했습니다\(형식 999,`, "--lang", "ko", "up") // Docker keeps starting it
	write(was)
	u.must(0, `5 ✓ Access`, "up")
	if after := u.visits(); after <= before {
		u.t.Errorf("visit %d, before it was %d", after, before)
	}
}

func (u *user) visits() (n int) {
	u.t.Helper()
	text, err := u.page(u.web())
	if _, serr := fmt.Sscanf(text, "visit %d", &n); err != nil || serr != nil {
		u.t.Fatalf("page: %q, %v", text, err)
	}
	return n
}

// container is the name of an instance's container.
func (u *user) container(instance string) string {
	u.t.Helper()
	out, err := exec.Command("docker", "ps", "-a", "--filter", "label=labsim.site="+u.site, "--format", "{{.Names}}").Output()
	m := regexp.MustCompile(`(?m)^.*-` + instance + `-1$`).FindString(string(out))
	if err != nil || m == "" {
		u.t.Fatalf("no container of %s: %v\n%s", instance, err, out)
	}
	return m
}

// composeDown is what somebody does who takes the lab for a Compose project.
func (u *user) composeDown() {
	u.t.Helper()
	if _, err := exec.LookPath("docker-compose"); err != nil && os.Getenv("CI") == "true" {
		u.t.Fatal(err)
	} else if err != nil {
		u.t.Skip(err)
	}
	project, err := exec.Command("docker", "inspect", "-f", `{{index .Config.Labels "com.docker.compose.project"}}`, u.container("db")).Output()
	if err != nil {
		u.t.Fatal(err)
	}
	text, err := compose.File(compose.Default)
	if err != nil {
		u.t.Fatal(err)
	}
	// Compose 1.29 knows no top-level name.
	text = regexp.MustCompile(`(?m)^name: .*$`).ReplaceAll(text, nil)
	file := filepath.Join(u.t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		u.t.Fatal(err)
	}
	out, err := exec.Command("docker-compose", "-p", strings.TrimSpace(string(project)), "-f", file, "down").CombinedOutput()
	u.t.Logf("docker-compose down: %v\n%s", err, out)
}

// becomes waits until the newest instance of a name is in a state, by the EC2
// API, which has no events.
func (u *user) becomes(name, state, reason string) {
	u.t.Helper()
	port, err := exec.Command("docker", "inspect", "-f", `{{index .Config.Labels "labsim.port"}}`, u.site+"-control").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	api := ec2.Client{Endpoint: "http://127.0.0.1:" + strings.TrimSpace(string(port)), HTTP: http.DefaultClient}
	var seen []string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var out wire.DescribeInstancesResult
		if err := api.Do(u.t.Context(), "DescribeInstances", &wire.DescribeInstancesRequest{}, &out); err != nil {
			u.t.Fatal(err)
		}
		var newest time.Time
		seen = nil
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				if !slices.ContainsFunc(i.Tags, func(t wire.Tag) bool { return *t.Key == "Name" && *t.Value == name }) || i.LaunchTime.Before(newest) {
					continue
				}
				newest, seen = *i.LaunchTime, []string{*i.InstanceId, *i.State.Name}
				if i.StateReason != nil {
					seen = append(seen, *i.StateReason.Code)
				}
			}
		}
		if slices.Contains(seen, state) && (reason == "" || slices.Contains(seen, reason)) {
			return
		}
	}
	u.t.Fatalf("%s is %v, want %s %s", name, seen, state, reason)
}

// stream is an open connection through gateway, web and db, on which a line
// goes there and back all the time.
type stream struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	stop  chan struct{}
	done  chan struct{}
	lines int
	gap   time.Duration // the longest wait for a line
	wrong string
}

// stream opens one: ssh to db, which goes through web.
func (u *user) stream() *stream {
	u.t.Helper()
	s := &stream{t: u.t, cmd: u.command("ssh", "db", "--", "cat"), stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		u.t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if !s.once(r) {
		u.t.Fatal("no stream: ", s.wrong)
	}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for s.gap = 0; s.once(r); {
			select {
			case <-tick.C:
			case <-s.stop:
				return
			}
		}
	}()
	return s
}

func (s *stream) once(r *bufio.Reader) bool {
	s.lines++
	began := time.Now()
	want := fmt.Sprintf("line %d\n", s.lines)
	if _, err := io.WriteString(s.in, want); err != nil {
		s.wrong = err.Error()
		return false
	}
	got, err := r.ReadString('\n')
	if err != nil || got != want {
		s.wrong = fmt.Sprintf("%q, %v, want %q", got, err, want)
		return false
	}
	s.gap = max(s.gap, time.Since(began))
	return true
}

// whole ends the stream, and complains if anything was missing.
func (s *stream) whole(during string) {
	s.t.Helper()
	close(s.stop)
	<-s.done
	s.in.Close()
	_ = s.cmd.Wait()
	s.t.Logf("%s: %d lines through it, the longest wait %v", during, s.lines, s.gap.Round(time.Millisecond))
	if s.wrong != "" {
		s.t.Errorf("%s: the stream broke off: %s", during, s.wrong)
	}
}
