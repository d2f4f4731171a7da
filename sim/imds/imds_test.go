package imds

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/dataplane"
)

var web = dataplane.Metadata{
	Addr: netip.MustParseAddr("10.0.1.10"), Instance: "i-web", Account: "000000000000", Reservation: "r-1", Image: "ami-1", Type: "t3.micro",
	Zone: "us-east-1a", Hostname: "ip-10-0-1-10.ec2.internal", PublicHostname: "ec2-198-51-100-20.compute-1.amazonaws.com",
	Public: netip.MustParseAddr("198.51.100.20"), MAC: "0a:01:02:03:04:05", ENI: "eni-web", VPC: "vpc-1", Subnet: "subnet-1",
	VPCCIDR: netip.MustParsePrefix("10.0.0.0/16"), SubnetCIDR: netip.MustParsePrefix("10.0.1.0/24"),
	Groups: []sim.SecurityGroupID{"sg-1", "sg-2"}, GroupNames: []string{"web", "ssh"}, KeyName: "lab", PublicKey: "ssh-ed25519 AAAA lab",
	UserData: []byte("#!/bin/sh\n\xff"), BlockDevices: map[string]string{"ami": "/dev/xvda", "root": "/dev/xvda", "ebs1": "/dev/sdf"},
	Tags: sim.Tags{{Key: "Name", Value: "web"}, {Key: "labsim:lab", Value: "custom-vpc"}}, HopLimit: 1, Architecture: "x86_64",
	LaunchTime: time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC),
}

var db = dataplane.Metadata{Addr: netip.MustParseAddr("10.0.2.10"), Instance: "i-db", ENI: "eni-db", MAC: "0a:00:00:00:00:01", TokensRequired: true, HopLimit: 1}

// testService knows web, db (tokens required) and off (disabled).
func testService(now *time.Time) *service {
	s := Handler(func(a netip.Addr) (dataplane.Metadata, bool) {
		switch a.String() {
		case "10.0.1.10":
			return web, true
		case "10.0.2.10":
			return db, true
		case "10.0.3.10":
			return dataplane.Metadata{Addr: a, Disabled: true}, true
		}
		return dataplane.Metadata{}, false
	}).(*service)
	s.now = func() time.Time { return *now }
	return s
}

type call struct {
	method, path, from string
	header             map[string]string
}

