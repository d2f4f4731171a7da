package control

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
	"labsim/sim/engine"
	"labsim/sim/engine/none"
)

const testToken = "secret"

// box is a control under test with its clients.
type box struct {
	t      testing.TB
	addr   string
	api    ec2.Client
	cancel context.CancelFunc
	done   chan error
}

// start runs control until the test ends or stop is called.
func start(t testing.TB, o Options) *box {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Listener, o.Token = l, testToken
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.EngineName == "" {
		o.EngineName = "none"
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &box{t: t, addr: l.Addr().String(), cancel: cancel, done: make(chan error, 1)}
	b.api = ec2.Client{Endpoint: "http://" + b.addr}
	go func() { b.done <- Run(ctx, o) }()
	t.Cleanup(b.stop)
	return b
}

func (b *box) stop() {
	b.cancel()
	select {
	case err := <-b.done:
		if err != nil {
			b.t.Errorf("control ended: %v", err)
		}
		b.done <- nil // for the next stop
	case <-time.After(10 * time.Second):
		b.t.Fatal("control does not end")
	}
}

// simulated are the options of a control on which nothing runs.
func simulated() Options {
	return Options{Engine: none.New(), Node: &Simulated{}, Simulated: true}
}

func (b *box) do(action string, in, out any) {
	b.t.Helper()
	if err := b.api.Do(context.Background(), action, in, out); err != nil {
		b.t.Fatalf("%s: %v", action, err)
	}
}

// network makes a VPC with a public subnet and returns the subnet.
func (b *box) network() (vpc, subnet string) {
	b.t.Helper()
	var v wire.CreateVpcResult
	b.do("CreateVpc", &wire.CreateVpcRequest{CidrBlock: new("10.0.0.0/16")}, &v)
	vpc = *v.Vpc.VpcId
	var s wire.CreateSubnetResult
	b.do("CreateSubnet", &wire.CreateSubnetRequest{VpcId: &vpc, CidrBlock: new("10.0.1.0/24")}, &s)
	subnet = *s.Subnet.SubnetId
	b.do("ModifySubnetAttribute", &wire.ModifySubnetAttributeRequest{SubnetId: &subnet, MapPublicIpOnLaunch: &wire.AttributeBooleanValue{Value: new(true)}}, nil)
	var g wire.CreateInternetGatewayResult
	b.do("CreateInternetGateway", nil, &g)
	b.do("AttachInternetGateway", &wire.AttachInternetGatewayRequest{InternetGatewayId: g.InternetGateway.InternetGatewayId, VpcId: &vpc}, nil)
	return vpc, subnet
}

func (b *box) image() string {
	b.t.Helper()
	var images wire.DescribeImagesResult
	b.do("DescribeImages", &wire.DescribeImagesRequest{Owners: []string{"amazon"}}, &images)
	if len(images.Images) != 1 {
		b.t.Fatalf("%d images of Amazon's, want 1", len(images.Images))
	}
	return *images.Images[0].ImageId
}

func (b *box) launch(subnet string) string {
	b.t.Helper()
	var r wire.Reservation
	b.do("RunInstances", &wire.RunInstancesRequest{
		ImageId: new(b.image()), SubnetId: &subnet, MinCount: new(1), MaxCount: new(1),
		TagSpecifications: []wire.TagSpecification{{ResourceType: new("instance"), Tags: []wire.Tag{
			{Key: new("Name"), Value: new("web")}, {Key: new("labsim:lab"), Value: new("custom")}}}},
	}, &r)
	return *r.Instances[0].InstanceId
}

func (b *box) instance(id string) wire.Instance {
	b.t.Helper()
	var d wire.DescribeInstancesResult
	b.do("DescribeInstances", &wire.DescribeInstancesRequest{InstanceIds: []string{id}}, &d)
	return d.Reservations[0].Instances[0]
}

// becomes waits until the instance is in that state, and returns it.
func (b *box) becomes(id, state string) wire.Instance {
	b.t.Helper()
	var i wire.Instance
	b.eventually("the instance is "+state, func() bool {
		i = b.instance(id)
		return *i.State.Name == state
	})
	return i
}

func (b *box) eventually(what string, f func() bool) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			var s Status
			b.get("status", &s)
			b.t.Fatalf("not so after 10 s: %s; status %+v", what, s)
		}
	}
}

