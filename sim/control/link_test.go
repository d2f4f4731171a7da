package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
	shapes "labsim/sim/ec2/wire"
	"labsim/sim/engine"
	"labsim/sim/engine/none"
)

// fakeAgent dials control as the agent does and keeps what it is told.
type fakeAgent struct {
	t    *testing.T
	mux  *yamux.Session
	mu   sync.Mutex
	sets []*dataplane.Config
	// hold delays the answer to a config until it is closed.
	hold chan struct{}
	// shutdowns are the actions that guests were asked for.
	shutdowns []string
	reports   chan dataplane.Report
	files     []dataplane.VolumeStatus // that it has whatever the config says
	errors    []dataplane.Problem      // of every config
}

func dialAgent(t *testing.T, dir string, hold chan struct{}, files ...dataplane.VolumeStatus) *fakeAgent {
	t.Helper()
	a := &fakeAgent{t: t, hold: hold, files: files, reports: make(chan dataplane.Report, 8)}
	a.dial(dir, wire.Hello{Protocol: wire.Protocol, Build: "b1", Site: "t-control", Reads: dataplane.Revision})
	return a
}

// dial connects, and serves control from then on.
func (a *fakeAgent) dial(dir string, hello wire.Hello) {
	t := a.t
	t.Helper()
	var conn net.Conn
	var err error
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if conn, err = net.Dial("unix", filepath.Join(dir, SocketName)); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if err := json.NewEncoder(conn).Encode(hello); err != nil {
		t.Fatal(err)
	}
	if a.mux, err = yamux.Client(conn, muxConfig()); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT "+wire.PathConfig, a.serveConfig)
	mux.HandleFunc("GET "+wire.PathReports, a.serveReports)
	mux.HandleFunc("POST "+wire.PathGuests+"{id}"+wire.PathShutdown, a.serveShutdown)
	mux.HandleFunc("POST "+wire.PathGuests+"{id}"+wire.PathExec, a.serveEcho)
	mux.HandleFunc("POST "+wire.PathDial, a.serveEcho)
	mux.HandleFunc("GET "+wire.PathGuests+"{id}"+wire.PathConsole, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "console of %s follow=%s", r.PathValue("id"), r.FormValue("follow"))
	})
	go http.Serve(a.mux, mux)
	t.Cleanup(a.close)
}

func (a *fakeAgent) close() { a.mux.Close() }

func (a *fakeAgent) serveConfig(w http.ResponseWriter, r *http.Request) {
	var c dataplane.Config
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		a.t.Error(err)
	}
	if a.hold != nil {
		<-a.hold
	}
	a.mu.Lock()
	a.sets = append(a.sets, &c)
	report := dataplane.Report{Version: c.Version, Volumes: a.files, Errors: a.errors}
	a.mu.Unlock()
	json.NewEncoder(w).Encode(report)
}