func (s *service) do(c call) *httptest.ResponseRecorder {
	if c.method == "" {
		c.method = "GET"
	}
	if c.from == "" {
		c.from = "10.0.1.10"
	}
	r := httptest.NewRequest(c.method, c.path, nil)
	r.RemoteAddr = c.from + ":40000"
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestTree(t *testing.T) {
	now := time.Now()
	s := testService(&now)
	const macs = "/latest/meta-data/network/interfaces/macs/0a:01:02:03:04:05/"
	for path, want := range map[string]string{
		"/":        "1.0\n" + strings.Join(versions[1:], "\n") + "\nlatest",
		"/latest/": "dynamic\nmeta-data\nuser-data",
		"/latest":  "dynamic\nmeta-data\nuser-data",
		"/latest/meta-data/": `ami-id
ami-launch-index
ami-manifest-path
block-device-mapping/
hostname
instance-action
instance-id
instance-life-cycle
instance-type
local-hostname
local-ipv4
mac
network/
placement/
public-hostname
public-ipv4
public-keys/
reservation-id
security-groups
services/
tags/`,
		"/latest/meta-data/ami-id":                      "ami-1",
		"/latest/meta-data/ami-launch-index":            "0",
		"/latest/meta-data/hostname":                    "ip-10-0-1-10.ec2.internal",
		"/latest/meta-data/local-hostname":              "ip-10-0-1-10.ec2.internal",
		"/latest/meta-data/local-ipv4":                  "10.0.1.10",
		"/latest/meta-data/public-ipv4":                 "198.51.100.20",
		"/latest/meta-data/public-hostname":             "ec2-198-51-100-20.compute-1.amazonaws.com",
		"/latest/meta-data/instance-id":                 "i-web",
		"//latest//meta-data//instance-id":              "i-web",
		"/2021-03-23/meta-data/instance-id":             "i-web",
		"/2009-04-04/":                                  "dynamic\nmeta-data\nuser-data",
		"/latest/meta-data/instance-type":               "t3.micro",
		"/latest/meta-data/mac":                         "0a:01:02:03:04:05",
		"/latest/meta-data/placement/":                  "availability-zone\nregion",
		"/latest/meta-data/placement/availability-zone": "us-east-1a",
		"/latest/meta-data/placement/region":            "us-east-1",
		"/latest/meta-data/reservation-id":              "r-1",
		"/latest/meta-data/security-groups":             "web\nssh",
		"/latest/meta-data/block-device-mapping/":       "ami\nebs1\nroot",
		"/latest/meta-data/block-device-mapping/ebs1":   "/dev/sdf",
		"/latest/meta-data/public-keys/":                "0=lab",
		"/latest/meta-data/public-keys/0/":              "openssh-key",
		"/latest/meta-data/public-keys/0/openssh-key":   "ssh-ed25519 AAAA lab",
		"/latest/meta-data/services/domain":             "amazonaws.com",
		"/latest/meta-data/tags/":                       "instance/",
		"/latest/meta-data/tags/instance/":              "Name\nlabsim:lab",
		"/latest/meta-data/tags/instance/labsim:lab":    "custom-vpc",
		"/latest/meta-data/network/interfaces/macs/":    "0a:01:02:03:04:05/",
		macs + "interface-id":                           "eni-web",
		macs + "security-group-ids":                     "sg-1\nsg-2",
		macs + "subnet-ipv4-cidr-block":                 "10.0.1.0/24",
		macs + "vpc-ipv4-cidr-blocks":                   "10.0.0.0/16",
		macs + "ipv4-associations/":                     "198.51.100.20",
		macs + "ipv4-associations/198.51.100.20":        "10.0.1.10",
		"/latest/user-data":                             "#!/bin/sh\n\xff",
		"/latest/dynamic/":                              "instance-identity/",
		"/latest/dynamic/instance-identity/":            "document",
	} {
		w := s.do(call{path: path})
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("GET %s: %d, (-want +got):\n%s", path, w.Code, cmp.Diff(want, w.Body.String()))
		}
	}
	if got := s.do(call{path: "/latest/user-data"}).Header().Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("user data has the type %q", got)
	}
}

