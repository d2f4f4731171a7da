package ec2_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

const goodAuthorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=" +
	"0000000000000000000000000000000000000000000000000000000000000000"

// request is a POST of form with a signature of the right form; change spoils it.
func request(l *lab, form string, change func(*http.Request)) *http.Request {
	r, err := http.NewRequest(http.MethodPost, l.url+"/", strings.NewReader(form))
	l.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Amz-Date", "20261123T100000Z")
	r.Header.Set("Authorization", goodAuthorization)
	if change != nil {
		change(r)
	}
	return r
}

func send(l *lab, r *http.Request) (status int, code, body string) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	l.must(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	l.must(err)
	var doc struct {
		Code string `xml:"Errors>Error>Code"`
	}
	_ = xml.Unmarshal(data, &doc) // a page in plain text has no code
	return resp.StatusCode, doc.Code, string(data)
}

func TestRequests(t *testing.T) {
	const vpcs = "Action=DescribeVpcs&Version=2016-11-15"
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	authorization := func(old, new string) func(*http.Request) {
		return header("Authorization", strings.Replace(goodAuthorization, old, new, 1))
	}
	tests := []struct {
		name, form string
		change     func(*http.Request)
		status     int
		code       string
	}{
		{"good", vpcs, nil, 200, ""},
		{"GET", "", func(r *http.Request) { r.Method, r.URL.RawQuery = "GET", vpcs }, 200, ""},
		{"PUT", vpcs, func(r *http.Request) { r.Method = "PUT" }, 405, "MethodNotAllowed"},
		{"another path", vpcs, func(r *http.Request) { r.URL.Path = "/latest" }, 404, "NotFound"},
		{"not a form", vpcs, header("Content-Type", "application/json"), 400, "InvalidRequest"},
		{"broken form", vpcs + "&x=%zz", nil, 400, "MalformedQueryString"},
		{"too large", vpcs + "&x=" + strings.Repeat("x", 1<<20), nil, 413, "RequestEntityTooLarge"},
		{"no action", "Version=2016-11-15", nil, 400, "MissingAction"},
		{"no such action", "Action=PlantTree&Version=2016-11-15", nil, 400, "InvalidAction"},
		{"an action of EC2 that labsim lacks", "Action=CreateFleet&Version=2016-11-15", nil, 400, "UnsupportedOperation"},
		{"another version", "Action=DescribeVpcs&Version=2012-01-01", nil, 400, "NoSuchVersion"},
		{"unknown parameter", vpcs + "&Colour=red", nil, 400, "UnknownParameter"},
		{"a parameter of EC2 that labsim lacks", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16&Ipv6CidrBlock=::/56", nil, 400, "UnsupportedOperation"},
		{"the same, where it asks for nothing", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16&AmazonProvidedIpv6CidrBlock=false", nil, 200, ""},
		{"a tag with an ESC", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=a%1B[2J", nil, 400, "InvalidParameterValue"},
		{"a filter with a line end", vpcs + "&Filter.1.Name=tag:a&Filter.1.Value.1=b%0Ac", nil, 400, "InvalidParameterValue"},
		{"a key's name with a line end", "Action=CreateKeyPair&Version=2016-11-15&KeyType=ed25519&KeyName=a%0Ab", nil, 400, "InvalidParameterValue"},
		{"a key's name beyond ASCII", "Action=CreateKeyPair&Version=2016-11-15&KeyType=ed25519&KeyName=%C3%A9", nil, 400, "InvalidParameterValue"},
		{"a name that turns around", "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-%E2%80%AE", nil, 400, "InvalidParameterValue"},
		{"user data in lines", "Action=RunInstances&Version=2016-11-15&ImageId=ami-1&MinCount=1&MaxCount=1&SubnetId=subnet-1&UserData=IyEv%0AYmlu", nil, 400, "InvalidAMIID.Malformed"},
		{"no signature", vpcs, func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken"},
		{"another kind of signature", vpcs, header("Authorization", "Bearer x"), 403, "IncompleteSignature"},
		{"a signature of version 2", vpcs, authorization("AWS4-HMAC-SHA256", "AWS"), 403, "IncompleteSignature"},
		{"a short signature", vpcs, authorization("Signature=0000", "Signature="), 403, "IncompleteSignature"},
		{"another service", vpcs, authorization("/ec2/", "/s3/"), 401, "AuthFailure"},
		{"another region", vpcs, authorization("us-east-1", "eu-west-1"), 401, "AuthFailure"},
		{"the host is not signed", vpcs, authorization("host;", ""), 403, "IncompleteSignature"},
		{"no date", vpcs, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 403, "IncompleteSignature"},
		{"another day", vpcs, header("X-Amz-Date", "20261124T100000Z"), 403, "IncompleteSignature"},
		{"a key that is refused", vpcs, authorization("AKIDEXAMPLE", "AKIDREFUSED"), 401, "AuthFailure"},
		{"DNS rebinding", vpcs, func(r *http.Request) { r.Host = "evil.example:4566" }, 403, ""},
		{"localhost", vpcs, func(r *http.Request) { r.Host = "localhost:4566" }, 200, ""},
		{"IPv6 loopback", vpcs, func(r *http.Request) { r.Host = "[::1]:4566" }, 200, ""},
		{"a foreign web page", vpcs, header("Origin", "https://evil.example"), 403, ""},
		{"a page without an origin", vpcs, header("Origin", "null"), 403, ""},
		{"labsim's own page", vpcs, header("Origin", "http://127.0.0.1:4566"), 200, ""},
	}
	l := newLab(t, ec2.Options{Account: func(key string) (sim.AccountID, bool) { return ec2.DefaultAccount, key != "AKIDREFUSED" }})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, code, body := send(l, request(l, tt.form, tt.change))
			if status != tt.status || code != tt.code {
				t.Errorf("status %d, code %q, want %d, %q; body:\n%s", status, code, tt.status, tt.code, body)
			}
		})
	}
}

func TestErrorDocument(t *testing.T) {
	l := newLab(t, ec2.Options{})
	_, _, body := send(l, request(l, "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-0123456789abcdef0", nil))
	id := between(body, "<RequestID>", "</RequestID>")
	want := `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>The vpc ID &#39;vpc-0123456789abcdef0&#39; does not exist</Message></Error></Errors><RequestID>` + id + `</RequestID></Response>`
	if diff := cmp.Diff(want, body); diff != "" || len(id) != 36 {
		t.Errorf("request id %q, document (-want +got):\n%s", id, diff)
	}
}

func between(s, from, to string) string {
	_, rest, _ := strings.Cut(s, from)
	out, _, _ := strings.Cut(rest, to)
	return out
}

func TestVerifiedSignature(t *testing.T) {
	now := time.Now()
	l := newLab(t, ec2.Options{Now: func() time.Time { return now }, Secret: func(key string) string {
		if key == "AKIDKNOWN" {
			return "secret"
		}
		return ""
	}})
	try := func(key, secret string) error {
		c := ec2.Client{Endpoint: l.url, AccessKey: key, SecretKey: secret}
		return c.Do(context.Background(), "DescribeVpcs", &wire.DescribeVpcsRequest{Filters: []wire.Filter{filter("tag:이름", "a b/c")}}, nil)
	}
	for _, tt := range []struct{ key, secret, code string }{
		{"AKIDKNOWN", "secret", ""},
		{"AKIDKNOWN", "guess", "SignatureDoesNotMatch"},
		{"AKIDOTHER", "whatever", ""},
	} {
		if err := try(tt.key, tt.secret); sim.ErrorCode(err) != tt.code || tt.code == "" && err != nil {
			t.Errorf("%s with %s: %v, want code %q", tt.key, tt.secret, err, tt.code)
		}
	}
	now = now.Add(10 * time.Minute)
	if err := try("AKIDKNOWN", "secret"); sim.ErrorCode(err) != "RequestExpired" {
		t.Errorf("a signature of ten minutes ago: %v, want RequestExpired", err)
	}
}

// A body that was changed on the way does not fit its signature.
func TestChangedBody(t *testing.T) {
	l := newLab(t, ec2.Options{Secret: func(string) string { return "secret" }})
	c := ec2.Client{Endpoint: l.url, AccessKey: "AKID", SecretKey: "secret", HTTP: &http.Client{Transport: spoil{}}}
	if err := c.Do(context.Background(), "DescribeVpcs", nil, nil); sim.ErrorCode(err) != "SignatureDoesNotMatch" {
		t.Errorf("a changed body: %v, want SignatureDoesNotMatch", err)
	}
}

type spoil struct{}

func (spoil) RoundTrip(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	body := strings.Replace(string(data), "DescribeVpcs", "DescribeTags", 1)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return http.DefaultTransport.RoundTrip(r)
}

func TestDryRun(t *testing.T) {
	l := newLab(t, ec2.Options{})
	l.fails("DryRunOperation", "CreateVpc", &wire.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), DryRun: new(true)})
	l.fails("InvalidVpc.Range", "CreateVpc", &wire.CreateVpcRequest{CidrBlock: new("10.0.0.0/8"), DryRun: new(true)})
	l.fails("DryRunOperation", "CreateKeyPair", &wire.CreateKeyPairRequest{KeyName: new("k"), KeyType: new("ed25519"), DryRun: new(true)})
	l.fails("DryRunOperation", "DescribeVpcs", &wire.DescribeVpcsRequest{DryRun: new(true)})
	if s := l.world.View(); s.VPCs.Len() != 0 || s.KeyPairs.Len() != 0 {
		t.Errorf("a dry run made %d VPCs and %d key pairs", s.VPCs.Len(), s.KeyPairs.Len())
	}
	status, _, _ := send(l, request(l, "Action=DescribeVpcs&Version=2016-11-15&DryRun=true", nil))
	if status != http.StatusPreconditionFailed {
		t.Errorf("the status of a dry run is %d, want 412", status)
	}
}

