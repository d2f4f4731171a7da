//go:build linux

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/yamux"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
)

// controlNode is a node whose run directory has a path that fits a socket's address.
func controlNode(t *testing.T) *node {
	t.Helper()
	n := newNode(t, t.TempDir())
	dir, err := os.MkdirTemp("", "lr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n.agent.runDir = dir
	if err := os.MkdirAll(sim.ControlIn(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	return n
}

// control is the other end.
type control struct {
	t       *testing.T
	hello   wire.Hello
	session *yamux.Session
	client  *http.Client
}

// accept listens, as control does when it starts, and waits for the agent.
func accept(t *testing.T, n *node) *control {
	t.Helper()
	path := filepath.Join(sim.ControlIn(n.agent.runDir), "control.sock")
	os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.(*net.UnixListener).SetDeadline(time.Now().Add(30 * time.Second))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	line, err := wire.ReadLine(conn, 4096)
	if err != nil {
		t.Fatal(err)
	}
	c := &control{t: t}
	if err := json.Unmarshal(line, &c.hello); err != nil {
		t.Fatal(err)
	}
	if c.session, err = yamux.Server(conn, yamuxConfig()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.session.Close() })
	c.client = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c.session.Open() }}}
	return c
}

func (c *control) do(method, path string, in any) (int, string) {
	c.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequest(method, "http://agent"+path, bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

func (c *control) put(config *dataplane.Config) dataplane.Report {
	c.t.Helper()
	code, body := c.do("PUT", wire.PathConfig, config)
	var r dataplane.Report
	if err := json.Unmarshal([]byte(body), &r); code != http.StatusOK || err != nil {
		c.t.Fatalf("PUT config: %d %s", code, body)
	}
	return r
}

// upgrade asks for a raw stream.
func (c *control) upgrade(path string) (io.ReadWriteCloser, error) {
	req, err := http.NewRequest("POST", "http://agent"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", wire.Upgrade)
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s: %s", resp.Status, b)
	}
	return resp.Body.(io.ReadWriteCloser), nil
}

func startControlLoop(t *testing.T, n *node) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { n.agent.keepControl(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestControl(t *testing.T) {
	n := controlNode(t)
	startControlLoop(t, n)
	c := accept(t, n)
	if d := cmp.Diff(wire.Hello{Protocol: wire.Protocol, Build: "test", Site: string(site), Node: "here", Reads: dataplane.Revision}, c.hello); d != "" {
		t.Error(d)
	}
	if r := c.put(labConfig(4)); r.Version != 4 || len(r.Volumes) != 1 {
		t.Errorf("report %+v, want version 4 and a volume", r)
	}
	var kept dataplane.Config
	if err := readConfig(n.agent.configFile(), &kept); err != nil || kept.Version != 4 {
		t.Errorf("on disk: version %d, %v", kept.Version, err)
	}
	for _, q := range []struct {
		method, path string
		in           any
		code         int
		want         string
	}{
		{"GET", "/counters?vpc=" + string(vpcA), nil, 200, `"ID":"sgr-1"`},
		{"GET", "/drift", nil, 200, "[]"},
		{"GET", "/counters?vpc=vpc-x", nil, 404, "vpc-x is not here"},
		{"PUT", "/config", dataplane.Config{Site: "other"}, 409, `a config of the site "other"`},
		{"PUT", "/config", "nonsense", 400, "cannot unmarshal"},
		{"POST", "/probe", dataplane.Probe{To: netip.MustParseAddr("192.0.2.1"), Protocol: sim.ProtocolTCP, Port: 22}, 400, "192.0.2.1 is not a public address of this site"},
		{"POST", "/probe", dataplane.Probe{From: iWeb, To: labConfig(1).VPCs[0].ENIs[0].Addr, Protocol: sim.ProtocolTCP, Port: 22}, 400, string(iWeb) + " is not connected"},
		{"POST", "/probe", dataplane.Probe{From: iWeb, To: labConfig(1).VPCs[0].ENIs[0].Addr, Protocol: 50}, 400, "tcp, udp or icmp"},
		{"GET", "/guests/" + string(iWeb) + "/console", nil, 404, string(iWeb) + " is not connected"},
		{"POST", "/dial?address=127.0.0.1:22", nil, 400, "Upgrade"},
		{"GET", "/nowhere", nil, 404, ""},
	} {
		if code, body := c.do(q.method, q.path, q.in); code != q.code || !strings.Contains(body, q.want) {
			t.Errorf("%s %s: %d %s, want %d with %q", q.method, q.path, code, body, q.code, q.want)
		}
	}
	if _, err := c.upgrade("/dial?address=127.0.0.1:22"); err == nil || !strings.Contains(err.Error(), "is not a public address") {
		t.Errorf("dialling the engine's machine: %v, want a refusal", err)
	}
}

// What a newer control hands over is not taken with what this agent does not know
// left out: the config before stays in force, and on disk.
func TestConfigOfNewerControl(t *testing.T) {
	n := controlNode(t)
	startControlLoop(t, n)
	c := accept(t, n)
	c.put(labConfig(4))
	newer := map[string]any{"Site": string(site), "Version": 5, "VPCs": []any{map[string]any{"ID": string(vpcA), "ACLs": []string{"acl-1"}}}}
	if code, body := c.do("PUT", wire.PathConfig, newer); code != http.StatusBadRequest || !strings.Contains(body, `unknown field "ACLs"`) || !strings.Contains(body, "reads revision") {
		t.Errorf("a config with ACLs: %d %s", code, body)
	}
	if held, driven := n.agent.held().config.Version, n.driver.config.Version; held != 4 || driven != 4 {
		t.Errorf("config %d is held and %d in force, want 4", held, driven)
	}
	if code, body := c.do("POST", wire.PathProbe, map[string]any{"From": string(iWeb), "IPv6": "::1"}); code != http.StatusBadRequest || !strings.Contains(body, `unknown field "IPv6"`) {
		t.Errorf("a probe over IPv6: %d %s", code, body)
	}

	text, err := json.Marshal(newer)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.agent.configFile(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if again := newNode(t, n.dir); len(again.agent.held().vpcs) != 0 {
		t.Error("an agent that starts takes up the config that a newer one kept")
	}
}

func TestReportsFollowChanges(t *testing.T) {
	n := controlNode(t)
	startControlLoop(t, n)
	c := accept(t, n)
	resp, err := c.client.Get("http://agent" + wire.PathReports)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	until := func(what string, ok func(dataplane.Report) bool) {
		t.Helper()
		for range 10 {
			var r dataplane.Report
			if err := dec.Decode(&r); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if ok(r) {
				return
			}
		}
		t.Fatalf("no report of %s", what)
	}
	until("the beginning", func(r dataplane.Report) bool { return r.Version == 0 })
	c.put(labConfig(2))
	until("version 2 with its volume", func(r dataplane.Report) bool { return r.Version == 2 && len(r.Volumes) == 1 })
	n.must("NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""))
	n.must("NetworkDriver.Join", joinOf("e1"))
	until("the interface", func(r dataplane.Report) bool { return len(r.Links) == 1 })
	n.must("NetworkDriver.Leave", joinOf("e1"))
	until("no interface", func(r dataplane.Report) bool { return len(r.Links) == 0 })
}

// Control goes and comes back, and so does the agent.
func TestRedial(t *testing.T) {
	n := controlNode(t)
	startControlLoop(t, n)
	accept(t, n).session.Close()
	accept(t, n)
}

func TestLeave(t *testing.T) {
	needLoop(t)
	for _, volumes := range []bool{false, true} {
		n := controlNode(t)
		startControlLoop(t, n)
		c := accept(t, n)
		c.put(labConfig(1))
		n.must("VolumeDriver.Create", object{"Name": dataVolume, "Opts": object{sim.OptVolume: volA}})
		n.mount("one")
		n.must("NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""))
		n.must("NetworkDriver.Join", joinOf("e1"))
		path := wire.PathLeave
		if volumes {
			path += "?volumes=1"
		}
		if code, body := c.do("POST", path, nil); code != http.StatusNoContent {
			t.Fatalf("leave: %d %s", code, body)
		}
		if n.agent.volumes.Path(volA) != "" || n.agent.volumes.Has(volA) == volumes || len(n.driver.links) != 0 {
			t.Errorf("volumes=%v: mounted at %q, data there %v, links %v", volumes, n.agent.volumes.Path(volA), n.agent.volumes.Has(volA), n.driver.links)
		}
		for dir, keep := range map[string]string{n.agent.runDir: "", n.agent.data: "ebs"} {
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range left {
				if x.Name() != keep {
					t.Errorf("%s is left", filepath.Join(dir, x.Name()))
				}
			}
		}
		n.must("NetworkDriver.DeleteEndpoint", object{"EndpointID": "e1"}) // too late, and no error
	}
}