func TestIdentityDocument(t *testing.T) {
	now := time.Now()
	w := testService(&now).do(call{path: "/latest/dynamic/instance-identity/document"})
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"accountId": "000000000000", "architecture": "x86_64", "availabilityZone": "us-east-1a", "billingProducts": nil,
		"devpayProductCodes": nil, "marketplaceProductCodes": nil, "imageId": "ami-1", "instanceId": "i-web", "instanceType": "t3.micro",
		"kernelId": nil, "pendingTime": "2026-11-24T01:02:03Z", "privateIp": "10.0.1.10", "ramdiskId": nil, "region": "us-east-1", "version": "2017-09-30"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestStatus(t *testing.T) {
	now := time.Now()
	s := testService(&now)
	ttl := map[string]string{ttlHeader: "60"}
	for _, c := range []struct {
		name string
		call call
		want int
	}{
		{"version 1", call{path: "/latest/meta-data/"}, 200},
		{"head", call{method: "HEAD", path: "/latest/meta-data/ami-id"}, 200},
		{"unknown name", call{path: "/latest/meta-data/nothing"}, 404},
		{"unknown version", call{path: "/1999-01-01/meta-data/"}, 404},
		{"below a value", call{path: "/latest/meta-data/ami-id/x"}, 404},
		{"a value as a directory", call{path: "/latest/meta-data/ami-id/"}, 404},
		{"the key's hidden name", call{path: "/latest/meta-data/public-keys/0//"}, 200},
		{"no user data", call{path: "/latest/user-data", from: "10.0.2.10"}, 401},
		{"post", call{method: "POST", path: "/latest/meta-data/"}, 405},
		{"put elsewhere", call{method: "PUT", path: "/latest/meta-data/", header: ttl}, 405},
		{"nobody's address", call{path: "/latest/meta-data/", from: "10.0.9.9"}, 404},
		{"disabled", call{path: "/latest/meta-data/", from: "10.0.3.10"}, 403},
		{"disabled token", call{method: "PUT", path: tokenPath, from: "10.0.3.10", header: ttl}, 403},
		{"tokens required", call{path: "/latest/meta-data/", from: "10.0.2.10"}, 401},
		{"bad token", call{path: "/latest/meta-data/", header: map[string]string{tokenHeader: "AAAA"}}, 401},
		{"empty token", call{path: "/latest/meta-data/", header: map[string]string{tokenHeader: ""}}, 401},
		{"token", call{method: "PUT", path: tokenPath, header: ttl}, 200},
		{"longest token", call{method: "PUT", path: tokenPath, header: map[string]string{ttlHeader: "21600"}}, 200},
		{"token without a time", call{method: "PUT", path: tokenPath}, 400},
		{"token for no time", call{method: "PUT", path: tokenPath, header: map[string]string{ttlHeader: "0"}}, 400},
		{"token for too long", call{method: "PUT", path: tokenPath, header: map[string]string{ttlHeader: "21601"}}, 400},
		{"token for nonsense", call{method: "PUT", path: tokenPath, header: map[string]string{ttlHeader: "1h"}}, 400},
		{"token for a proxy", call{method: "PUT", path: tokenPath, header: map[string]string{ttlHeader: "60", "X-Forwarded-For": "1.2.3.4"}}, 403},
		{"token by get", call{path: tokenPath, header: ttl}, 405},
	} {
		w := s.do(c.call)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
		if title := http.StatusText(w.Code); w.Code >= 400 && !strings.Contains(w.Body.String(), title) {
			t.Errorf("%s: the page doesn't say %q:\n%s", c.name, title, w.Body)
		}
	}
}

// A token serves the interface that it was given to, for its time.
func TestToken(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := testService(&now)
	get := func(from, path string) *httptest.ResponseRecorder {
		w := s.do(call{method: "PUT", path: tokenPath, from: "10.0.2.10", header: map[string]string{ttlHeader: "30"}})
		token := w.Body.String()
		if len(token) != 56 || w.Header().Get(ttlHeader) != "30" {
			t.Fatalf("token %q, TTL %q", token, w.Header().Get(ttlHeader))
		}
		now = now.Add(10 * time.Second)
		return s.do(call{path: path, from: from, header: map[string]string{tokenHeader: token}})
	}
	if w := get("10.0.2.10", "/latest/meta-data/instance-id"); w.Code != 200 || w.Body.String() != "i-db" || w.Header().Get(ttlHeader) != "20" {
		t.Errorf("own token: %d %q, %q seconds left", w.Code, w.Body, w.Header().Get(ttlHeader))
	}
	if w := get("10.0.1.10", "/latest/meta-data/instance-id"); w.Code != 401 {
		t.Errorf("another's token: %d, want 401", w.Code)
	}
	if w := get("10.0.2.10", "/latest/user-data"); w.Code != 404 {
		t.Errorf("no user data: %d, want 404", w.Code)
	}
	w := s.do(call{method: "PUT", path: tokenPath, from: "10.0.2.10", header: map[string]string{ttlHeader: "30"}})
	now = now.Add(30 * time.Second)
	if w := s.do(call{path: "/latest/meta-data/", from: "10.0.2.10", header: map[string]string{tokenHeader: w.Body.String()}}); w.Code != 401 {
		t.Errorf("expired token: %d, want 401", w.Code)
	}
}

// Through a real server, with its view of paths and HEAD.
func TestServer(t *testing.T) {
	srv := httptest.NewServer(Handler(func(netip.Addr) (dataplane.Metadata, bool) { return web, true }))
	defer srv.Close()
	r, err := http.Head(srv.URL + "/latest/meta-data/ami-id")
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != 200 || r.ContentLength != 5 || r.Header.Get("Server") != "EC2ws" {
		t.Errorf("HEAD: %s, length %d, server %q", r.Status, r.ContentLength, r.Header.Get("Server"))
	}
}
