package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

// account is what a user does to the lab by hand, through the EC2 API.
type account struct {
	*user
	api ec2.Client
}

func (u *user) account() *account {
	u.t.Helper()
	env := u.must(0, `AWS_ENDPOINT_URL=`, "env")
	endpoint := regexp.MustCompile(`(?m)^export AWS_ENDPOINT_URL=(\S+)$`).FindStringSubmatch(env)
	if endpoint == nil {
		u.t.Fatalf("no endpoint:\n%s", env)
	}
	return &account{u, ec2.Client{Endpoint: endpoint[1], HTTP: http.DefaultClient}}
}

// do makes a call that must not be refused.
func (a *account) do(action string, in, out any) {
	a.t.Helper()
	if err := a.api.Do(a.t.Context(), action, in, out); err != nil {
		a.t.Fatalf("%s: %v", action, err)
	}
}

func named(name string) []wire.Filter {
	return []wire.Filter{{Name: ptr("tag:Name"), Values: []string{name}}}
}

func ptr[T any](x T) *T { return &x }

func (a *account) group(name string) *string {
	a.t.Helper()
	var out wire.DescribeSecurityGroupsResult
	a.do("DescribeSecurityGroups", &wire.DescribeSecurityGroupsRequest{Filters: named(name)}, &out)
	return out.SecurityGroups[0].GroupId
}

func (a *account) table(name string) wire.RouteTable {
	a.t.Helper()
	var out wire.DescribeRouteTablesResult
	a.do("DescribeRouteTables", &wire.DescribeRouteTablesRequest{Filters: named(name)}, &out)
	return out.RouteTables[0]
}

func (a *account) gateway() wire.InternetGateway {
	a.t.Helper()
	var out wire.DescribeInternetGatewaysResult
	a.do("DescribeInternetGateways", &wire.DescribeInternetGatewaysRequest{}, &out)
	return out.InternetGateways[0]
}

func (a *account) volume() *string {
	a.t.Helper()
	var out wire.DescribeVolumesResult
	a.do("DescribeVolumes", &wire.DescribeVolumesRequest{}, &out)
	return out.Volumes[0].VolumeId
}

func (a *account) instance(name string) *string {
	a.t.Helper()
	var out wire.DescribeInstancesResult
	a.do("DescribeInstances", &wire.DescribeInstancesRequest{
		Filters: append(named(name), wire.Filter{Name: ptr("instance-state-name"), Values: []string{"running"}})}, &out)
	return out.Reservations[0].Instances[0].InstanceId
}

