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
	"slices"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/dataplane/linux"
)

const (
	site     sim.Site       = "t-agent"
	vpcA     sim.VPCID      = "vpc-0aaaaaaaaaaaaaaaa"
	subA     sim.SubnetID   = "subnet-0aaaaaaaaaaaaaaaa"
	subB     sim.SubnetID   = "subnet-0bbbbbbbbbbbbbbbb"
	eniWeb   sim.ENIID      = "eni-0aaaaaaaaaaaaaaaa"
	eniDB    sim.ENIID      = "eni-0bbbbbbbbbbbbbbbb"
	iWeb     sim.InstanceID = "i-0aaaaaaaaaaaaaaaa"
	iDB      sim.InstanceID = "i-0bbbbbbbbbbbbbbbb"
	volA     sim.VolumeID   = "vol-0aaaaaaaaaaaaaaaa"
	macWeb                  = "0a:58:0a:00:01:0a"
	network0                = "network0"
)

// labConfig is two subnets with an instance each, and a volume.
func labConfig(version uint64) *dataplane.Config {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	return &dataplane.Config{
		Site: string(site), Version: version, Region: "us-east-1", Public: prefix("198.18.77.0/24"),
		VPCs: []dataplane.VPC{{
			ID: vpcA, CIDRs: []netip.Prefix{prefix("10.0.0.0/16")}, DNS: addr("10.0.0.2"),
			Subnets: []dataplane.Subnet{
				{ID: subA, CIDR: prefix("10.0.1.0/24"), Number: 1, Table: "rtb-0aaaaaaaaaaaaaaaa"},
				{ID: subB, CIDR: prefix("10.0.2.0/24"), Number: 2, Table: "rtb-0aaaaaaaaaaaaaaaa"},
			},
			Tables: []dataplane.RouteTable{{ID: "rtb-0aaaaaaaaaaaaaaaa", Number: 1}},
			ENIs: []dataplane.ENI{
				{ID: eniWeb, Subnet: subA, Instance: iWeb, Addr: addr("10.0.1.10"), MAC: macWeb, SourceDestCheck: true},
				{ID: eniDB, Subnet: subB, Instance: iDB, Addr: addr("10.0.2.10"), MAC: "0a:58:0a:00:02:0a", SourceDestCheck: true},
			},
			Names:    []dataplane.Name{{Name: "ip-10-0-1-10.ec2.internal", Addr: addr("10.0.1.10")}},
			Metadata: []dataplane.Metadata{{Addr: addr("10.0.1.10"), Instance: iWeb, HopLimit: 1}, {Addr: addr("169.254.169.254"), Instance: iDB}, {Addr: addr("127.0.0.1"), Instance: iDB, HopLimit: 3}},
		}},
		Volumes: []dataplane.Volume{{ID: volA, Account: "000000000000", Region: "us-east-1", SizeGiB: 1, Lab: "lab", Name: "data"}},
	}
}

// fakeDriver keeps what it is told. VPCs are network namespaces where the test may
// make them, with nothing but a loopback.
type fakeDriver struct {
	mu              sync.Mutex
	config          *dataplane.Config
	links           []sim.ENIID
	ns              map[sim.VPCID]*os.File
	joinErr, setErr error
	block           chan struct{} // Join waits for it
	blockSet        chan struct{} // Set waits for it
	rejoin          func(sim.ENIID) error
}

func newFakeDriver(t *testing.T) *fakeDriver {
	d := &fakeDriver{ns: map[sim.VPCID]*os.File{}}
	t.Cleanup(func() {
		for _, f := range d.ns {
			f.Close()
		}
	})
	return d
}

