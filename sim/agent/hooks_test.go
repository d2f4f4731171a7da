//go:build linux

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// Requests as Docker 20.10 and 28 send them.
func poolOf(subnet sim.SubnetID, cidr string) object {
	return object{"AddressSpace": "labsim-local", "Pool": cidr, "SubPool": "", "Options": object{sim.OptSubnet: subnet}, "V6": false}
}

func networkOf(subnet sim.SubnetID, cidr, gw string) object {
	return object{
		"NetworkID": network0,
		"Options":   object{generic: object{sim.OptSubnet: subnet}, "com.docker.network.enable_ipv6": false},
		"IPv4Data":  []object{{"AddressSpace": "labsim-local", "Pool": cidr, "Gateway": gw}},
		"IPv6Data":  []object{},
	}
}

func endpointOf(id string, eni sim.ENIID, addr, mac string) object {
	return object{
		"NetworkID": network0, "EndpointID": id,
		"Interface": object{"Address": addr, "AddressIPv6": "", "MacAddress": mac},
		"Options":   object{generic: object{}, sim.OptENI: eni, "com.docker.network.portmap": []any{}},
	}
}

func joinOf(id string) object {
	return object{"NetworkID": network0, "EndpointID": id, "SandboxKey": "/var/run/docker/netns/0123456789ab", "Options": object{}}
}

func addressOf(addr string) object {
	return object{"PoolID": string(subA) + "|10.0.1.0/24", "Address": addr, "Options": object{}}
}