func (a *fakeAgent) serveReports(w http.ResponseWriter, r *http.Request) {
	w.(http.Flusher).Flush()
	for {
		select {
		case report := <-a.reports:
			json.NewEncoder(w).Encode(report)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (a *fakeAgent) serveShutdown(w http.ResponseWriter, r *http.Request) {
	var s wire.Shutdown
	json.NewDecoder(r.Body).Decode(&s)
	a.mu.Lock()
	a.shutdowns = append(a.shutdowns, r.PathValue("id")+" "+s.Action)
	a.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// serveEcho reads all that comes, and only after its end answers with it twice:
// what works only if one direction can end before the other.
func (a *fakeAgent) serveEcho(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != wire.Upgrade {
		http.Error(w, "no upgrade", http.StatusBadRequest)
		return
	}
	if r.FormValue("address") == "10.0.0.9:9" {
		http.Error(w, "connection refused", http.StatusBadGateway)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		a.t.Error(err)
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+wire.Upgrade+"\r\n\r\nfirst words ")
	data, _ := io.ReadAll(rw)
	conn.Write(append(data, data...))
}

func (a *fakeAgent) configs() []*dataplane.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*dataplane.Config(nil), a.sets...)
}

func withAgent(t *testing.T) (Options, string) {
	dir := t.TempDir()
	return Options{Site: "t-control", Engine: none.New(), RunDir: dir}, dir
}

// Nothing starts before the agent has acknowledged the interface.
func TestConfigBeforeStart(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	_, subnet := b.network()
	id := b.launch(subnet)
	time.Sleep(30 * time.Millisecond)
	if n := containers(t, o.Engine, engine.KindInstance); n != 0 {
		t.Fatal("an instance was started without an agent")
	}
	hold := make(chan struct{})
	a := dialAgent(t, dir, hold)
	known := func() bool {
		var v Version
		b.get("version", &v)
		return v.AgentConnected && v.AgentBuild == "b1"
	}
	time.Sleep(30 * time.Millisecond)
	if n := containers(t, o.Engine, engine.KindInstance); n != 0 {
		t.Fatal("an instance was started before the agent acknowledged its interface")
	}
	if known() {
		t.Error("the agent counts as connected before it has a config")
	}
	close(hold)
	b.eventually("the agent is known", known)
	b.becomes(id, "running")
	b.converged()
	last := a.configs()[len(a.configs())-1]
	if last.VPCs[0].Gateway == nil || last.VPCs[0].Gateway.PID == 0 {
		t.Errorf("the last config does not name the edge's process: %+v", last.VPCs[0].Gateway)
	}
}

// An agent that comes back holds nothing, as far as control knows.
func TestAgentComesBack(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	first := dialAgent(t, dir, nil)
	b.network()
	b.converged()
	first.close()
	b.eventually("the agent is missed", func() bool {
		var s Status
		b.get("status", &s)
		return len(s.Problems) > 0 && s.Problems[0].Resource == "agent"
	})
	second := dialAgent(t, dir, nil)
	b.converged()
	if len(second.configs()) == 0 {
		t.Error("the agent that came back was given no config")
	}
}

// fails is what the agent says of every config from now on.
func (a *fakeAgent) fails(errors ...dataplane.Problem) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.errors = errors
}

// lease begins a command, and returns what ends it.
func (b *box) lease() (end func()) {
	b.t.Helper()
	var conn net.Conn
	b.eventually("the site is free", func() bool {
		resp, c, _ := b.raw("lease?holder=test")
		conn = c
		return resp.StatusCode == http.StatusSwitchingProtocols
	})
	return func() { conn.Close() }
}

// A command that begins is told of what is wrong now, not of what was: the disk
// that was full may have been cleared for it.
func TestCommandTriesAgain(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	a := dialAgent(t, dir, nil)
	full := dataplane.Problem{Resource: "vol-1", Message: sim.NoSpace}
	a.fails(full)
	b.network()
	problems := func() []Problem {
		var s Status
		b.get("status", &s)
		return s.Problems
	}
	b.eventually("pauses between the tries become long", func() bool { return len(a.configs()) >= 4 && len(problems()) > 0 })

	end := b.lease()
	b.eventually("what is still wrong is said again", func() bool { return len(problems()) > 0 })
	end()

	a.fails()
	tries := len(a.configs())
	defer b.lease()()
	if left := problems(); len(left) > 0 {
		t.Errorf("a command that begins is told of %v", left)
	}
	b.converged()
	if len(a.configs()) == tries {
		t.Error("the config was not handed over again")
	}
}

// Equal configs of different worlds are not sent again.
func TestConfigOnlyOnChange(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	a := dialAgent(t, dir, nil)
	_, subnet := b.network()
	b.becomes(b.launch(subnet), "running")
	b.converged()
	before := len(a.configs())
	b.do("CreateTags", &shapes.CreateTagsRequest{Resources: []string{subnet}, Tags: []shapes.Tag{{Key: new("k"), Value: new("v")}}}, nil)
	b.converged()
	if after := len(a.configs()); after != before {
		t.Errorf("a tag of a subnet cost %d configs", after-before)
	}
}

func TestStopAsksTheGuest(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	a := dialAgent(t, dir, nil)
	_, subnet := b.network()
	id := b.launch(subnet)
	b.becomes(id, "running")
	b.do("StopInstances", &shapes.StopInstancesRequest{InstanceIds: []string{id}}, nil)
	b.becomes(id, "stopped")
	a.mu.Lock()
	defer a.mu.Unlock()
	if want := id + " poweroff"; len(a.shutdowns) != 1 || a.shutdowns[0] != want {
		t.Errorf("guests were asked %q, want %q", a.shutdowns, want)
	}
}

// Raw streams keep both directions, and each one's end.
func TestUpgrade(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	dialAgent(t, dir, nil)
	_, subnet := b.network()
	id := b.launch(subnet)
	b.becomes(id, "running")
	payload := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB, more than any window
	for _, path := range []string{"exec?instance=" + id, "dial?address=10.0.1.10:80", "dial?address=10.0.1.10:80&instance=" + id} {
		resp, conn, r := b.raw(path)
		if resp.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(resp.Body)
			t.Fatalf("%s: %s %s", path, resp.Status, body)
		}
		go func() {
			conn.Write(payload)
			conn.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(r)
		want := append([]byte("first words "), append(payload, payload...)...)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came back, want %d; %v", path, len(got), len(want), err)
		}
	}
	for path, want := range map[string]int{
		"exec?instance=i-0":                   http.StatusNotFound,
		"dial?address=10.0.0.9:9":             http.StatusBadGateway,
		"dial?address=web:80":                 http.StatusBadRequest,
		"dial?address=1.2.3.4:5&instance=i-0": http.StatusNotFound,
	} {
		if resp, _, _ := b.raw(path); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
	console := b.ask("GET", "console?follow=1&instance="+id, nil)
	if text, _ := io.ReadAll(console.Body); string(text) != "console of "+id+" follow=1" {
		t.Errorf("console: %q", text)
	}
}

func TestSimulatedExec(t *testing.T) {
	b := start(t, simulated())
	_, subnet := b.network()
	id := b.launch(subnet)
	b.becomes(id, "running")
	if resp, _, _ := b.raw("exec?instance=" + id); resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("exec in a simulated instance: %s", resp.Status)
	}
}