// breakAll breaks one thing after the other through the API, where labsim is no
// less right than whoever did it: `up --check` changes nothing and names it, in
// the line of its step and in the fifth, and `up` puts it right.
func (a *account) breakAll(up []string) {
	check := slices.Concat(up, []string{"--check"})
	a.must(0, `5 ✓ Access`, check...)
	for _, c := range []struct {
		name, differs, broken string
		do                    func(a *account)
	}{
		{"rule", `4 ✗ .*~ security-group db: authorize-ingress tcp/22 web`, `web -> db tcp/22: no inbound rule of db's security groups \(db\) allows tcp/22 from 10\.0\.1\.10`, func(a *account) {
			a.do("RevokeSecurityGroupIngress", &wire.RevokeSecurityGroupIngressRequest{GroupId: a.group("db"), IpPermissions: []wire.IpPermission{{
				IpProtocol: ptr("tcp"), FromPort: ptr(22), ToPort: ptr(22), UserIdGroupPairs: []wire.UserIdGroupPair{{GroupId: a.group("web")}}}}}, nil)
			a.must(1, `ssh can't reach db: no inbound rule of db's security groups \(db\) allows tcp/22 from 10\.0\.1\.10`, "ssh", "db", "--", "hostname")
		}},
		{"route", `3 ✗ .*\+ route public 0\.0\.0\.0/0`, `internet -> web tcp/22: the subnet of web can't answer: its route table public has no route to the internet gateway`, func(a *account) {
			a.do("DeleteRoute", &wire.DeleteRouteRequest{RouteTableId: a.table("public").RouteTableId, DestinationCidrBlock: ptr("0.0.0.0/0")}, nil)
		}},
		{"association", `3 ✗ .*~ association public`, `internet -> web tcp/22: the subnet of web can't answer: its route table private has no route to the internet gateway`, func(a *account) {
			a.do("ReplaceRouteTableAssociation", &wire.ReplaceRouteTableAssociationRequest{
				AssociationId: a.table("public").Associations[0].RouteTableAssociationId, RouteTableId: a.table("private").RouteTableId}, nil)
		}},
		{"association gone", `3 ✗ .*\+ association public`, `internet -> web tcp/22: the subnet of web can't answer: its route table rtb-\w+ has no route to the internet gateway`, func(a *account) {
			a.do("DisassociateRouteTable", &wire.DisassociateRouteTableRequest{AssociationId: a.table("public").Associations[0].RouteTableAssociationId}, nil)
		}},
		{"address", `4 ✗ .*~ instance web: stop and start, for a public address`, `internet -> web tcp/22: web has no public address: nothing outside can send to it`, func(a *account) {
			var e wire.AllocateAddressResult
			a.do("AllocateAddress", &wire.AllocateAddressRequest{}, &e)
			a.do("AssociateAddress", &wire.AssociateAddressRequest{AllocationId: e.AllocationId, InstanceId: a.instance("web")}, nil)
			a.do("DisassociateAddress", &wire.DisassociateAddressRequest{PublicIp: e.PublicIp}, nil)
			a.do("ReleaseAddress", &wire.ReleaseAddressRequest{AllocationId: e.AllocationId}, nil)
		}},
		{"volume", `4 ✗ .*~ instance db: attach-volume db-data`, `db:/data: the volume db-data \(vol-\w+\) is not attached to db`, func(a *account) {
			a.must(0, ``, "stop", "db")
			a.do("DetachVolume", &wire.DetachVolumeRequest{VolumeId: a.volume()}, nil)
			a.must(0, ``, "start", "db")
		}},
		{"listener", `4 ✓ `, `web tcp/80: nobody listens on port 80 in web`, func(a *account) { a.must(0, ``, "exec", "web", "--", "pkill", "httpd") }},
	} {
		a.t.Run(c.name, func(t *testing.T) {
			a := &account{a.as(t), a.api}
			c.do(a)
			seen := a.must(1, `5 ✗ Access +(simulated +)?.*`+c.broken, check...)
			if !regexp.MustCompile(c.differs).MatchString(seen) {
				t.Errorf("the difference is not named:\n%s", seen)
			}
			if c.name == "rule" {
				a.must(1, c.broken, check...) // still: the first one has put nothing right
			}
			if c.name == "listener" { // of which no API knows
				a.must(0, ``, "reboot", "web")
			}
			a.must(0, `5 ✓ Access`, up...)
		})
	}
	a.must(0, `5 ✓ Access`, check...)
}

// routeByCLI deletes the route that makes the subnet public and creates it again,
// as the README says it: the public path is gone at once, and back.
func (a *account) routeByCLI() {
	a.t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		a.t.Logf("no AWS CLI here: %v", err)
		return
	}
	table, gateway := *a.table("public").RouteTableId, *a.gateway().InternetGatewayId
	addr := a.web()
	route := []string{"--route-table-id", table, "--destination-cidr-block", "0.0.0.0/0"}
	a.must(0, ``, append([]string{"aws", "ec2", "delete-route"}, route...)...)
	a.until("the public path is cut", func() bool { return !a.opens(addr, 22) })
	a.must(1, `(?s)no: .*route table public has no route to the internet gateway`, "trace", "internet", "web", "tcp/22")
	a.must(0, ``, append([]string{"aws", "ec2", "create-route", "--gateway-id", gateway}, route...)...)
	a.until("the public path is back", func() bool { return a.opens(addr, 22) })
}

// opens reports whether a connection is accepted.
func (u *user) opens(addr string, port int) bool {
	ctx, stop := context.WithTimeout(u.t.Context(), time.Second)
	defer stop()
	c, err := u.dial(ctx, "tcp4", fmt.Sprintf("%s:%d", addr, port))
	if err == nil {
		c.Close()
	}
	return err == nil
}

// until tries something again and again; how long it took is for the reader.
func (u *user) until(what string, is func() bool) {
	u.t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > patience {
			u.t.Fatalf("%v later not yet: %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	u.t.Logf("%5.2f s  until %s", time.Since(began).Seconds(), what)
}

// patience is far beyond what anything takes here.
const patience = time.Minute

// gatewayStays: EC2 detaches no gateway while public addresses are mapped.
func (a *account) gatewayStays() {
	a.t.Helper()
	g := a.gateway()
	err := a.api.Do(a.t.Context(), "DetachInternetGateway", &wire.DetachInternetGatewayRequest{InternetGatewayId: g.InternetGatewayId, VpcId: g.Attachments[0].VpcId}, nil)
	if sim.ErrorCode(err) != "DependencyViolation" || !strings.Contains(err.Error(), "mapped public address") {
		a.t.Errorf("detaching the gateway: %v, want DependencyViolation", err)
	}
}