func TestRefusals(t *testing.T) {
	n := newNode(t, t.TempDir())
	n.set(labConfig(1))
	n.must("NetworkDriver.CreateNetwork", networkOf(subA, "10.0.1.0/24", "10.0.1.1/24"))
	n.must("VolumeDriver.Create", object{"Name": "lab_data", "Opts": object{sim.OptVolume: volA}})
	const unknown = "is not a subnet that labsim made: networks of labsim are made by `labsim up` and the EC2 API"
	gatewayOf := func(addr string) object {
		r := addressOf(addr)
		r["Options"] = object{"RequestAddressType": gatewayRequest}
		return r
	}
	v6 := poolOf(subA, "10.0.1.0/24")
	v6["V6"] = true
	for _, c := range []struct {
		name, hook string
		in         object
		want       string
	}{
		{"pool without subnet", "IpamDriver.RequestPool", object{"Pool": "10.0.1.0/24"}, unknown},
		{"pool of unknown subnet", "IpamDriver.RequestPool", poolOf("subnet-x", "10.0.1.0/24"), `"subnet-x" ` + unknown},
		{"pool of other CIDR", "IpamDriver.RequestPool", poolOf(subA, "10.0.2.0/24"), "has the CIDR 10.0.1.0/24"},
		{"pool without CIDR", "IpamDriver.RequestPool", poolOf(subA, ""), "has the CIDR 10.0.1.0/24"},
		{"pool of IPv6", "IpamDriver.RequestPool", v6, "no IPv6"},
		{"address of a foreign pool", "IpamDriver.RequestAddress", object{"PoolID": "LocalDefault/10.0.1.0/24"}, "is not an address pool of labsim"},
		{"address of a forgotten subnet", "IpamDriver.RequestAddress", object{"PoolID": "subnet-x|10.0.1.0/24", "Address": "10.0.1.10"}, unknown},
		{"any address", "IpamDriver.RequestAddress", addressOf(""), "can't take just any address"},
		{"address of nobody", "IpamDriver.RequestAddress", addressOf("10.0.1.11"), "no network interface that labsim made has the address 10.0.1.11"},
		{"address of another subnet", "IpamDriver.RequestAddress", addressOf("10.0.2.10"), "no network interface"},
		{"other gateway", "IpamDriver.RequestAddress", gatewayOf("10.0.1.254"), "the router of " + string(subA) + " is 10.0.1.1"},
		{"network without subnet", "NetworkDriver.CreateNetwork", networkOf("", "10.0.1.0/24", ""), unknown},
		{"network of other CIDR", "NetworkDriver.CreateNetwork", networkOf(subA, "10.0.9.0/24", ""), "not 10.0.9.0/24"},
		{"network of other gateway", "NetworkDriver.CreateNetwork", networkOf(subA, "10.0.1.0/24", "10.0.1.9/24"), "not 10.0.1.9/24"},
		{"endpoint without interface", "NetworkDriver.CreateEndpoint", endpointOf("e", "", "10.0.1.10/24", ""), "is not a network interface that labsim made"},
		{"endpoint of unknown interface", "NetworkDriver.CreateEndpoint", endpointOf("e", "eni-x", "10.0.1.10/24", ""), `"eni-x" is not a network interface`},
		{"endpoint with other address", "NetworkDriver.CreateEndpoint", endpointOf("e", eniWeb, "10.0.1.11/24", ""), "has the address 10.0.1.10"},
		{"endpoint without address", "NetworkDriver.CreateEndpoint", endpointOf("e", eniWeb, "", ""), "has the address 10.0.1.10"},
		{"endpoint of another subnet", "NetworkDriver.CreateEndpoint", endpointOf("e", eniDB, "10.0.2.10/24", ""), "is in " + string(subB)},
		{"endpoint with other MAC", "NetworkDriver.CreateEndpoint", endpointOf("e", eniWeb, "10.0.1.10/24", "02:42:0a:00:01:0a"), "has the MAC address " + macWeb},
		{"join of unknown endpoint", "NetworkDriver.Join", joinOf("nobody"), "doesn't know the endpoint"},
		{"volume without id", "VolumeDriver.Create", object{"Name": "x", "Opts": object{}}, "is not a volume that labsim made"},
		{"unknown volume", "VolumeDriver.Create", object{"Name": "x", "Opts": object{sim.OptVolume: "vol-x"}}, `"vol-x" is not a volume that labsim made`},
		{"taken name", "VolumeDriver.Create", object{"Name": "lab_data", "Opts": object{sim.OptKind: "guest"}}, "belongs to " + string(volA)},
		{"mount of unknown name", "VolumeDriver.Mount", object{"Name": "x", "ID": "u"}, "doesn't know the volume x"},
		{"path of unknown name", "VolumeDriver.Path", object{"Name": "x"}, "no such volume"},
		{"unknown hook", "NetworkDriver.Whatever", object{}, "doesn't do NetworkDriver.Whatever"},
		{"nonsense", "IpamDriver.RequestPool", object{"Pool": 7}, "can't read the engine's request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := "Err"
			if strings.HasPrefix(c.hook, "Ipam") {
				key = "Error"
			}
			got, _ := n.call(c.hook, c.in)[key].(string)
			if !strings.Contains(got, c.want) {
				t.Errorf("%s: %q, want %q in %q", c.hook, got, c.want, key)
			}
		})
	}
	if len(n.driver.links) != 0 {
		t.Errorf("refused, and yet joined: %v", n.driver.links)
	}
}