// A process that is no agent of the site is turned away.
func TestForeignHello(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	b.network()
	for _, hello := range []any{
		wire.Hello{Protocol: wire.Protocol + 1, Site: "t-control"},
		wire.Hello{Protocol: wire.Protocol, Site: "other"},
		"no hello",
	} {
		conn, err := net.Dial("unix", filepath.Join(dir, SocketName))
		if err != nil {
			t.Fatal(err)
		}
		json.NewEncoder(conn).Encode(hello)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%v: read %d, %v; want the end", hello, n, err)
		}
		conn.Close()
	}
	var v Version
	if b.get("version", &v); v.AgentConnected {
		t.Error("a foreign process counts as the agent")
	}
}

// A volume whose data outlived its record is in the world as soon as the agent
// counts as connected.
func TestAdoption(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	dialAgent(t, dir, nil, dataplane.VolumeStatus{ID: "vol-0123456789abcdef0", Account: "000000000000", Region: "us-east-1",
		SizeGiB: 2, Lab: "custom", Name: "db-data"})
	b.eventually("the agent is known", func() bool {
		var v Version
		b.get("version", &v)
		return v.AgentConnected
	})
	var d shapes.DescribeVolumesResult
	b.do("DescribeVolumes", &shapes.DescribeVolumesRequest{Filters: []shapes.Filter{{Name: new("tag:labsim:lab"), Values: []string{"custom"}}}}, &d)
	if len(d.Volumes) != 1 || *d.Volumes[0].VolumeId != "vol-0123456789abcdef0" || *d.Volumes[0].Size != 2 {
		t.Errorf("volumes: %+v", d.Volumes)
	}
}

// Reports that come by themselves reach the world.
func TestReports(t *testing.T) {
	o, dir := withAgent(t)
	b := start(t, o)
	a := dialAgent(t, dir, nil)
	_, subnet := b.network()
	id := b.launch(subnet)
	b.becomes(id, "running")
	b.converged()
	sets := a.configs()
	// An agent of another build may pass on whatever a guest says.
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUrmXr4wSX7ER+/c6e3NBG6v52spp0LStCATMcQ5hb8"
	a.reports <- dataplane.Report{Version: sets[len(sets)-1].Version, Guests: []dataplane.Guest{
		{Instance: sim.InstanceID(id), HostKeys: []string{"\x1b[2J", key + "\n@cert-authority * " + key}},
	}}
	keys := map[string][]string{}
	b.eventually("a host key is known", func() bool {
		b.get("hostkeys", &keys)
		return len(keys[id]) > 0
	})
	if len(keys[id]) != 1 || keys[id][0] != key {
		t.Errorf("host keys %q, want %q and nothing else", keys[id], key)
	}
}

// A report without an end costs the agent its connection, and control no memory.
func TestReportWithoutEnd(t *testing.T) {
	o, dir := withAgent(t)
	start(t, o)
	a := dialAgent(t, dir, nil)
	a.reports <- dataplane.Report{Errors: []dataplane.Problem{{Message: strings.Repeat("x", wire.MaxReport)}}}
	select {
	case <-a.mux.CloseChan():
	case <-time.After(30 * time.Second):
		t.Error("control takes a report of more than it can hold")
	}
}

// What a guest writes instead of an answer is no text of labsim's.
func TestRefusalOfAGuest(t *testing.T) {
	w := httptest.NewRecorder()
	refuse(w, &http.Response{StatusCode: http.StatusTeapot, Body: io.NopCloser(strings.NewReader(`{"Format":"%[1]s%[1]s\u001b[2J","Args":["x"]}` + strings.Repeat("y", 1<<20)))})
	var f Failed
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || f.Format != "%s" || w.Code != http.StatusTeapot || w.Body.Len() > 2*wire.MaxErrorText {
		t.Errorf("status %d, format %q, %d bytes: %v", w.Code, f.Format, w.Body.Len(), err)
	}
}

// A report that the agent made for an earlier control, and that comes late, must
// not pass for one about this control's config: what it shows of volumes that were
// deleted since would be adopted.
func TestVersionsOfTwoLivesDiffer(t *testing.T) {
	o, dir := withAgent(t)
	o.StatePath = filepath.Join(t.TempDir(), "world.db")
	var last uint64
	for range 3 {
		b := start(t, o)
		b.network()
		a := dialAgent(t, dir, nil)
		b.converged()
		for _, c := range a.configs() {
			if c.Version <= last {
				t.Fatalf("config %d comes after %d of an earlier control", c.Version, last)
			}
		}
		last = a.configs()[len(a.configs())-1].Version
		b.stop()
		a.close()
	}
}
