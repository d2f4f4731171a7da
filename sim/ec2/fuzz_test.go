package ec2_test

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

// fuzzed are parameters of requests to begin from: of what makes something, what
// changes it, and what asks for it.
var fuzzed = []string{
	"Action=RunInstances&ImageId=IMAGE&MinCount=1&MaxCount=2&InstanceType=t3.micro&SubnetId=SUBNET&SecurityGroupId.1=GROUP&UserData=IyEvYmluL3No&ClientToken=t",
	"Action=RunInstances&ImageId=IMAGE&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId=SUBNET&NetworkInterface.1.SecurityGroupId.1=GROUP&BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.VolumeSize=2",
	"Action=CreateVpc&CidrBlock=10.1.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=lab",
	"Action=CreateSubnet&VpcId=VPC&CidrBlock=10.0.9.0/24&AvailabilityZone=us-east-1b",
	"Action=CreateSecurityGroup&VpcId=VPC&GroupName=g&GroupDescription=d",
	"Action=AuthorizeSecurityGroupIngress&GroupId=GROUP&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
	"Action=AuthorizeSecurityGroupEgress&GroupId=GROUP&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId=GROUP",
	"Action=CreateTags&ResourceId.1=VPC&Tag.1.Key=k&Tag.1.Value=v",
	"Action=CreateVolume&AvailabilityZone=us-east-1a&Size=8&VolumeType=gp3",
	"Action=ImportKeyPair&KeyName=lab&PublicKeyMaterial=c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTU=",
	"Action=CreateRouteTable&VpcId=VPC",
	"Action=AllocateAddress&Domain=vpc",
	"Action=ModifySubnetAttribute&SubnetId=SUBNET&MapPublicIpOnLaunch.Value=true",
	"Action=ModifyVpcAttribute&VpcId=VPC&EnableDnsHostnames.Value=true",
	"Action=DeleteSubnet&SubnetId=SUBNET",
	"Action=DescribeInstances&Filter.1.Name=tag:Name&Filter.1.Value.1=w*b&MaxResults=5",
	"Action=DescribeSubnets&Filter.1.Name=vpc-id&Filter.1.Value.1=VPC&SubnetId.1=SUBNET",
	"Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1=GROUP",
	"Action=DescribeInstanceTypes&InstanceType.1=t3.*",
	"Action=DescribeTags&NextToken=x",
}

// Of a signature no more than its form is read where no secret is known.
var fuzzedHeader = "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64) + "\r\n" +
	"X-Amz-Date: 20261123T100000Z\r\nContent-Type: application/x-www-form-urlencoded\r\n"

// Bounds of an answer to one request.
const (
	answerTime = 10 * time.Second // on a machine that has much else to do
	answerSize = 4 << 20
)

// FuzzRequest sends whatever request to a world that has a VPC, a subnet and a group.
// The answer is XML or the guard's text, comes within bounds, and says of nothing
// that it is the server's fault.
func FuzzRequest(f *testing.F) {
	_, names := fuzzedWorld(f)
	for _, params := range fuzzed {
		params = names.Replace(params) + "&Version=" + wire.APIVersion
		f.Add("POST", "/", fuzzedHeader, params)
		f.Add("GET", "/?"+params, fuzzedHeader, "")
	}
	f.Add("POST", "/", "Origin: http://evil.example\r\nExpect: 100-continue\r\n", "Action=DescribeVpcs")
	f.Add("GET", "/", "Origin: http://\x8a\x1b[31m\r\n", "")
	f.Add("PUT", "//x/..", "Content-Type: multipart/form-data; boundary=x\r\n", "--x--")
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", method, target, header, len(body), body)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return // net/http answers
		}
		h, _ := fuzzedWorld(t)
		began, w := time.Now(), httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if took := time.Since(began); took > answerTime || w.Body.Len() > answerSize {
			t.Errorf("%q: %d bytes after %v", raw, w.Body.Len(), took)
		}
		if w.Code >= 500 {
			t.Errorf("%q: %d\n%s", raw, w.Code, w.Body)
		}
		if !utf8.Valid(w.Body.Bytes()) {
			t.Errorf("%q: not UTF-8:\n%q", raw, w.Body)
		}
		if w.Code == http.StatusForbidden && strings.HasPrefix(w.Result().Header.Get("Content-Type"), "text/plain") {
			return // the guard's, for browsers
		}
		if err := wellFormed(w.Body); err != nil {
			t.Errorf("%q: %v\n%s", raw, err, w.Body)
		}
	})
}

// fuzzedWorld is the same each time, names its resources for fuzzed, and logs
// nothing.
func fuzzedWorld(t testing.TB) (http.Handler, *strings.Replacer) {
	t.Helper()
	w, image := newWorld(t)
	h := ec2.NewHandler(w, ec2.Options{Log: slog.New(slog.DiscardHandler)})
	create := func(params, id string) string {
		t.Helper()
		r := httptest.NewRequest("GET", "/?"+params+"&Version="+wire.APIVersion, nil)
		r.Host = "localhost"
		for line := range strings.SplitSeq(strings.TrimSpace(fuzzedHeader), "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		found := regexp.MustCompile("<" + id + ">([^<]+)<").FindStringSubmatch(w.Body.String())
		if w.Code != http.StatusOK || found == nil {
			t.Fatalf("%s: %d\n%s", params, w.Code, w.Body)
		}
		return found[1]
	}
	vpc := create("Action=CreateVpc&CidrBlock=10.0.0.0/16", "vpcId")
	subnet := create("Action=CreateSubnet&CidrBlock=10.0.1.0/24&VpcId="+vpc, "subnetId")
	group := create("Action=CreateSecurityGroup&GroupName=web&GroupDescription=web&VpcId="+vpc, "groupId")
	return h, strings.NewReplacer("IMAGE", image, "VPC", vpc, "SUBNET", subnet, "GROUP", group)
}

// wellFormed reads a document to its end.
func wellFormed(r io.Reader) error {
	for d := xml.NewDecoder(r); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
