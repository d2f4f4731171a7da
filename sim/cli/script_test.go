//go:build unix

package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"labsim": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// Every script of testdata is a user at a shell, on the none engine, with a site
// and a state directory of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			h := sha256.Sum256([]byte(env.WorkDir))
			site := "t-cli-" + hex.EncodeToString(h[:4])
			env.Values[leaseKey{}] = &heldLease{}
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("SITE", site)
			env.Setenv("HOME", home)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("LABSIM", "labsim --site "+site+" --engine none")
			env.Setenv("PORT", freePort(t))
			env.Setenv("LANG", "C.UTF-8")
			env.Defer(func() { endOf(t, filepath.Join(env.WorkDir, "state", "labsim", site)) })
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"sh": shell, "gone": gone, "byhand": byHand, "strangervpc": strangerVPC, "lease": lease, "picture": picture},
	})
}

// zombie reports whether a process has ended and only waits for its parent, which
// is none of ours.
func zombie(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(data), ") ")
	return err == nil && ok && strings.HasPrefix(rest, "Z")
}

// freePort is a port that nothing listens on now.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// shell runs a line by sh, so that it reads as a user types it: with the site's
// flags in $LABSIM, quotes and several commands.
func shell(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("sh", "-c", strings.Join(args, " "))
	if (err != nil) != neg {
		ts.Fatalf("sh: %v", err)
	}
}

// gone waits until the process whose id is in a file has ended.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	pid := pidOf(ts.MkAbs(args[0]))
	if pid == 0 {
		ts.Fatalf("%s names no process", args[0])
	}
	for range 200 {
		if syscall.Kill(pid, 0) != nil || zombie(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("process %d lives", pid)
}

// byHand adds a security group to the VPC of the box that a file leads to.
func byHand(ts *testscript.TestScript, _ bool, args []string) {
	var s served
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	c := ec2.Client{Endpoint: s.Endpoint}
	var vpcs wire.DescribeVpcsResult
	ts.Check(c.Do(context.Background(), "DescribeVpcs", nil, &vpcs))
	ts.Check(c.Do(context.Background(), "CreateSecurityGroup", &wire.CreateSecurityGroupRequest{
		VpcId: vpcs.Vpcs[0].VpcId, GroupName: ptr("mine"), Description: ptr("mine")}, nil))
}

// strangerVPC makes a VPC that belongs to no lab.
func strangerVPC(ts *testscript.TestScript, _ bool, args []string) {
	var s served
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	c := ec2.Client{Endpoint: s.Endpoint}
	ts.Check(c.Do(context.Background(), "CreateVpc", &wire.CreateVpcRequest{CidrBlock: ptr("10.9.0.0/16")}, nil))
}

// lease takes the lease of a box as another `up` does, until `lease end`.
func lease(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "end" {
		ts.Value(leaseKey{}).(*heldLease).conn.Close()
		return
	}
	var s served
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &s))
	conn, err := newBox(s.Endpoint, s.Token).stream(context.Background(), "lease?holder=somebody+else")
	ts.Check(err)
	ts.Value(leaseKey{}).(*heldLease).conn = conn
}

// picture compares what was drawn with a picture of docs, but for ids and the mark
// of a simulated lab; LABSIM_UPDATE=1 writes it.
func picture(ts *testscript.TestScript, neg bool, args []string) {
	drawn := regexp.MustCompile(`\b(vpc|igw|subnet|i|vol)-0[0-9a-f]{4,}`).ReplaceAllStringFunc(ts.ReadFile("stdout"), func(id string) string {
		kind, rest, _ := strings.Cut(id, "-")
		return kind + "-" + "0a1b2c3d4e5f67890"[:len(rest)]
	})
	drawn = regexp.MustCompile(`<text [^>]*class="note".*\n`).ReplaceAllString(drawn, "")
	file := filepath.Join(docs, args[0])
	if os.Getenv("LABSIM_UPDATE") != "" {
		ts.Check(os.WriteFile(file, []byte(drawn), 0o644))
	}
	want, err := os.ReadFile(file)
	ts.Check(err)
	if diff := cmp.Diff(string(want), drawn); diff != "" {
		ts.Fatalf("docs/%s is another picture (LABSIM_UPDATE=1 draws it anew; -docs +drawn):\n%s", args[0], diff)
	}
}

// docs is where the project's pictures are, whatever directory a script is in.
var docs = func() string {
	dir, err := filepath.Abs("../../docs")
	if err != nil {
		panic(err)
	}
	return dir
}()

type leaseKey struct{}

type heldLease struct{ conn net.Conn }

// endOf ends what a script that failed has left behind.
func endOf(t *testing.T, dir string) {
	if pid := pidOf(filepath.Join(dir, "serve.json")); pid > 1 {
		t.Logf("ending process %d", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// pidOf reads the process out of what `serve` leaves, or 0.
func pidOf(file string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	var s served
	if json.Unmarshal(data, &s) != nil {
		return 0
	}
	return s.PID
}
