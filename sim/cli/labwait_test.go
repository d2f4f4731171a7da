package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labsim/sim/control"
	"labsim/sim/ec2/wire"
	"labsim/sim/engine"
	"labsim/sim/engine/none"
)

// stubborn is an engine on which the instances of one image type never get to run:
// it neither starts nor refuses them.
type stubborn struct{ *none.Engine }

const stuckHost = "stuck"

func (e stubborn) Start(ctx context.Context, c engine.Container) error {
	if c.Hostname == stuckHost {
		<-ctx.Done()
		return ctx.Err()
	}
	return e.Engine.Start(ctx, c)
}

// simulatedSite serves a region on that engine as `labsim serve` does.
func simulatedSite(t *testing.T, e engine.Engine) (*app, *box) {
	t.Helper()
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, site: "t-wait", engine: "none", yes: true,
		getenv: func(name string) string {
			return map[string]string{"XDG_STATE_HOME": os.Getenv("XDG_STATE_HOME")}[name]
		}}
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := served{Endpoint: "http://" + l.Addr().String(), Token: "token"}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- control.Run(ctx, control.Options{Site: "t-wait", Listener: l, Token: s.Token, Engine: e, EngineName: "none",
			Node: &control.Simulated{}, Simulated: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	file, err := a.servedFile()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return a, newBox(s.Endpoint, s.Token)
}

// stuck launches an instance that never gets to run, in a VPC of its own.
func stuck(t *testing.T, b *box) {
	t.Helper()
	do := func(action string, in, out any) {
		t.Helper()
		if err := b.ec2.Do(t.Context(), action, in, out); err != nil {
			t.Fatalf("%s: %v", action, err)
		}
	}
	var v wire.CreateVpcResult
	do("CreateVpc", &wire.CreateVpcRequest{CidrBlock: ptr("192.168.0.0/16")}, &v)
	var n wire.CreateSubnetResult
	do("CreateSubnet", &wire.CreateSubnetRequest{VpcId: v.Vpc.VpcId, CidrBlock: ptr("192.168.1.0/24")}, &n)
	var images wire.DescribeImagesResult
	do("DescribeImages", &wire.DescribeImagesRequest{Owners: []string{"amazon"}}, &images)
	do("RunInstances", &wire.RunInstancesRequest{ImageId: images.Images[0].ImageId, SubnetId: n.Subnet.SubnetId, MinCount: ptr(1), MaxCount: ptr(1),
		TagSpecifications: []wire.TagSpecification{{ResourceType: ptr("instance"), Tags: []wire.Tag{{Key: ptr("labsim:hostname"), Value: ptr(stuckHost)}}}}}, nil)
	err := b.watch(t.Context(), func(s boxStatus) (bool, error) {
		for _, x := range s.Steps {
			if x.Kind == "start-instance" {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A lab's commands wait for what is the lab's: an instance beside it that never gets
// to run holds none of them up.
func TestLabWaitsForItsOwn(t *testing.T) {
	a, b := simulatedSite(t, stubborn{none.New()})
	run := func(args ...string) {
		t.Helper()
		var out bytes.Buffer
		a.out, a.err = &out, &out
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		if code := a.run(ctx, append([]string{"--site", "t-wait", "--engine", "none"}, args...)); code != 0 || ctx.Err() != nil {
			t.Fatalf("labsim %s: exit %d after %v\n%s", strings.Join(args, " "), code, time.Since(began), out.String())
		}
	}
	run("lab", "start", "custom-vpc", "--yes")
	run("lab", "solve", "vpc") // else the VPC of the other one would be the lab's
	run("lab", "solve", "subnets")
	stuck(t, b)
	for _, step := range []string{"routes", "instances", "access"} {
		run("lab", "solve", step)
	}
	run("lab", "start", "repair-network", "--yes", "--seed", "1")
}
