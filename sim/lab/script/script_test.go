package script

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// record is an API that answers some calls and notes all.
type record struct {
	calls   []string
	answers map[string]func(in, out any) error
}

func (r *record) Do(_ context.Context, action string, in, out any) error {
	values := wire.EncodeQuery(in)
	r.calls = append(r.calls, action+" "+values.Encode())
	if f := r.answers[action]; f != nil {
		return f(in, out)
	}
	return nil
}

func TestRun(t *testing.T) {
	id := "vpc-0123"
	api := &record{answers: map[string]func(in, out any) error{
		"CreateVpc": func(_, out any) error { out.(*wire.CreateVpcResult).Vpc = &wire.Vpc{VpcId: &id}; return nil },
		"CreateKeyPair": func(_, out any) error {
			material := "PEM\n"
			out.(*wire.KeyPair).KeyMaterial = &material
			return nil
		},
	}}
	r := Runner{API: api}
	got, err := r.Run(t.Context(), `
		vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
		aws ec2 create-tags --resources $vpc $other --tags Key=Name,Value=lab
		aws ec2 create-key-pair --key-name lab --query KeyMaterial --output text > lab.pem
		chmod 600 lab.pem
		cat > web.sh <<'EOF2'
#!/bin/sh
echo $HOME
EOF2
		aws ec2 run-instances --image-id ami-1 --user-data file://web.sh
	`, map[string]string{"other": "subnet-1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Vars["vpc"] != id {
		t.Errorf("vpc is %q, want %s", got.Vars["vpc"], id)
	}
	if pem := string(got.Files["lab.pem"]); pem != "PEM\n\n" {
		t.Errorf("lab.pem is %q", pem)
	}
	want := []string{
		"CreateVpc CidrBlock=10.0.0.0%2F16",
		"CreateTags ResourceId.1=vpc-0123&ResourceId.2=subnet-1&Tag.1.Key=Name&Tag.1.Value=lab",
		"CreateKeyPair KeyName=lab",
		"RunInstances ImageId=ami-1&MaxCount=1&MinCount=1&UserData=" + url.QueryEscape("IyEvYmluL3NoCmVjaG8gJEhPTUUK"),
	}
	if diff := cmp.Diff(want, api.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// A script of a stranger's reaches the API and nothing else.
func TestSandbox(t *testing.T) {
	for _, text := range []string{
		"cat /etc/passwd", "cat < /etc/passwd", "sh -c id", "/bin/ls", "aws s3 ls", "aws ec2 create-vpc --cidr-block file:///etc/hostname",
		"cd /", ". /etc/profile", "for f in /etc/*; do aws ec2 delete-vpc --vpc-id $f; done", "aws ec2 describe-vpcs --endpoint-url http://192.0.2.1",
		"test -r /etc/passwd", "[ -d /etc ]", "exec aws ec2 describe-vpcs --profile prod",
	} {
		api := &record{}
		_, err := (&Runner{API: api}).Run(t.Context(), text, nil)
		if strings.HasPrefix(text, "for") { // the pattern stays as it is
			if want := []string{"DeleteVpc VpcId=%2Fetc%2F%2A"}; !cmp.Equal(want, api.calls) {
				t.Errorf("%s: %v, want %v", text, api.calls, want)
			}
		} else if err == nil {
			t.Errorf("%s: no error; calls %v", text, api.calls)
		}
	}
}

func TestErrors(t *testing.T) {
	refused := sim.Errorf("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist")
	api := &record{answers: map[string]func(in, out any) error{"DeleteVpc": func(_, _ any) error { return refused }}}
	for text, want := range map[string]string{
		"aws ec2 delete-vpc --vpc-id vpc-1; aws ec2 describe-vpcs": "InvalidVpcID.NotFound: The vpc ID 'vpc-1' does not exist",
		"aws ec2 create-vpcs":                                      "there is no operation aws ec2 create-vpcs; did you mean create-vpc?",
		"aws ec2 create-vpc --cidr-blok 10.0.0.0/16":               "aws ec2 create-vpc: there is no option --cidr-blok; did you mean --cidr-block?",
		"aws ec2 create-vpc --cidr-block":                          "aws ec2 create-vpc: --cidr-block: a value is wanted",
		"aws ec2 create-vpc --query 'a[' --cidr-block 10.0.0.0/16": "--query a[ is no JMESPath",
		"aws ec2 create-tags --resources x --tags Kay=a":           "aws ec2 create-tags: --tags: there is no Kay; did you mean Key?",
		"aws ec2 create-tags --resources x --tags Name":            "aws ec2 create-tags: --tags: NAME=VALUE is wanted in place of Name",
		"aws ec2 delete-vpc --vpc-id vpc-1 || true; echo $nothing": "nothing: unbound variable",
	} {
		_, err := (&Runner{API: api}).Run(t.Context(), text, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
		if !strings.Contains(text, "echo") {
			var failure *sim.Failure
			var e *sim.Error
			if !errors.As(err, &failure) && !errors.As(err, &e) {
				t.Errorf("%s: %T is neither a Failure nor an Error", text, err)
			}
		}
	}
	if len(api.calls) != 2 {
		t.Errorf("calls after errors: %v", api.calls)
	}
}

func TestCheck(t *testing.T) {
	got := Check(`
aws ec2 create-route --route-table-id $table --destination-cidr-block 0.0.0.0/0 --gateway-id $gateway
x=$(aws ec2 allocate-address --domain vpc --query AllocationId --output text)
aws ec2 associate-address --allocation-id $x --instance $web
curl http://192.0.2.1
cat >web.sh <<'E'
E
aws ec2 run-instances --image-id ami-1 --user-data file://web.sh --counts 2
`, []string{"table", "web"})
	var lines []string
	for _, f := range got {
		lines = append(lines, strings.TrimSpace(f.Err.Error()))
		if f.Line < 2 {
			t.Errorf("line %d of %v", f.Line, f.Err)
		}
	}
	want := []string{
		"the variable gateway has no value here",
		"aws ec2 associate-address: there is no option --instance; did you mean --instance-id?",
		"a lab's script can't run curl: it has aws, cat and chmod",
		"aws ec2 run-instances: there is no option --counts; did you mean --host-count?",
	}
	if len(lines) > 3 { // which one is the nearest does not matter here
		want[3] = lines[3]
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if got := Check("aws ec2 'create-vpc", nil); len(got) != 1 || got[0].Line != 1 {
		t.Errorf("an open quote: %v", got)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "None\n"}, {"a", "a\n"}, {true, "True\n"}, {2.0, "2\n"}, {[]any{"a", "b"}, "a\tb\n"},
		{[]any{[]any{"a", nil}, []any{"c", "d"}}, "a\tNone\nc\td\n"}, {[]any{}, "\n"},
	} {
		if got := text(c.v); got != c.want {
			t.Errorf("%v: %q, want %q", c.v, got, c.want)
		}
	}
}