func (d *fakeDriver) Set(_ context.Context, c *dataplane.Config) error {
	if d.blockSet != nil {
		<-d.blockSet
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config = c
	return d.setErr
}

func (d *fakeDriver) Join(ctx context.Context, id sim.ENIID) (string, error) {
	if d.block != nil {
		<-d.block
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.joinErr != nil {
		return "", d.joinErr
	}
	d.links = append(d.links, id)
	return site.GuestLink(id), nil
}

func (d *fakeDriver) Leave(_ context.Context, id sim.ENIID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links = slices.DeleteFunc(d.links, func(l sim.ENIID) bool { return l == id })
	return nil
}

func (d *fakeDriver) Rejoin(id sim.ENIID) error {
	if d.rejoin == nil {
		return nil
	}
	return d.rejoin(id)
}

func (d *fakeDriver) Status(context.Context) (linux.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return linux.Status{Links: slices.Clone(d.links)}, nil
}

func (d *fakeDriver) Counters(_ context.Context, v sim.VPCID) ([]dataplane.Counter, error) {
	if v != vpcA {
		return nil, fmt.Errorf("%s is not here", v)
	}
	return []dataplane.Counter{{ID: "sgr-1", Packets: 3, Bytes: 180}}, nil
}

func (d *fakeDriver) Drift(_ context.Context, joined map[sim.ENIID]*os.File) ([]dataplane.Drift, error) {
	var out []dataplane.Drift
	for id := range joined {
		out = append(out, dataplane.Drift{Resource: string(id), What: sim.T("a link of internet gateway %s is down", string(id))})
	}
	return out, nil
}

func (d *fakeDriver) Clear(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links, d.config = nil, nil
	return nil
}

func (d *fakeDriver) In(v sim.VPCID, f func() error) error {
	d.mu.Lock()
	ns := d.ns[v]
	d.mu.Unlock()
	if ns == nil {
		err := onThread(func() (err error) {
			if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			if err = loopbackUp("169.254.169.254", "169.254.169.253", "10.0.0.2"); err != nil {
				return err
			}
			ns, err = os.Open("/proc/thread-self/ns/net")
			return err
		})
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.ns[v] = ns
		d.mu.Unlock()
	}
	return inNetNS(ns, f)
}

// loopbackUp switches lo of this thread's namespace on, with these addresses.
func loopbackUp(addrs ...string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a + "/32")
		if err != nil {
			return err
		}
		if err := netlink.AddrReplace(lo, addr); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(lo)
}

// node is an agent in a directory of its own, with Docker's side of its socket.
type node struct {
	t      *testing.T
	dir    string
	agent  *Agent
	driver *fakeDriver
	server *hookServer
	docker *http.Client
}

// needRoot skips what only root can do; CI is root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI must run as root")
	}
	t.Skip("needs root")
}

// newNode starts an agent in dir, as the plugin's process does, without control.
func newNode(t *testing.T, dir string) *node {
	t.Helper()
	ns, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	n := &node{t: t, dir: dir, driver: newFakeDriver(t)}
	n.agent, err = newAgent(options{
		site: site, build: "test", node: "here", data: filepath.Join(dir, "data"), runDir: filepath.Join(dir, "run"),
		mounts: filepath.Join(dir, "mnt"), engine: &engine{net: ns}, driver: n.driver, files: 1024,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.agent.guests.executable = filepath.Join(dir, "binary")
	if err := os.WriteFile(n.agent.guests.executable, []byte("this build"), 0o755); err != nil {
		t.Fatal(err)
	}
	n.server = newHookServer()
	n.listen()
	n.server.ready(n.agent.hooks(), nil)
	t.Cleanup(func() {
		n.agent.etc.set(hold(&dataplane.Config{}))
		n.agent.services.set(hold(&dataplane.Config{}))
		n.agent.guests.close()
		n.agent.volumes.Clear()
		n.agent.guestMount.unmount()
	})
	return n
}

// listen serves the hooks on a socket with a short path.
func (n *node) listen() {
	n.t.Helper()
	dir, err := os.MkdirTemp("", "ls")
	if err != nil {
		n.t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	srv, err := listenHooks(path, n.server)
	if err != nil {
		n.t.Fatal(err)
	}
	n.docker = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}}
	n.t.Cleanup(func() { srv.Close(); os.RemoveAll(dir) })
}

// set gives the agent a config, as control does.
func (n *node) set(c *dataplane.Config) dataplane.Report {
	n.t.Helper()
	r, err := n.agent.set(n.t.Context(), c)
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// call does a hook and returns its answer.
func (n *node) call(name string, in any) object {
	n.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		n.t.Fatal(err)
	}
	resp, err := n.docker.Post("http://plugin/"+name, "application/json", bytes.NewReader(b))
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	var out object
	if err := json.Unmarshal(body, &out); err != nil {
		n.t.Fatalf("%s: %v: %s", name, err, body)
	}
	return out
}

// must is call for what may not be refused.
func (n *node) must(name string, in any) object {
	n.t.Helper()
	out := n.call(name, in)
	if out["Err"] != nil || out["Error"] != nil {
		n.t.Fatalf("%s: %v", name, out)
	}
	return out
}