func TestInstanceComesAndGoes(t *testing.T) {
	n := newNode(t, t.TempDir())
	n.set(labConfig(1))
	steps := []struct {
		hook string
		in   object
		want string
	}{
		{"IpamDriver.RequestPool", poolOf(subA, "10.0.1.0/24"), `{"Data":{},"Pool":"10.0.1.0/24","PoolID":"` + string(subA) + `|10.0.1.0/24"}`},
		{"IpamDriver.RequestAddress", object{"PoolID": string(subA) + "|10.0.1.0/24", "Address": "10.0.1.1", "Options": object{"RequestAddressType": gatewayRequest}}, `{"Address":"10.0.1.1/24","Data":{}}`},
		{"NetworkDriver.CreateNetwork", networkOf(subA, "10.0.1.0/24", "10.0.1.1/24"), `{}`},
		{"IpamDriver.RequestAddress", addressOf("10.0.1.10"), `{"Address":"10.0.1.10/24","Data":{}}`},
		{"NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""), `{"Interface":{"MacAddress":"` + macWeb + `"}}`},
		{"NetworkDriver.EndpointOperInfo", object{"EndpointID": "e1"}, `{"Value":{"labsim.eni":"` + string(eniWeb) + `"}}`},
		{"NetworkDriver.Join", joinOf("e1"), `{"DisableGatewayService":true,"Gateway":"10.0.1.1","InterfaceName":{"DstPrefix":"eth","SrcName":"` + site.GuestLink(eniWeb) + `"}}`},
		{"NetworkDriver.Leave", joinOf("e1"), `{}`},
		{"NetworkDriver.DeleteEndpoint", object{"EndpointID": "e1"}, `{}`},
		{"IpamDriver.ReleaseAddress", addressOf("10.0.1.10"), `{}`},
		{"NetworkDriver.DeleteNetwork", object{"NetworkID": network0}, `{}`},
		{"IpamDriver.ReleasePool", object{"PoolID": "x"}, `{}`},
	}
	for _, s := range steps {
		got, err := json.Marshal(n.must(s.hook, s.in))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.want, string(got)); d != "" {
			t.Errorf("%s: %s", s.hook, d)
		}
		if s.hook == "NetworkDriver.Join" {
			if d := cmp.Diff([]sim.ENIID{eniWeb}, n.agent.report(t.Context()).Links); d != "" {
				t.Errorf("links after Join: %s", d)
			}
		}
	}
	if len(n.driver.links) != 0 {
		t.Errorf("interfaces left: %v", n.driver.links)
	}
	if d := cmp.Diff(record{Networks: map[string]sim.SubnetID{}, Endpoints: map[string]endpoint{}, Volumes: map[string]volume{}}, n.agent.records.now); d != "" {
		t.Errorf("records left: %s", d)
	}
}

// Docker tells nothing twice: what the hooks have learned is there after a
// restart, and what takes away works although the config has forgotten it.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	n := newNode(t, dir)
	n.set(labConfig(1))
	n.must("NetworkDriver.CreateNetwork", networkOf(subA, "10.0.1.0/24", ""))
	n.must("NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""))
	n.must("VolumeDriver.Create", object{"Name": "lab_data", "Opts": object{sim.OptVolume: volA}})

	n = newNode(t, dir)
	n.agent.resume(t.Context())
	if n.driver.config == nil || n.driver.config.Version != 1 {
		t.Fatalf("after a restart the driver has %+v, want version 1", n.driver.config)
	}
	n.must("IpamDriver.RequestAddress", addressOf("10.0.1.10"))
	n.must("NetworkDriver.Join", joinOf("e1"))
	n.must("VolumeDriver.Get", object{"Name": "lab_data"})

	empty := labConfig(2)
	empty.VPCs, empty.Volumes = nil, nil
	n.set(empty)
	if got := n.call("NetworkDriver.Join", joinOf("e1")); got["Err"] == nil {
		t.Error("an interface that the config has forgotten could be joined")
	}
	n.must("NetworkDriver.Leave", joinOf("e1"))
	n.must("NetworkDriver.DeleteEndpoint", object{"EndpointID": "e1"})
	n.must("NetworkDriver.DeleteNetwork", object{"NetworkID": network0})
	n.must("VolumeDriver.Remove", object{"Name": "lab_data"})
	if !n.agent.volumes.Has(volA) {
		t.Error("removing the engine's volume destroyed the data")
	}
}

// An engine that was killed tells of an old endpoint's end after a new one has begun.
func TestLateLeaveOfOldEndpoint(t *testing.T) {
	n := newNode(t, t.TempDir())
	n.set(labConfig(1))
	for _, id := range []string{"old", "new"} {
		n.must("NetworkDriver.CreateEndpoint", endpointOf(id, eniWeb, "10.0.1.10/24", ""))
		n.must("NetworkDriver.Join", joinOf(id))
	}
	n.driver.links = []sim.ENIID{eniWeb}
	n.must("NetworkDriver.Leave", joinOf("old"))
	n.must("NetworkDriver.DeleteEndpoint", object{"EndpointID": "old"})
	if len(n.driver.links) != 1 {
		t.Error("the old endpoint's end took the new one's interface down")
	}
	n.must("NetworkDriver.DeleteEndpoint", object{"EndpointID": "new"}) // without Leave
	if len(n.driver.links) != 0 {
		t.Error("the interface outlives its endpoint")
	}
}

