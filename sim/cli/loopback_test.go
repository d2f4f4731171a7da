//go:build linux

package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Debian's AWS CLI, with keys and a profile that look real: neither through
// `labsim aws` nor in a shell with `labsim env` does a packet leave loopback. It
// runs in a network namespace whose default route leads into a trap that counts.
// The last line is the control: the same CLI by itself runs into the trap.
const loopbackScript = `
set -eu
ip link set lo up
ip link add trap type veth peer name trapped
for i in trap trapped; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set $i up arp off; done
ip address add 192.0.2.1/24 dev trap
ip route add default dev trap
sent() { cat /sys/class/net/trap/statistics/tx_packets 2>/dev/null || awk -F'[: ]+' '/ trap:/ {print $12}' /proc/net/dev; }
labsim="labsim --site $SITE --engine none"
$labsim up -q --port $PORT
say() { echo "$1: $(sent)"; }
say before
$labsim aws ec2 describe-vpcs --query 'Vpcs[].CidrBlock' --output text
$labsim aws sts get-caller-identity --query Account --output text
$labsim aws s3 ls >/dev/null 2>&1 || true
$labsim aws --region eu-west-1 ec2 describe-vpcs >/dev/null 2>&1 || true
say aws
(
  eval "$($labsim env)"
  aws ec2 describe-vpcs --query 'Vpcs[].CidrBlock' --output text
  aws sts get-caller-identity --query Account --output text
  aws --profile production ec2 describe-vpcs 2>&1 | grep -c 'could not be found'
)
say env
$labsim down -q
AWS_MAX_ATTEMPTS=1 timeout 20 aws --endpoint-url https://198.18.0.1 --cli-connect-timeout 1 ec2 describe-vpcs >/dev/null 2>&1 || true
say control
`

const debianAWS = "/usr/bin/aws"

func TestNothingLeavesLoopback(t *testing.T) {
	lacks := func(why string) {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if _, err := os.Stat(debianAWS); err != nil {
		lacks("Debian's AWS CLI is not installed: apt-get install awscli")
	}
	if out, err := exec.Command("unshare", "-rn", "ip", "link", "add", "trap", "type", "veth").CombinedOutput(); err != nil {
		lacks("no network namespace of the test's own: " + string(out))
	}
	home := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write(".aws/credentials", "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"+
		"[production]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY\n")
	write(".aws/config", "[default]\nregion = us-east-1\nec2 =\n    endpoint_url = https://ec2.us-east-1.amazonaws.com\n[profile production]\nregion = eu-west-1\n")
	labsim, err := exec.LookPath("labsim") // testscript.Main has put it there
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", "-rn", "sh", "-c", loopbackScript)
	site := "t-cli-loopback"
	c.Env = []string{"PATH=" + filepath.Dir(labsim) + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + home, "XDG_STATE_HOME=" + home + "/state",
		"SITE=" + site, "PORT=" + freePort(t), "LANG=C.UTF-8",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_PROFILE=production",
		"AWS_ENDPOINT_URL_EC2=https://ec2.us-east-1.amazonaws.com"}
	defer endOf(t, filepath.Join(home, "state", "labsim", site))
	out, err := c.Output()
	if err != nil {
		var x *exec.ExitError
		if errors.As(err, &x) {
			t.Fatalf("%v\n%s%s", err, out, x.Stderr)
		}
		t.Fatal(err)
	}
	text := string(out)
	for _, want := range []string{"10.0.0.0/16\n000000000000\naws:", "10.0.0.0/16\n000000000000\n1\nenv:"} {
		if !strings.Contains(text, want) {
			t.Errorf("the AWS CLI did not reach labsim: want %q in\n%s", want, text)
		}
	}
	sent := map[string]int{}
	for line := range strings.Lines(text) {
		if name, n, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			sent[name], _ = strconv.Atoi(n)
		}
	}
	if sent["aws"] != sent["before"] || sent["env"] != sent["before"] {
		t.Errorf("packets left loopback: %v", sent)
	}
	if sent["control"] == sent["env"] {
		t.Errorf("the trap catches nothing, so it proves nothing: %v", sent)
	}
}