// ask makes a request of the box itself.
func (b *box) ask(method, path string, change func(*http.Request)) *http.Response {
	b.t.Helper()
	req, err := http.NewRequest(method, "http://"+b.addr+BoxPath+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (b *box) get(path string, into any) {
	b.t.Helper()
	resp := b.ask("GET", path, nil)
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %s", path, resp.Status)
	}
	decodeJSON(b.t, resp.Body, into)
}

func (b *box) converged() {
	b.t.Helper()
	b.eventually("the machine is as the world says", func() bool {
		var s Status
		b.get("status", &s)
		return s.Converged
	})
}

// The life of an instance, by the API alone, on an engine where nothing runs.
func TestLife(t *testing.T) {
	o := simulated()
	b := start(t, o)
	vpc, subnet := b.network()
	id := b.launch(subnet)
	running := b.becomes(id, "running")
	if got := *running.PublicIpAddress; got != "198.51.100.20" {
		t.Errorf("the first public address is %s, want 198.51.100.20", got)
	}
	b.converged()

	b.do("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{id}}, nil)
	stopped := b.becomes(id, "stopped")
	if stopped.PublicIpAddress != nil {
		t.Errorf("a stopped instance has the public address %s", *stopped.PublicIpAddress)
	}
	b.do("StartInstances", &wire.StartInstancesRequest{InstanceIds: []string{id}}, nil)
	again := b.becomes(id, "running")
	if *again.PublicIpAddress == *running.PublicIpAddress || *again.PrivateIpAddress != *running.PrivateIpAddress {
		t.Errorf("after stop and start: private %s (was %s), public %s (was %s)", *again.PrivateIpAddress,
			*running.PrivateIpAddress, *again.PublicIpAddress, *running.PublicIpAddress)
	}
	b.do("RebootInstances", &wire.RebootInstancesRequest{InstanceIds: []string{id}}, nil)
	b.converged()
	if got := b.becomes(id, "running"); *got.PublicIpAddress != *again.PublicIpAddress {
		t.Errorf("a reboot changed the public address")
	}
	b.do("TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: []string{id}}, nil)
	b.becomes(id, "terminated")

	var g wire.DescribeInternetGatewaysResult
	b.do("DescribeInternetGateways", nil, &g)
	b.do("DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: g.InternetGateways[0].InternetGatewayId, VpcId: &vpc}, nil)
	b.do("DeleteInternetGateway", &wire.DeleteInternetGatewayRequest{InternetGatewayId: g.InternetGateways[0].InternetGatewayId}, nil)
	b.do("DeleteSubnet", &wire.DeleteSubnetRequest{SubnetId: &subnet}, nil)
	b.do("DeleteVpc", &wire.DeleteVpcRequest{VpcId: &vpc}, nil)
	b.converged()
	seen, err := o.Engine.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.Containers)+len(seen.Networks) != 0 {
		t.Errorf("left on the engine: %+v", seen)
	}
}

// What the world holds is so again after control was ended and started.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	o := simulated()
	o.StatePath = path
	b := start(t, o)
	_, subnet := b.network()
	id := b.launch(subnet)
	before := b.becomes(id, "running")
	b.stop()

	o.Engine = none.New() // it has forgotten everything
	b = start(t, o)
	b.converged()
	after := b.becomes(id, "running")
	if *after.PrivateIpAddress != *before.PrivateIpAddress || *after.PublicIpAddress != *before.PublicIpAddress {
		t.Errorf("addresses changed: %s %s, were %s %s", *after.PrivateIpAddress, *after.PublicIpAddress,
			*before.PrivateIpAddress, *before.PublicIpAddress)
	}
	if n := containers(t, o.Engine, engine.KindInstance); n != 1 {
		t.Errorf("%d instances run, want 1", n)
	}
}

// What is done behind control's back to a real engine, which forgets nothing.
func TestBehindItsBack(t *testing.T) {
	e := none.New()
	b := start(t, Options{Engine: e, Node: &Simulated{}})
	_, subnet := b.network()
	id := b.launch(subnet)
	b.becomes(id, "running")
	b.converged()

	e.Exit("custom-web-1", sim.ExitReboot)
	b.eventually("a reboot from inside is carried out", func() bool { return running(t, e, "custom-web-1") })
	if got := b.instance(id); *got.State.Name != "running" {
		t.Errorf("after a reboot from inside the instance is %s", *got.State.Name)
	}
	e.Exit("custom-web-1", sim.ExitPoweroff)
	if got := b.becomes(id, "stopped"); *got.StateReason.Code != "Client.InstanceInitiatedShutdown" {
		t.Errorf("reason of a poweroff: %s", *got.StateReason.Code)
	}
	b.do("StartInstances", &wire.StartInstancesRequest{InstanceIds: []string{id}}, nil)
	b.becomes(id, "running")
	b.converged()

	began := time.Now()
	e.Exit("custom-web-1", 137)
	b.becomes(id, "stopped")
	if took := time.Since(began); took < time.Second {
		t.Errorf("believed after %v that a container was killed and not the engine", took)
	}
	b.do("StartInstances", &wire.StartInstancesRequest{InstanceIds: []string{id}}, nil)
	b.becomes(id, "running")
	b.converged()
	e.Remove(context.Background(), "custom-web-1")
	if got := b.becomes(id, "terminated"); *got.StateReason.Code != "Server.InternalError" {
		t.Errorf("reason of a removal: %s", *got.StateReason.Code)
	}
}

// slow is an engine whose Stop waits for its context, as a guest that does not
// want to end.
type slow struct {
	*none.Engine
	mu      sync.Mutex
	stops   int
	started func(name string)
}

func (s *slow) Stop(ctx context.Context, name string, grace int) error {
	s.mu.Lock()
	s.stops++
	n := s.stops
	s.mu.Unlock()
	if n > 1 {
		return s.Engine.Stop(ctx, name, grace)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *slow) Start(ctx context.Context, c engine.Container) error {
	if s.started != nil {
		s.started(c.Name)
	}
	return s.Engine.Start(ctx, c)
}

// A call to the API does not wait for the end of what an earlier one has begun.
func TestTerminateInterruptsStop(t *testing.T) {
	e := &slow{Engine: none.New()}
	b := start(t, Options{Engine: e, Node: &Simulated{}})
	_, subnet := b.network()
	id := b.launch(subnet)
	b.becomes(id, "running")
	b.do("StopInstances", &wire.StopInstancesRequest{InstanceIds: []string{id}}, nil)
	b.eventually("the stop is at work", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.stops > 0 })
	b.do("TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: []string{id}}, nil)
	began := time.Now()
	b.becomes(id, "terminated")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("terminated after %v", took)
	}
}

// leaving is an engine that takes its time to remove a network, and has none for
// a container meanwhile.
type leaving struct {
	*none.Engine
	begun, end chan struct{}

	mu     sync.Mutex
	going  bool
	lonely int // containers that found no network
}

func (e *leaving) RemoveNetwork(ctx context.Context, name string) error {
	e.set(true)
	defer e.set(false)
	e.begun <- struct{}{}
	<-e.end
	return e.Engine.RemoveNetwork(ctx, name)
}

func (e *leaving) set(going bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.going = going
}

func (e *leaving) Start(ctx context.Context, c engine.Container) error {
	e.mu.Lock()
	if e.going {
		e.lonely++
	}
	e.mu.Unlock()
	return e.Engine.Start(ctx, c)
}

// A gateway that comes while the network of the last one goes waits for the end
// of it: its edge would find no network.
func TestEdgeWaitsForItsNetwork(t *testing.T) {
	e := &leaving{Engine: none.New(), begun: make(chan struct{}, 1), end: make(chan struct{})}
	b := start(t, Options{Engine: e, Node: &Simulated{}})
	vpc, _ := b.network()
	b.converged()
	var g wire.DescribeInternetGatewaysResult
	b.do("DescribeInternetGateways", nil, &g)
	id := g.InternetGateways[0].InternetGatewayId
	b.do("DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: id, VpcId: &vpc}, nil)
	b.do("DeleteInternetGateway", &wire.DeleteInternetGatewayRequest{InternetGatewayId: id}, nil)
	<-e.begun
	var next wire.CreateInternetGatewayResult
	b.do("CreateInternetGateway", nil, &next)
	b.do("AttachInternetGateway", &wire.AttachInternetGatewayRequest{InternetGatewayId: next.InternetGateway.InternetGatewayId, VpcId: &vpc}, nil)
	var s Status
	version := func() uint64 { b.get("status", &s); return s.Version }
	attached := version()
	b.eventually("the gateway has been planned for", func() bool { return version() >= attached })
	close(e.end)
	b.converged()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lonely > 0 {
		t.Errorf("an edge was started %d times while its network went", e.lonely)
	}
}

// broken is an engine that is not there.
type broken struct{ *none.Engine }

func (broken) Observe(context.Context) (*engine.Observed, error) {
	return nil, fmt.Errorf("cannot connect to the engine")
}
func (broken) Watch(context.Context, func()) error { return fmt.Errorf("cannot connect to the engine") }

// The API answers also without an engine, and says what is wrong.
func TestEngineDown(t *testing.T) {
	b := start(t, Options{Engine: broken{none.New()}, Node: &Simulated{}})
	_, subnet := b.network()
	id := b.launch(subnet)
	if got := b.instance(id); *got.State.Name != "pending" {
		t.Errorf("the instance is %s", *got.State.Name)
	}
	b.eventually("the status names the engine", func() bool {
		var s Status
		b.get("status", &s)
		return !s.Converged && len(s.Problems) > 0 && s.Problems[0].Resource == "engine"
	})
}

func TestDrain(t *testing.T) {
	e := none.New()
	b := start(t, Options{Engine: e, Node: &Simulated{}})
	_, subnet := b.network()
	b.becomes(b.launch(subnet), "running")
	b.converged()
	if resp := b.ask("POST", "drain", nil); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("drain: %s", resp.Status)
	}
	o, _ := e.Observe(context.Background())
	if len(o.Containers)+len(o.Networks)+len(o.Volumes) != 0 {
		t.Errorf("left after drain: %+v", o)
	}
	b.launch(subnet)
	time.Sleep(50 * time.Millisecond)
	if n := containers(t, e, engine.KindInstance); n != 0 {
		t.Errorf("%d instances were started after drain", n)
	}
}

func containers(t testing.TB, e engine.Engine, k engine.Kind) (n int) {
	t.Helper()
	o, err := e.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.Containers {
		if c.Kind == k && c.Running {
			n++
		}
	}
	return n
}

func running(t testing.TB, e engine.Engine, name string) bool {
	t.Helper()
	o, err := e.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return o.Containers[name].Running
}

// TestLatency reports how long an instance waits for its start, call to Start.
func TestLatency(t *testing.T) {
	starts := make(chan time.Time, 100)
	e := &slow{Engine: none.New(), started: func(name string) {
		if name == "custom-web-1" || strings.HasPrefix(name, "labsim-i-") { // an instance, by name or by id
			starts <- time.Now()
		}
	}}
	b := start(t, Options{Engine: e, Node: &Simulated{}, StatePath: filepath.Join(t.TempDir(), "world.db")})
	_, subnet := b.network()
	b.becomes(b.launch(subnet), "running")
	b.converged()
	<-starts
	var worst, sum time.Duration
	const n = 20
	for range n {
		began := time.Now()
		b.launch(subnet)
		d := (<-starts).Sub(began)
		worst, sum = max(worst, d), sum+d
	}
	t.Logf("API call to engine.Start, with a durable state: mean %v, worst of %d: %v", sum/n, n, worst)
	if worst > 2*time.Second {
		t.Errorf("an instance waited %v for its start", worst)
	}
}
