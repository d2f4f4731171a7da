package lab

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

const processLab = `
name: process
x-labsim: { vpcs: { lab: { cidr_block: 10.0.0.0/16 } } }
networks: { n: { ipam: { config: [ { subnet: 10.0.1.0/24 } ] } } }
services:
  a:
    image: labsim/linux
    networks: [n]
    %s
    x-labsim-instance: { user_data: "#!/bin/sh\necho first boot\n" }
`

func TestService(t *testing.T) {
	for _, c := range []struct {
		text string
		want *sim.Service
	}{
		{`depends_on: []`, nil},
		{`command: httpd -p 80 -h "/srv/my www"`, &sim.Service{Command: []string{"httpd", "-p", "80", "-h", "/srv/my www"}}},
		{`command: [sh, -c, "echo $$HOME"]`, &sim.Service{Command: []string{"sh", "-c", "echo $HOME"}}},
		{"entrypoint: [nc, -l]\n    command: \"-p 80\"\n    environment: { B: \"2\", A: 1 }\n    working_dir: /srv\n    user: ec2-user",
			&sim.Service{Command: []string{"nc", "-l", "-p", "80"}, Environment: []string{"A=1", "B=2"}, Dir: "/srv", User: "ec2-user"}},
		{"command: [env]\n    environment: [ A=1, B= ]", &sim.Service{Command: []string{"env"}, Environment: []string{"A=1", "B="}}},
	} {
		l := load(t, fmt.Sprintf(processLab, c.text))
		if diff := cmp.Diff(c.want, l.Instances[0].Service); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestServiceRefused(t *testing.T) {
	for text, want := range map[string]string{
		"environment: { A: 1 }":                           "lab.yaml:9: a: environment, user and working_dir are those of command",
		"command: [env]\n    environment: [ HOME ]":       "lab.yaml:9: a: the variable HOME has no value",
		"command: [env]\n    environment: { \"a b\": 1 }": "lab.yaml:9: a: \"a b\" can't be a variable",
		"domainname: web":                                 "lab.yaml:9: services.a.domainname is refused: EC2 names an instance after its private address",
		"hostname: a_b":                                   "lab.yaml:9: services.a.hostname: \"a_b\" can't be the name of a host",
		"hostname: ''":                                    "lab.yaml:9: services.a.hostname: \"\" can't be the name of a host",
		"command: [" + strings.Repeat("x,", 8000) + "x]":  "EC2 allows 16384",
	} {
		_, ps := Load("lab.yaml", []byte(fmt.Sprintf(processLab, text)))
		if len(ps) != 1 || !strings.Contains(ps[0].String(), want) {
			t.Errorf("%.60s: problems %v, want one with %q", text, ps, want)
		}
	}
}

// A command reaches the instance by EC2's user data, and another one means
// another instance.
func TestServiceInUserData(t *testing.T) {
	r := newRegion(t)
	l := load(t, fmt.Sprintf(processLab, "command: [httpd, -p, '80']"))
	r.up(l)
	var out wire.InstanceAttribute
	r.must("DescribeInstanceAttribute", &wire.DescribeInstanceAttributeRequest{InstanceId: r.account(l.Name).instances["a"].InstanceId, Attribute: ptr("userData")}, &out)
	data, err := base64.StdEncoding.DecodeString(wire.Value(out.UserData.Value))
	if err != nil {
		t.Fatal(err)
	}
	script, service, err := sim.SplitUserData(data)
	if err != nil || string(script) != "#!/bin/sh\necho first boot\n" || service == nil || strings.Join(service.Command, " ") != "httpd -p 80" {
		t.Errorf("user data %q: %q, %+v, %v", data, script, service, err)
	}
	if again := r.diff(l); len(again) > 0 {
		t.Errorf("again: %v", again)
	}
	want := []string{"0 delete instance a (data)", "4 create instance a"}
	if diff := cmp.Diff(want, r.diff(load(t, fmt.Sprintf(processLab, "command: [httpd, -p, '81']")))); diff != "" {
		t.Errorf("another command (-want +got):\n%s", diff)
	}
}
