package ec2_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2"
)

// secret is what the clients of these tests sign with; the server verifies it.
const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

func newClientLab(t *testing.T) *lab {
	l := newLab(t, ec2.Options{Secret: func(string) string { return secret }})
	l.SecretKey = secret
	return l
}

// command prepares a client that can reach nothing but the test's server: fake
// keys, empty configuration, and a dead proxy for all that is not loopback.
func (l *lab) command(name string, args ...string) *exec.Cmd {
	t := l.t.(*testing.T)
	empty := filepath.Join(t.TempDir(), "empty")
	l.must(os.WriteFile(empty, nil, 0o600))
	c := exec.Command(name, args...)
	c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_DEFAULT_REGION=us-east-1", "AWS_CONFIG_FILE=" + empty, "AWS_SHARED_CREDENTIALS_FILE=" + empty, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1,localhost", "ENDPOINT=" + l.url}
	return c
}

// need skips a test on a machine that lacks its client; CI must have it.
func need(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("the client is missing: %v", err)
	default:
		t.Skipf("the client is missing: %v", err)
	}
}

// cli is an AWS CLI that stays: most of the second that one call takes is spent
// on starting it. It is the code of /usr/bin/aws, which reads its arguments from
// a line of JSON instead of the command line.
type cli struct {
	t   *testing.T
	in  *json.Encoder
	out *json.Decoder
}

const cliLoop = `
import contextlib, io, json, sys
from awscli.clidriver import create_clidriver
driver = create_clidriver()
for line in sys.stdin:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = driver.main(json.loads(line))
    print(json.dumps({"Code": code, "Out": out.getvalue().strip()}), flush=True)
`

func (l *lab) cli(t *testing.T) *cli {
	c := l.command("/usr/bin/python3", "-c", cliLoop)
	in, err := c.StdinPipe()
	l.must(err)
	out, err := c.StdoutPipe()
	l.must(err)
	c.Stderr = os.Stderr
	l.must(c.Start())
	t.Cleanup(func() {
		in.Close()
		c.Wait()
	})
	return &cli{t, json.NewEncoder(in), json.NewDecoder(out)}
}

// run returns what the CLI wrote, and its exit code.
func (c *cli) run(url string, args ...string) (string, int) {
	c.t.Helper()
	var answer struct {
		Code int
		Out  string
	}
	if err := c.in.Encode(append([]string{"--endpoint-url", url, "--output", "text"}, args...)); err != nil {
		c.t.Fatal(err)
	}
	if err := c.out.Decode(&answer); err != nil {
		c.t.Fatal(err)
	}
	return answer.Out, answer.Code
}

// The life of a small lab, by the AWS CLI as Debian has it.
func TestAWSCLI(t *testing.T) {
	_, err := exec.LookPath("/usr/bin/aws")
	need(t, err)
	l := newClientLab(t)
	id, err := l.command("/usr/bin/aws", "--endpoint-url", l.url, "--output", "text", "sts", "get-caller-identity", "--query", "Account").CombinedOutput()
	if strings.TrimSpace(string(id)) != "000000000000" {
		t.Errorf("aws sts get-caller-identity: %v, %s", err, id)
	}
	cli := l.cli(t)
	aws := func(args ...string) string {
		t.Helper()
		out, code := cli.run(l.url, args...)
		if code != 0 {
			t.Fatalf("aws %s: exit code %d: %s", strings.Join(args, " "), code, out)
		}
		return out
	}
	vpc := aws("ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--query", "Vpc.VpcId",
		"--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=랩 one},{Key=labsim:lab,Value=x}]")
	subnet := aws("ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24", "--availability-zone", "us-east-1b", "--query", "Subnet.SubnetId")
	group := aws("ec2", "create-security-group", "--vpc-id", vpc, "--group-name", "web", "--description", "web", "--query", "GroupId")
	aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
	key := aws("ec2", "create-key-pair", "--key-name", "lab", "--query", "KeyMaterial")
	if !strings.HasPrefix(key, "-----BEGIN RSA PRIVATE KEY-----\n") {
		t.Errorf("the private key is %.40q...", key)
	}
	userData := filepath.Join(t.TempDir(), "user-data")
	l.must(os.WriteFile(userData, []byte("#!/bin/sh\necho 안녕\n"), 0o600))
	instance := aws("ec2", "run-instances", "--image-id", l.image, "--instance-type", "t3.micro", "--key-name", "lab", "--subnet-id", subnet,
		"--security-group-ids", group, "--associate-public-ip-address", "--user-data", "file://"+userData, "--query", "Instances[0].InstanceId",
		"--block-device-mappings", "DeviceName=/dev/sdf,Ebs={VolumeSize=2,VolumeType=gp3,DeleteOnTermination=false}",
		"--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=web}]", "ResourceType=volume,Tags=[{Key=labsim:mount,Value=/data}]")
	l.observe(sim.StateRunning)
	aws("ec2", "wait", "instance-running", "--instance-ids", instance)
	aws("ec2", "wait", "instance-status-ok", "--instance-ids", instance)

	for _, tt := range []struct{ want, args string }{
		{instance, "describe-instances --filters Name=tag:Name,Values=w* Name=instance-state-name,Values=running --query Reservations[].Instances[].InstanceId"},
		{"198.51.100.20", "describe-instances --instance-ids " + instance + " --query Reservations[0].Instances[0].PublicIpAddress"},
		{"랩 one", "describe-vpcs --query Vpcs[0].Tags[?Key=='Name'].Value"},
		{"22", "describe-security-groups --group-ids " + group + " --query SecurityGroups[0].IpPermissions[0].ToPort"},
		{"in-use", "describe-volumes --filters Name=tag:labsim:mount,Values=/data --query Volumes[].State"},
		{"IyEvYmluL3NoCmVjaG8g7JWI64WVCg==", "describe-instance-attribute --instance-id " + instance + " --attribute userData --query UserData.Value"},
		{"us-east-1a us-east-1b us-east-1c", "describe-availability-zones --query AvailabilityZones[].ZoneName"},
		{l.image, "describe-images --owners amazon --filters Name=name,Values=labsim/* --query Images[].ImageId"},
		{"1024", "describe-instance-types --instance-types t3.micro --query InstanceTypes[].MemoryInfo.SizeInMiB"},
		{vpc, "describe-tags --filters Name=key,Values=labsim:lab --query Tags[].ResourceId"},
		{"10.0.0.0/16 local", "describe-route-tables --query RouteTables[].Routes[].[DestinationCidrBlock,GatewayId]"},
	} {
		if got := strings.Join(strings.Fields(aws(append([]string{"ec2"}, strings.Fields(tt.args)...)...)), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, got, tt.want)
		}
	}
	for _, tt := range []struct{ want, args string }{
		{"(InvalidVpcID.NotFound)", "describe-vpcs --vpc-ids vpc-00000000000000000"},
		{"(DependencyViolation)", "delete-vpc --vpc-id " + vpc},
		{"(DependencyViolation)", "delete-vpc --dry-run --vpc-id " + vpc}, // a dry run finds what the run would
		{"(DryRunOperation)", "create-vpc --dry-run --cidr-block 10.1.0.0/16"},
		{"(UnsupportedOperation)", "describe-nat-gateways"},
	} {
		if out, code := cli.run(l.url, append([]string{"ec2"}, strings.Fields(tt.args)...)...); code == 0 || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit code %d, %q, want %s", tt.args, code, out, tt.want)
		}
	}

	if got := aws("ec2", "terminate-instances", "--instance-ids", instance, "--query", "TerminatingInstances[].CurrentState.Name"); got != "shutting-down" {
		t.Errorf("the instance is %s", got)
	}
	l.observe(sim.StateTerminated)
	aws("ec2", "wait", "instance-terminated", "--instance-ids", instance)
	aws("ec2", "delete-security-group", "--group-id", group)
	aws("ec2", "delete-subnet", "--subnet-id", subnet)
	aws("ec2", "delete-vpc", "--vpc-id", vpc)
	aws("ec2", "delete-key-pair", "--key-name", "lab")
}