func TestCallerIdentity(t *testing.T) {
	l := newLab(t, ec2.Options{})
	sts := func(r *http.Request) {
		r.Header.Set("Authorization", strings.NewReplacer("/ec2/", "/sts/", "us-east-1", "eu-west-1").Replace(goodAuthorization))
	}
	_, _, body := send(l, request(l, "Action=GetCallerIdentity&Version=2011-06-15", sts))
	want := `<?xml version="1.0" encoding="UTF-8"?>
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn>` +
		`<UserId>000000000000</UserId><Account>000000000000</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>` +
		between(body, "<RequestId>", "</RequestId>") + `</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	status, _, body := send(l, request(l, "Action=AssumeRole&Version=2011-06-15", sts))
	if status != 400 || !strings.Contains(body, "<ErrorResponse") || !strings.Contains(body, "<Code>InvalidAction</Code>") {
		t.Errorf("an operation of STS that labsim lacks: %d %s", status, body)
	}
}

// What is no labsim is reported as what it is.
func TestClientOfSomethingElse(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	c := ec2.Client{Endpoint: s.URL}
	err := c.Do(context.Background(), "DescribeVpcs", nil, nil)
	if err == nil || sim.ErrorCode(err) != "" || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v, want an error that names the status 404", err)
	}
	s.Close()
	var refused *url.Error
	if err := c.Do(context.Background(), "DescribeVpcs", nil, nil); !errors.As(err, &refused) {
		t.Errorf("%v, want the error of the connection", err)
	}
}
