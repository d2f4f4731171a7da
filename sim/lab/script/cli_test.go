package script

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim/ec2/wire"
)

// commands are of the kinds that guides have.
var commands = [][]string{
	{"create-vpc", "--cidr-block", "10.0.0.0/16", "--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=my lab},{Key=a,Value=b}]"},
	{"create-vpc", "--cidr-block", "10.0.0.0/16", "--tag-specifications", `[{"ResourceType":"vpc","Tags":[{"Key":"Name","Value":"lab"}]}]`},
	{"describe-subnets", "--filters", "Name=vpc-id,Values=vpc-1,vpc-2", "Name=tag:Name,Values=a"},
	{"describe-instances", "--instance-ids", "i-1", "i-2"},
	{"modify-subnet-attribute", "--subnet-id", "subnet-1", "--map-public-ip-on-launch"},
	{"modify-subnet-attribute", "--subnet-id", "subnet-1", "--no-map-public-ip-on-launch"},
	{"modify-vpc-attribute", "--vpc-id", "vpc-1", "--enable-dns-hostnames"},
	{"modify-vpc-attribute", "--vpc-id", "vpc-1", "--enable-dns-hostnames", `{"Value":false}`},
	{"authorize-security-group-ingress", "--group-id", "sg-1", "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0"},
	{"authorize-security-group-ingress", "--group-id", "sg-1", "--protocol", "udp", "--port", "8000-8080", "--source-group", "sg-2"},
	{"revoke-security-group-egress", "--group-id", "sg-1", "--protocol", "all", "--cidr", "0.0.0.0/0"},
	{"authorize-security-group-ingress", "--group-id", "sg-1", "--protocol", "icmp", "--port", "-1", "--cidr", "10.0.0.0/8"},
	{"authorize-security-group-ingress", "--group-id", "sg-1", "--ip-permissions", "IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=10.0.0.0/8}]"},
	{"run-instances", "--image-id", "ami-1", "--instance-type", "t3.micro", "--subnet-id", "subnet-1", "--security-group-ids", "sg-1", "sg-2", "--key-name", "k",
		"--private-ip-address", "10.0.1.10", "--user-data", "#!/bin/sh\necho hi"},
	{"run-instances", "--image-id", "ami-1", "--count", "2", "--subnet-id", "subnet-1", "--security-group-ids", "sg-1", "--associate-public-ip-address"},
	{"run-instances", "--image-id", "ami-1", "--count", "1:3", "--block-device-mappings", "DeviceName=/dev/sdf,Ebs={VolumeSize=2,VolumeType=gp3}"},
	{"run-instances", "--image-id", "ami-1", "--block-device-mappings", "DeviceName=/dev/sdf,Ebs={VolumeSize=2,DeleteOnTermination=false}", "DeviceName=/dev/sdg,NoDevice="},
	{"allocate-address", "--domain", "vpc"},
	{"associate-address", "--allocation-id", "eipalloc-1", "--instance-id", "i-1"},
	{"create-volume", "--size", "2", "--volume-type", "gp3", "--availability-zone", "us-east-1a"},
	{"create-security-group", "--group-name", "web", "--description", "from everywhere", "--vpc-id", "vpc-1"},
	{"modify-instance-attribute", "--instance-id", "i-1", "--no-source-dest-check"},
	{"modify-instance-attribute", "--instance-id", "i-1", "--groups", "sg-1", "sg-2"},
}

// loop is the AWS CLI in one process, which reads the description of the API once:
// most of the time that a call takes is spent on that.
const loop = `
import contextlib, io, json, sys
from awscli.clidriver import create_clidriver
try:
    from awscli.botocore import loaders
except ImportError:
    from botocore import loaders
read, have = loaders.JSONFileLoader.load_file, {}
def load_file(self, path):
    if path not in have:
        have[path] = read(self, path)
    return have[path]
loaders.JSONFileLoader.load_file = load_file
for args in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = create_clidriver().main(args)
    if code:
        print(*args, out.getvalue().strip()[-300:])
`

// What a script sends is what the AWS CLI sends for the same words.
func TestLikeTheAWSCLI(t *testing.T) {
	var sent []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		sent = append(sent, r.PostForm)
		w.Header().Set("Content-Type", "text/xml")
		w.Write([]byte("<r/>"))
	}))
	defer server.Close()
	var lines [][]string
	for _, c := range commands {
		lines = append(lines, append([]string{"--endpoint-url", server.URL, "ec2"}, c...))
	}
	in, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", loop)
	cmd.Stdin = strings.NewReader(string(in))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE=" + empty, "AWS_SHARED_CREDENTIALS_FILE=" + empty, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
		"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the AWS CLI: %v\n%s", err, out)
		}
		t.Skipf("the AWS CLI is missing: %v\n%s", err, out)
	}
	if len(sent) != len(commands) {
		t.Fatalf("the AWS CLI sent %d requests of %d:\n%s", len(sent), len(commands), out)
	}
	for i, c := range commands {
		call, err := readCall(append([]string{"ec2"}, c...), nil, false)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		want := sent[i]
		if a := want.Get("Action"); a != call.action {
			t.Errorf("%v: %s, want %s", c, call.action, a)
		}
		for _, k := range []string{"Action", "Version", "ClientToken"} {
			want.Del(k)
		}
		if diff := cmp.Diff(want, wire.EncodeQuery(call.in)); diff != "" {
			t.Errorf("%v (-AWS CLI +script):\n%s", c, diff)
		}
	}
}

func TestKebab(t *testing.T) {
	for name, want := range map[string]string{
		"VpcIds": "vpc-ids", "CidrBlock": "cidr-block", "DescribeVpcs": "describe-vpcs", "EnableDnsHostnames": "enable-dns-hostnames",
		"MapPublicIpOnLaunch": "map-public-ip-on-launch", "DryRun": "dry-run", "SSEType": "sse-type",
	} {
		if got := kebab(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