// boto3 checks each answer against its own model while it reads it; the script
// prints what it saw.
const script = `
import boto3, json, os
ec2 = boto3.client("ec2", endpoint_url=os.environ["ENDPOINT"])
res = boto3.resource("ec2", endpoint_url=os.environ["ENDPOINT"])
vpc = res.create_vpc(CidrBlock="10.0.0.0/16")
vpc.modify_attribute(EnableDnsHostnames={"Value": True})
subnet = vpc.create_subnet(CidrBlock="10.0.1.0/24")
igw = res.create_internet_gateway()
vpc.attach_internet_gateway(InternetGatewayId=igw.id)
table = vpc.create_route_table()
table.create_route(DestinationCidrBlock="0.0.0.0/0", GatewayId=igw.id)
table.associate_with_subnet(SubnetId=subnet.id)
group = vpc.create_security_group(GroupName="web", Description="web")
group.authorize_ingress(IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOIgQ/1wtYiYEjUCFM6tjqAI0UFXOAeyfaPTie58zbC5")
image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
launched = subnet.create_instances(ImageId=image, MinCount=2, MaxCount=2, InstanceType="t3.nano", KeyName="mine", SecurityGroupIds=[group.id], ClientToken="once",
    UserData="#!/bin/sh\n", TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "pair"}]}])
again = ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2, InstanceType="t3.nano", KeyName="mine", SecurityGroupIds=[group.id], ClientToken="once", SubnetId=subnet.id,
    UserData="#!/bin/sh\n", TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "pair"}]}])
volume = res.create_volume(AvailabilityZone="us-east-1a", Size=1)
address = ec2.allocate_address(Domain="vpc")
ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=launched[0].network_interfaces_attribute[0]["NetworkInterfaceId"])
launched[0].reload()
pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
names = [t["Value"] for p in pages for r in p["Reservations"] for i in r["Instances"] for t in i["Tags"]]
rules = [r["IsEgress"] for r in ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group.id]}])["SecurityGroupRules"]]
print(json.dumps({
    "same": sorted(i.id for i in launched) == sorted(i["InstanceId"] for i in again["Instances"]),
    "names": names, "public": launched[0].public_ip_address == address["PublicIp"], "dns": launched[0].public_dns_name,
    "rules": sorted(rules), "volume": volume.size, "launched": launched[0].launch_time.isoformat(),
    "tags": [t["Key"] for t in ec2.describe_tags()["Tags"]], "empty": ec2.describe_vpcs(Filters=[{"Name": "tag:x", "Values": ["y"]}])["Vpcs"],
    "key": ec2.describe_key_pairs(KeyNames=["mine"])["KeyPairs"][0]["KeyType"],
}))
`

func TestBoto3(t *testing.T) {
	need(t, exec.Command("/usr/bin/python3", "-c", "import boto3").Run())
	l := newClientLab(t)
	c := l.command("/usr/bin/python3", "-c", script)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	want := map[string]any{"same": true, "names": []any{"pair", "pair"}, "public": true, "dns": "ec2-198-51-100-20.compute-1.amazonaws.com",
		"rules": []any{false, true}, "volume": 1.0, "launched": clock.Format("2006-01-02T15:04:05") + "+00:00", "tags": []any{"Name", "Name"}, "empty": []any{}, "key": "ed25519"}
	var got map[string]any
	l.must(json.Unmarshal(out, &got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what boto3 saw (-want +got):\n%s", diff)
	}
}