func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"config.json", "endpoints.json"} {
		if err := os.WriteFile(filepath.Join(data, f), []byte(`{"Networks": [tr`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(t, dir)
	n.agent.resume(t.Context())
	for name := range constants {
		n.must(name, object{})
	}
	if got := n.call("IpamDriver.RequestPool", poolOf(subA, "10.0.1.0/24")); got["Error"] == nil {
		t.Error("without a config a pool was given out")
	}
	if n.driver.config != nil {
		t.Error("without a config the routers were touched")
	}
	for _, f := range []string{"config.json", "endpoints.json"} {
		if _, err := os.Stat(filepath.Join(data, f+".damaged")); err != nil {
			t.Errorf("the damaged file was not put aside: %v", err)
		}
	}
	n.set(labConfig(1))
	n.must("IpamDriver.RequestPool", poolOf(subA, "10.0.1.0/24"))
}

// Whatever became of the record: the agent says that it is lost, and knows the
// endpoints and volumes again that control tells it of.
func TestLostRecord(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(file string) error
	}{
		{"removed", os.Remove},
		{"empty", func(file string) error { return os.WriteFile(file, nil, 0o600) }},
		{"cut off", func(file string) error { return os.Truncate(file, 20) }},
		{"garbage", func(file string) error { return os.WriteFile(file, []byte("\x00\xff"), 0o600) }},
		{"a directory", func(file string) error { return errors.Join(os.Remove(file), os.MkdirAll(file+"/x", 0o700)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			n := newNode(t, dir)
			n.set(labConfig(1))
			n.must("NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""))
			if n.agent.report(t.Context()).Lost {
				t.Error("lost before anything was")
			}
			if err := c.spoil(filepath.Join(dir, "data", "endpoints.json")); err != nil {
				t.Fatal(err)
			}
			n = newNode(t, dir)
			n.agent.resume(t.Context())
			if !n.agent.report(t.Context()).Lost {
				t.Error("the report does not say that the record is lost")
			}
			config := labConfig(2)
			config.Engine = &dataplane.Engine{
				Endpoints: []dataplane.Endpoint{{ID: "e1", ENI: eniWeb, Sandbox: "/run/sandbox"}},
				Volumes:   map[string]sim.VolumeID{"lab_data": volA},
			}
			n.set(config)
			if n.agent.report(t.Context()).Lost {
				t.Error("the report says so still, after control has told all")
			}
			n = newNode(t, dir) // it is on disk
			if d := cmp.Diff(map[sim.ENIID]string{eniWeb: "/run/sandbox"}, n.agent.records.joined()); d != "" {
				t.Errorf("joined (-want +got):\n%s", d)
			}
			n.must("VolumeDriver.Get", object{"Name": "lab_data"})
			n.must("VolumeDriver.Get", object{"Name": site.GuestVolume()})
			n.must("NetworkDriver.Leave", joinOf("e1"))
			if joined := n.agent.records.joined(); len(joined) > 0 {
				t.Errorf("left, and still joined: %v", joined)
			}
		})
	}
}

func TestForeignConfigIsRefused(t *testing.T) {
	n := newNode(t, t.TempDir())
	c := labConfig(1)
	c.Site = "another"
	if _, err := n.agent.set(t.Context(), c); err == nil {
		t.Error("the config of another site was taken")
	}
}

func TestEarlierVersionIsTaken(t *testing.T) {
	n := newNode(t, t.TempDir())
	n.set(labConfig(7))
	if r := n.set(labConfig(3)); r.Version != 3 {
		t.Errorf("version %d, want 3: control decides what is right", r.Version)
	}
}

// While the agent can't work yet, or never will, the engine's boot goes on.
func TestConstantsNeedNothing(t *testing.T) {
	n := &node{t: t, server: newHookServer()}
	n.server.limit = 400 * time.Millisecond
	n.server.hung = func(name string) { t.Errorf("%s hung", name) }
	n.listen()
	for name := range constants {
		n.must(name, object{})
	}
	if got := n.call("VolumeDriver.List", object{})["Err"]; got == nil {
		t.Error("a hook worked before the agent")
	}
	n.server.ready(nil, os.ErrPermission)
	got, _ := n.call("NetworkDriver.Join", joinOf("e"))["Err"].(string)
	if !strings.Contains(got, "permission denied") {
		t.Errorf("%q, want the reason why nothing works", got)
	}
	n.must("Plugin.Activate", object{})
}

func TestWatchdog(t *testing.T) {
	n := newNode(t, t.TempDir())
	n.set(labConfig(1))
	n.must("NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""))
	hung := make(chan string, 1)
	n.driver.block = make(chan struct{})
	n.server.limit = 100 * time.Millisecond
	n.server.hung = func(name string) { hung <- name; close(n.driver.block) }
	n.call("NetworkDriver.Join", joinOf("e1"))
	select {
	case name := <-hung:
		if name != "NetworkDriver.Join" {
			t.Errorf("%s hung, want NetworkDriver.Join", name)
		}
	default:
		t.Error("a hook that hangs was not noticed")
	}
}

func TestJoinWaitsForFirstConfig(t *testing.T) {
	dir := t.TempDir()
	n := newNode(t, dir)
	n.set(labConfig(1))
	n.must("NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""))
	n = newNode(t, dir)
	answered := make(chan object)
	go func() { answered <- n.call("NetworkDriver.Join", joinOf("e1")) }()
	select {
	case got := <-answered:
		t.Fatalf("joined before the routers were there: %v", got)
	case <-time.After(100 * time.Millisecond):
	}
	n.agent.resume(t.Context())
	if got := <-answered; got["Err"] != nil {
		t.Error(got)
	}
}

// A dataplane that hangs keeps no hook waiting but Join, and that not for ever.
func TestHungDataplane(t *testing.T) {
	dir := t.TempDir()
	n := newNode(t, dir)
	n.set(labConfig(1))
	n.must("NetworkDriver.CreateEndpoint", endpointOf("e1", eniWeb, "10.0.1.10/24", ""))
	n = newNode(t, dir)
	n.server.limit = 400 * time.Millisecond
	n.server.hung = func(name string) { t.Errorf("%s hung", name) }
	n.driver.blockSet = make(chan struct{})
	done := make(chan struct{})
	go func() { n.agent.resume(context.Background()); close(done) }()
	for name := range constants {
		n.must(name, object{})
	}
	n.must("IpamDriver.RequestPool", poolOf(subA, "10.0.1.0/24"))
	n.must("IpamDriver.RequestAddress", addressOf("10.0.1.10"))
	n.must("VolumeDriver.List", object{})
	got, _ := n.call("NetworkDriver.Join", joinOf("e1"))["Err"].(string)
	if !strings.Contains(got, "not yet brought its routers up") {
		t.Errorf("Join: %q, want a refusal", got)
	}
	n.must("NetworkDriver.Leave", joinOf("e1"))
	n.must("NetworkDriver.DeleteEndpoint", object{"EndpointID": "e1"})
	close(n.driver.blockSet)
	<-done
}

func TestProblemsOfAConfigAreReported(t *testing.T) {
	n := newNode(t, t.TempDir())
	n.driver.setErr = os.ErrInvalid
	c := labConfig(5)
	c.Volumes[0].SizeGiB = 0
	r := n.set(c)
	var texts []string
	for _, p := range r.Errors {
		texts = append(texts, p.Resource+": "+p.Message)
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"invalid argument", string(volA) + ": volume " + string(volA) + ": a size of 0 GiB is too small"} {
		if !strings.Contains(all, want) {
			t.Errorf("problems\n%s\nlack %q", all, want)
		}
	}
	if r.Version != 5 {
		t.Errorf("version %d, want 5", r.Version)
	}
	n.driver.setErr = nil
	if r := n.set(labConfig(6)); len(r.Errors) != 0 && os.Geteuid() == 0 {
		t.Errorf("problems stay: %v", r.Errors)
	}
}

var _ Driver = (*fakeDriver)(nil)
